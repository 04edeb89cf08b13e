/** `ghostnet ghostify` as users run it: the plan, an edited plan, a model that is written, mistakes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { profile } from '../../src/analysis/profile.js';
import { readModelFile, writeModelFile } from '../../src/formats/node/model-file.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { createModel } from '../../src/models/registry.js';
import { ghostnet } from './run-command.js';

const folder = mkdtempSync(join(tmpdir(), 'ghostnet-ghostify-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const model = join(folder, 'model.safetensors');
const cifar = join(folder, 'data_batch_1.bin');

beforeAll(async () => {
  const graph = createModel('resnet20-cifar');
  await writeModelFile(model, graph, initializeWeights(graph, 1));
  const bytes = new Uint8Array(12 * 3073);
  for (let i = 0; i < bytes.length; i++) bytes[i] = i % 3073 === 0 ? (i / 3073) % 10 : (i * 7919) % 256;
  writeFileSync(cifar, bytes);
});

describe('ghostnet ghostify', () => {
  it('shows the plan and writes nothing', async () => {
    const { code, stdout, stderr } = await ghostnet(['ghostify', 'vgg16-cifar', '--skip', 'features.0']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('left: named in skip');
    expect(stdout).toMatch(/whole network +14,986,698 +7,651,050/);
  });

  it('applies an edited plan', async () => {
    const file = join(folder, 'plan.json');
    const saved = await ghostnet(['ghostify', model, '--save-plan', file]);
    expect(saved.code).toBe(0);
    const plan = JSON.parse(readFileSync(file, 'utf8'));
    for (const layer of plan.layers) layer.apply = layer.layer.startsWith('layer3');
    plan.layers.at(-1).settings.ratio = 4;
    writeFileSync(file, JSON.stringify(plan));
    const out = join(folder, 'ghost.safetensors');
    const shown = await ghostnet(['ghostify', model, '--plan', file]);
    const refused = await ghostnet(['ghostify', model, '--plan', file, '--out', out]);
    expect(refused.stderr).toContain('nothing changed; add --yes');
    const args = ['ghostify', model, '--plan', file, '--calibrate', cifar, '--pictures', '8'];
    const { code, stdout } = await ghostnet([...args, '--out', out, '--yes', '--json']);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.pictures).toBe(12);
    expect(report.plan.layers.at(-1).error).toBeGreaterThan(0);
    const ghost = await readModelFile(out);
    const { params, macs } = profile(ghost.graph);
    const totals = [params, macs].map((count) => count.toLocaleString('en-US'));
    expect(shown.stdout).toMatch(
      new RegExp(`^whole network .* ${totals[0]} .* ${totals[1]} .* 6 of 19 convolutions$`, 'm'),
    );
    // layers that the edit leaves cost what they cost
    expect(shown.stdout).toMatch(
      /^layer1\.0\.conv1 +3x3 p1 16→16 +2,336 +2,359,296 +[\d.]+ +left: by the plan$/m,
    );
    expect(ghost.graph.ghostModules.map((module) => module.ratio)).toEqual([2, 2, 2, 2, 2, 4]);
    expect(ghost.graph.meta.notes?.['ghostified']).toBe('6 of 19 convolutions, s=2, 4');
  });

  it('measures every convolution; edited settings are estimated from what was measured', async () => {
    const file = join(folder, 'measured.json');
    const args = ['ghostify', model, '--only', 'layer3.2*', '--measure', '--allow-slower'];
    const { code, stdout } = await ghostnet([...args, '--save-plan', file, '--json']);
    expect(code).toBe(0);
    const { plan } = JSON.parse(stdout);
    const sum = (when: 'before' | 'after'): number =>
      plan.layers.reduce(
        (all: number, layer: Record<typeof when, { measuredMs: number }>) => all + layer[when].measuredMs,
        0,
      );
    expect(plan.before.measuredMs).toBeCloseTo(sum('before'), 9);
    expect(plan.after.measuredMs).toBeCloseTo(sum('after'), 9);
    const edited = JSON.parse(readFileSync(file, 'utf8'));
    const last = edited.layers.at(-1);
    last.settings.ratio = 4;
    writeFileSync(file, JSON.stringify(edited));
    const again = JSON.parse((await ghostnet(['ghostify', model, '--plan', file, '--json'])).stdout).plan;
    const { before, after } = again.layers.at(-1);
    expect(after.measuredMs / before.measuredMs).toBeCloseTo(after.predictedMs / before.predictedMs, 9);
    expect(again.layers.at(-2).after).toEqual(plan.layers.at(-2).after);
  });

  it('searches s for a target', async () => {
    const args = ['ghostify', model, '--only', 'layer3.2*', '--calibrate', cifar, '--pictures', '2'];
    const { code, stdout } = await ghostnet([...args, '--target-macs', '39.5M', '--json']);
    expect(code).toBe(0);
    const { plan } = JSON.parse(stdout);
    expect(plan.after.macs).toBeLessThanOrEqual(39.5e6);
    expect(plan.after.macs).toBeGreaterThan(38e6);
    const missed = await ghostnet([...args, '--target-macs', '1M']);
    expect(missed.code).toBe(1);
    expect(missed.stderr).toMatch(
      /TARGET_MISSED.*1,000,000 MACs cannot be reached; .* it is 3\d,\d{3},\d{3} MACs/,
    );
  });

  it.each([
    [['ghostify', 'vgg16-cifar', '--skip', 'nowhere'], 1, 'BAD_GHOSTIFY'],
    [['ghostify', 'vgg16-cifar', '--cheap-kernel', '2'], 1, 'cheapKernel: given 2'],
    [['ghostify', 'vgg16-cifar', '--out', 'a.txt'], 2, '.safetensors or .onnx'],
    [['ghostify', 'vgg16-cifar', '--target-macs', '9M'], 2, '--calibrate'],
    [['ghostify', 'vgg16-cifar', '--plan', 'none.json'], 2, 'no such file'],
  ] as const)('%j', async (args, code, message) => {
    const finished = await ghostnet(args);
    expect([finished.code, finished.stdout]).toEqual([code, '']);
    expect(finished.stderr).toContain(message);
  });
});
