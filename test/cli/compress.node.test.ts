/** `ghostnet compress` as users run it: plan, edited plan, written files that run, and its errors. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { profile } from '../../src/analysis/profile.js';
import { readModelFile, writeModelFile } from '../../src/formats/node/model-file.js';
import { GraphBuilder } from '../../src/graph/builder.js';
import { createModel } from '../../src/models/registry.js';
import { foldBatchNorm } from '../../src/passes/fold-batch-norm.js';
import { randomWeights } from '../op-cases/values.js';
import { ghostnet } from './run-command.js';

const folder = mkdtempSync(join(tmpdir(), 'ghostnet-compress-'));
const at = (name: string): string => join(folder, name);
const side = 32;

beforeAll(async () => {
  const graph = createModel('resnet20-cifar');
  const weights = randomWeights(graph, 1);
  await writeModelFile(at('model.safetensors'), graph, weights);
  const g = new GraphBuilder('small');
  let x = g.conv2d('stem', g.input('input', [3, side, side]), {
    outChannels: 16,
    kernel: 3,
    stride: 4,
    padding: 1,
  });
  x = g.activation('relu1', g.batchNorm('bn1', x), 'relu');
  x = g.activation(
    'relu2',
    g.batchNorm('bn2', g.conv2d('conv', x, { outChannels: 24, kernel: 3, padding: 1 })),
    'relu',
  );
  x = g.linear('fc', g.flatten('flatten', g.globalAvgPool('pool', x)), { outFeatures: 10 });
  const small = g.build([x], graph.meta);
  const folded = foldBatchNorm(small, randomWeights(small, 2));
  await writeModelFile(at('folded.safetensors'), folded.graph, folded.weights);
  // two records of CIFAR-10's form, twenty times
  const record = Uint8Array.from({ length: 1 + 3 * side * side }, (_, i) => (i === 0 ? 3 : (i * 7919) % 256));
  const records = Array.from({ length: 20 }, (_, k) =>
    record.map((value, i) => (i === 0 ? k % 10 : (value + 13 * k) % 256)),
  );
  for (const name of ['test_batch.bin', ...[1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`)])
    writeFileSync(at(name), Buffer.concat(records));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('ghostnet compress', () => {
  it('without --out it shows the plan and writes nothing', async () => {
    const { code, stdout, stderr } = await ghostnet(['compress', at('model.safetensors'), '--method', 'l1']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^layer1\.0\.conv1 +3x3 16→16 to 12→12 .* channels 12$/m);
    expect(stdout).toMatch(/^fc +linear 64→10 to 44→10 .* channels stay: the network’s output$/m);
    expect(stdout).toMatch(/^whole network .* 40,551,040 .*2\.03x fewer MACs$/m);
  });

  it('an edited plan is applied, and the written file has the MACs of the plan', async () => {
    const plan = at('plan.json');
    const model = at('model.safetensors');
    await ghostnet(['compress', model, '--method', 'slimming', '--save-plan', plan]);
    const edited = JSON.parse(readFileSync(plan, 'utf8')) as {
      layers: { layer: string; apply: boolean; settings: object }[];
    };
    for (const row of edited.layers) row.apply = row.layer === 'layer1.0.conv1';
    edited.layers.find(({ layer }) => layer === 'layer1.0.conv1')!.settings = { channels: 5 };
    writeFileSync(plan, JSON.stringify(edited));
    const again = at('again.json');
    const shown = await ghostnet([
      'compress',
      model,
      '--method',
      'slimming',
      '--plan',
      plan,
      '--save-plan',
      again,
    ]);
    expect(shown.stdout).toMatch(/^layer1\.0\.conv1 +3x3 16→16 to 16→5 .* channels 5$/m);
    expect(shown.stdout).toMatch(/^layer1\.0\.conv2 +3x3 16→16 to 5→16 /m);
    expect(shown.stdout).toMatch(/^layer2\.0\.conv1 .* left: by the plan$/m);
    const out = at('edited.safetensors');
    const run = await ghostnet([
      'compress',
      model,
      '--method',
      'slimming',
      '--plan',
      plan,
      '--out',
      out,
      '--yes',
      '--json',
    ]);
    expect(run.code).toBe(0);
    const { graph } = await readModelFile(out);
    const counted = profile(graph);
    expect((JSON.parse(run.stdout) as { macs: number }).macs).toBe(counted.macs);
    // the plan that was shown and written again had the counts of what came of it, not those from before the edit
    const saved = JSON.parse(readFileSync(again, 'utf8')) as { after: { macs: number; params: number } };
    expect(saved.after).toEqual({ params: counted.params, macs: counted.macs });
    expect(shown.stdout).toContain(counted.macs.toLocaleString('en-US'));
    expect(counted.layers.find(({ name }) => name === 'layer1.0.conv1')!.outputShape[1]).toBe(5);
    expect(counted.layers.find(({ name }) => name === 'layer1.1.conv1')!.outputShape[1]).toBe(16);
    expect(graph.meta.notes?.['compressed']).toMatch(/^slimming, /);
  });

  it('a folded network, with pictures: comes back folded, compared with the old one', async () => {
    const args = [
      '--calibrate',
      folder,
      '--data',
      folder,
      '--pictures',
      '8',
      '--out',
      at('cp.safetensors'),
      '--yes',
    ];
    const run = await ghostnet([
      'compress',
      at('folded.safetensors'),
      '--method',
      'cp',
      '--ratio',
      '1.3',
      ...args,
    ]);
    expect(run.stdout).toMatch(/same first answer as before +\d/);
    expect(run.stdout).toMatch(/accuracy after +\d/);
    expect(run.code).toBe(0);
    const { graph } = await readModelFile(at('cp.safetensors'));
    expect(graph.nodes.some(({ kind }) => kind === 'batchNorm')).toBe(false);
    expect(profile(graph).macs).toBeLessThan(
      profile((await readModelFile(at('folded.safetensors'))).graph).macs / 1.1,
    );
  });

  it.each([
    [['--method', 'l1', '--out', 'x.txt'], 'USAGE', '--out: x.txt'],
    [['--method', 'ghost', '--ratio', '1.5'], 'USAGE', '--ratio: given 1.5'],
    [['--method', 'l1', '--train', '.'], 'USAGE', '--train: only sfp trains'],
    [['--method', 'cp', '--out', 'x.onnx', '--yes'], 'NO_CALIBRATION', 'give calibration pictures'],
    [['--method', 'l1', '--skip', 'nothing'], 'BAD_OPTION', 'skip: given "nothing"'],
  ])('%j: %s', async (args, error, message) => {
    const { code, stderr } = await ghostnet(['compress', at('model.safetensors'), ...args]);
    expect(code).not.toBe(0);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`[${error}]`);
    expect(stderr).toContain(message);
  });

  it('int8: the plan counts bytes, ranges can be edited, the file runs', async () => {
    const plan = at('int8.json');
    const args = ['compress', at('folded.safetensors'), '--method', 'int8'];
    const shown = await ghostnet([...args, '--save-plan', plan]);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toMatch(/^bn2 +3x3 16→24 +13,920 +3,648 +221,184 .* ranges tail$/m);
    expect(shown.stdout).toMatch(/^whole network +16,712 +4,528 .*3\.69x fewer bytes, 1\.00x fewer MACs$/m);
    const edited = JSON.parse(readFileSync(plan, 'utf8'));
    edited.layers[0].settings.ranges = 'minmax';
    writeFileSync(plan, JSON.stringify(edited));
    const out = at('int8.safetensors');
    const apply = [...args, '--plan', plan, '--calibrate', folder, '--pictures', '8', '--out', out, '--yes'];
    const { code, stdout } = await ghostnet([...apply, '--json']);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.plan.layers.map((layer: { error?: number }) => (layer.error ?? 1) < 0.01)).toEqual([
      ...[true, true],
      false, // logits stay floats
    ]);
    expect(report.comparison).toMatchObject({ pictures: 80 });
    expect(report.comparison.outputError).toBeLessThan(0.01);
    const answered = await ghostnet(['inspect', out]);
    expect(answered).toMatchObject({ code: 0, stdout: expect.stringContaining('int8') });
    edited.layers[1].apply = false;
    writeFileSync(plan, JSON.stringify(edited));
    const refused = await ghostnet(apply);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('PLAN_MISFIT') });
    const ratio = await ghostnet([...args, '--ratio', '2']);
    expect(ratio).toMatchObject({ code: 2, stderr: expect.stringContaining('--ratio: int8 is for') });
  });
});
