/**
 * Files that PyTorch's exporter wrote at several opsets (test/goldens/make_onnx.py), against PyTorch's own outputs: by the
 * plain reference and by the compiled module. What the exporter spelled out must come back as the operation that it was.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createNetwork } from '../../src/create-network.js';
import { importOnnx } from '../../src/formats/onnx/import.js';
import type { Graph } from '../../src/graph/graph.js';
import { runReference } from '../../src/reference/run.js';

interface Golden {
  readonly opsets: readonly number[];
  readonly input: { readonly shape: number[]; readonly data: number[] };
  readonly output: { readonly shape: number[]; readonly data: number[] };
}

const folder = fileURLToPath(new URL('../goldens/onnx', import.meta.url));
const goldens = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Record<string, Golden>;

/** Largest difference, relative to the largest value. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [worst, scale] = [0, 1e-9];
  for (let i = 0; i < b.length; i++) {
    worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  return a.length === b.length ? worst / scale : Number.POSITIVE_INFINITY;
}

function count(graph: Graph, kind: string): number {
  return graph.nodes.filter((node) => (node.kind === 'activation' ? node.function : node.kind) === kind)
    .length;
}

/** Operations that must be found again, whatever the opset spells. */
const found: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  spelled: { hardSwish: 2, hardSigmoid: 1, silu: 1, mul: 1 },
  activations: { hardSwish: 1, relu6: 1, silu: 1, hardSigmoid: 1, relu: 1 },
  shuffle: { shuffle: 2, globalAvgPool: 1, linear: 1 },
  'squeeze-excite': { mul: 3, linear: 1, conv2d: 5, softmax: 1, hardSigmoid: 1 },
  pools: { maxPool: 3, avgPool: 3, globalAvgPool: 6 },
  crops: { upsample: 1, padChannels: 1 },
  dense: { linear: 2, flatten: 1 },
};

describe.each(Object.entries(goldens))('%s', (name, { opsets, input, output }) => {
  it.each(opsets)('opset %i', async (opset) => {
    const { graph, weights } = importOnnx(readFileSync(join(folder, `${name}-${opset}.onnx`)));
    expect(graph.outputs).toEqual(['output']);
    const x = { shape: input.shape, data: Float32Array.from(input.data) };
    const reference = runReference(graph, weights, new Map([['input', x]])).get('output')!;
    expect(reference.shape).toEqual(output.shape);
    expect(difference(reference.data, output.data)).toBeLessThan(1e-5);
    const network = await createNetwork(graph, weights, { batch: input.shape[0]! });
    expect(difference(await network.run(x.data), output.data)).toBeLessThan(1e-5);
    await network.dispose();
    for (const [kind, times] of Object.entries(found[name] ?? {}))
      expect([kind, count(graph, kind)]).toEqual([kind, times]);
  });
});
