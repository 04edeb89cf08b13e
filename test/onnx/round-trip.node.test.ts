/**
 * Out and in again: what `exportOnnx` writes, `importOnnx` reads as the same graph with the same weights, bit for bit; and
 * `ghostnet convert` between safetensors, ONNX and PyTorch.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { profile } from '../../src/analysis/profile.js';
import { saveModel } from '../../src/formats/model-file.js';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { exportOnnx } from '../../src/formats/onnx/export.js';
import { importOnnx } from '../../src/formats/onnx/import.js';
import { elementCount, type Graph, inputNodes, type Tensor } from '../../src/graph/graph.js';
import { toJson } from '../../src/graph/json.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { createModel, listModels } from '../../src/models/registry.js';
import { runReference } from '../../src/reference/run.js';
import { ghostnet } from '../cli/run-command.js';
import { randomGraph } from '../op-cases/random-graph.js';
import { randomWeights } from '../op-cases/values.js';

const folder = mkdtempSync(join(tmpdir(), 'ghostnet-convert-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Names of what differs, the first few: a whole graph's text in a message helps nobody. */
function sameParts(given: Graph, expected: Graph): string[] {
  const parts = (graph: Graph): Map<string, string> => {
    const { nodes, parameters, ...rest } = JSON.parse(toJson(graph)) as {
      nodes: { name: string }[];
      parameters: Record<string, unknown>;
    };
    const list = (entries: [string, unknown][]): [string, string][] =>
      entries.map(([key, value]) => [key, JSON.stringify(value)]);
    return new Map([
      ...list(nodes.map((node, i) => [`node ${i}`, node])),
      ...list(Object.entries(parameters).map(([key, value]) => [`parameter ${key}`, value])),
      ...list(Object.entries(rest)),
    ]);
  };
  const [a, b] = [parts(given), parts(expected)];
  const different = [...new Set([...a.keys(), ...b.keys()])].filter((key) => a.get(key) !== b.get(key));
  return different.slice(0, 3).map((key) => `${key}: ${a.get(key)}, expected ${b.get(key)}`);
}

describe('export and import', () => {
  const some = [
    'ghostnet-0.5x',
    'ghostnet-1.0x',
    'ghost-resnet20-cifar',
    'ghost-resnet56-bn-after',
    'shiftresnet20-1-cifar',
    'squeezenet1_1',
    'mobilenet_v3_small',
    'shufflenet_v2_x0_5',
    'mnasnet0_5',
    'g_ghost_regnetx_002',
  ];
  const names = process.env['GHOSTNET_LONG'] === '1' ? listModels().map(({ name }) => name) : some;
  it.each(names)('%s comes back the same', (name) => {
    const graph = createModel(name);
    const weights = new Map(
      Object.entries(graph.parameters).map(([key, { shape }]) => {
        const data = new Float32Array(elementCount(shape));
        for (let i = 0; i < data.length; i++) data[i] = (i % 251) / 97 - 1;
        return [key, { shape, data }];
      }),
    );
    const back = importOnnx(exportOnnx(graph, weights));
    expect(sameParts(back.graph, graph)).toEqual([]);
    for (const [key, { data }] of weights)
      expect(Buffer.compare(Buffer.from(back.weights.get(key)!.data.buffer), Buffer.from(data.buffer))).toBe(
        0,
      );
  });

  it('random graphs of every op compute the same', { timeout: 60_000 }, () => {
    for (let seed = 0; seed < 25; seed++) {
      const { graph } = randomGraph(seed);
      const weights = randomWeights(graph, seed);
      const input = inputNodes(graph)[0]!;
      const shape = [2, ...input.shape];
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i));
      const inputs = new Map<string, Tensor>([[input.name, { shape, data }]]);
      const back = importOnnx(exportOnnx(graph, weights));
      expect(back.graph.outputs).toEqual(graph.outputs);
      const before = runReference(graph, weights, inputs);
      const after = runReference(back.graph, back.weights, inputs);
      for (const name of graph.outputs) {
        const [a, b] = [before.get(name)!, after.get(name)!];
        expect(b.shape).toEqual(a.shape);
        const scale = a.data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
        a.data.forEach((value, i) => {
          if (!(Math.abs(value - b.data[i]!) <= 2e-6 * scale))
            expect.fail(`seed ${seed}, output ${name}, value ${i}`);
        });
      }
    }
  });

  it('16-bit weights are cast before their use', () => {
    const graph = createModel('ghost-resnet20-cifar');
    const weights = initializeWeights(graph, 3);
    const [whole, half] = [exportOnnx(graph, weights), exportOnnx(graph, weights, { dtype: 'F16' })];
    expect(half.length / whole.length).toBeLessThan(0.75);
    const back = importOnnx(half);
    expect(sameParts(back.graph, graph)).toEqual([]);
    for (const [key, { data }] of weights)
      for (const [i, value] of back.weights.get(key)!.data.entries())
        if (!(Math.abs(value - data[i]!) <= 2 ** -11 * Math.abs(data[i]!) + 2 ** -25))
          expect.fail(`${key}, value ${i}`);
    const bias = Object.keys(graph.parameters).findLast((key) => key.endsWith('.bias'))!;
    const large = new Map(weights).set(bias, { shape: [10], data: new Float32Array(10).fill(1e6) });
    expect(() => exportOnnx(graph, large, { dtype: 'F16' })).toThrow(/holds 1000000/);
  });
});

describe('ghostnet convert', () => {
  const graph = createModel('ghost-resnet20-cifar');
  const weights = initializeWeights(graph, 5);
  const at = (name: string): string => join(folder, name);

  it('goes from safetensors to ONNX and back to the same bytes', { timeout: 60_000 }, async () => {
    const bytes = saveModel(graph, weights);
    writeFileSync(at('a.safetensors'), bytes);
    const there = await ghostnet(['convert', at('a.safetensors'), at('b.onnx'), '--json']);
    expect([there.code, there.stderr]).toEqual([0, '']);
    expect(JSON.parse(there.stdout)).toMatchObject({
      format: 'onnx',
      network: graph.name,
      dtype: 'f32',
      folded: false,
    });
    const back = await ghostnet(['convert', at('b.onnx'), at('c.safetensors')]);
    expect([back.code, back.stderr]).toEqual([0, '']);
    const read = await readModelFile(at('c.safetensors'));
    expect(Buffer.compare(saveModel(read.graph, read.weights), bytes)).toBe(0);
  });

  it('folds, stores halves, and keeps preprocessing and labels', { timeout: 60_000 }, async () => {
    writeFileSync(at('d.onnx'), exportOnnx(graph, weights));
    writeFileSync(at('labels.txt'), `${Array.from({ length: 10 }, (_, i) => `class ${i}`).join('\n')}\n`);
    const preprocessing = {
      interpolation: 'bilinear',
      keepSize: true,
      mean: [0.5, 0.5, 0.5],
      std: [1, 1, 1],
    };
    writeFileSync(at('how.json'), JSON.stringify(preprocessing));
    const how = ['--fold', '--dtype', 'f16', '--preprocessing', at('how.json'), '--labels', at('labels.txt')];
    const { code, stderr } = await ghostnet(['convert', at('d.onnx'), at('e.safetensors'), ...how]);
    expect([code, stderr]).toEqual([0, '']);
    const read = await readModelFile(at('e.safetensors'));
    expect(read.graph.nodes.some((node) => node.kind === 'batchNorm')).toBe(false);
    expect(read.graph.meta.preprocessing).toEqual(preprocessing);
    expect(read.graph.meta.labels?.[9]).toBe('class 9');
  });

  it("folds GhostNetV3's branches to GhostNetV2", { timeout: 60_000 }, async () => {
    const small = { width: 0.3, classes: 3, inputSize: 32 };
    const trained = createModel('ghostnetv3-1.0x', small);
    writeFileSync(at('v3.safetensors'), saveModel(trained, initializeWeights(trained, 1)));
    const { code } = await ghostnet(['convert', at('v3.safetensors'), at('folded.safetensors'), '--fold']);
    expect(code).toBe(0);
    const { graph: folded } = await readModelFile(at('folded.safetensors'));
    const v2 = createModel('ghostnetv2-1.0x', small);
    expect(profile(folded).macs).toBe(profile(v2).macs);
    expect(profile(trained).macs).toBeGreaterThan(profile(v2).macs);
  });

  it('says what is wrong', { timeout: 60_000 }, async () => {
    writeFileSync(at('f.safetensors'), saveModel(graph, weights));
    writeFileSync(at('few.txt'), 'one\ntwo\n');
    writeFileSync(at('bad.json'), '{"mean":[1]}');
    const fails = async (...args: string[]): Promise<unknown[]> => {
      const { code, stderr } = await ghostnet(['convert', ...args]);
      return [code, /\[([A-Z_]+)\]/.exec(stderr)?.[1]];
    };
    expect(await fails(at('f.safetensors'), at('f.pth'))).toEqual([2, 'USAGE']);
    expect(await fails(at('none.onnx'), at('g.onnx'))).toEqual([1, 'UNKNOWN_MODEL']);
    expect(await fails(at('f.safetensors'), at('g.onnx'), '--labels', at('few.txt'))).toEqual([
      1,
      'BAD_LABELS',
    ]);
    expect(await fails(at('f.safetensors'), at('g.onnx'), '--preprocessing', at('bad.json'))).toEqual([
      1,
      'BAD_PREPROCESSING',
    ]);
  });
});
