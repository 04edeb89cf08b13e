/** The written file's structure, read back through the schema. Its numbers are compared with onnxruntime in bench/. */
import { expect, it } from 'vitest';
import { GraphBuilder } from '../../graph/builder.js';
import { initializeWeights } from '../../models/initialize.js';
import { createModel } from '../../models/registry.js';
import { exportOnnx } from './export.js';
import { OnnxModel } from './schema.js';

interface Decoded {
  readonly opsetImport: { version: string }[];
  readonly metadataProps: { key: string; value: string }[];
  readonly graph: {
    readonly node: { opType: string; input: string[]; output: string[] }[];
    readonly initializer: { name: string; dims: string[]; rawData: Uint8Array }[];
    readonly input: {
      name: string;
      type: { tensorType: { shape: { dim: { dimParam?: string; dimValue?: string }[] } } };
    }[];
  };
}

function decode(bytes: Uint8Array): Decoded {
  return OnnxModel.toObject(OnnxModel.decode(bytes), { longs: String }) as Decoded;
}

it('writes every parameter, a free batch, labels and no redundant Slice', () => {
  const graph = createModel('ghost-resnet20-cifar');
  const weights = initializeWeights(graph, 1);
  const { graph: onnx, opsetImport, metadataProps } = decode(exportOnnx(graph, weights));
  expect(opsetImport).toMatchObject([{ version: '17' }]);
  expect(JSON.parse(metadataProps.find((entry) => entry.key === 'labels')?.value ?? '')).toHaveLength(10);
  expect(onnx.input[0]?.type.tensorType.shape.dim).toEqual([
    { dimParam: 'N' },
    { dimValue: '3' },
    { dimValue: '32' },
    { dimValue: '32' },
  ]);
  const names = new Set(onnx.initializer.map((tensor) => tensor.name));
  for (const name of weights.keys()) expect(names.has(name), name).toBe(true);
  const first = onnx.initializer[0];
  const values = weights.get(first?.name ?? '')?.data ?? new Float32Array();
  expect(new DataView(Uint8Array.from(first?.rawData ?? new Uint8Array(4)).buffer).getFloat32(0, true)).toBe(
    values[0],
  );
  expect(onnx.node.filter((node) => node.opType === 'Slice')).toHaveLength(0);
  const sliced = decode(exportOnnx(graph, weights, { redundantSlices: true })).graph.node;
  expect(sliced.filter((node) => node.opType === 'Slice')).toHaveLength(graph.ghostModules.length);
});

it('every value is written before it is read', () => {
  const g = new GraphBuilder('all');
  let x = g.input('x', [4, 8, 8]);
  x = g.shuffle('shuffle', x, 2);
  x = g.shift('shift', x, [
    [0, 1],
    [1, 0],
    [-1, -1],
    [0, 0],
  ]);
  x = g.activation('silu', g.padChannels('pad', g.slice('slice', x, 1, 3), 1, 1), 'silu');
  x = g.upsample('up', g.maxPool('max', x, { kernel: 3, stride: 2, ceilMode: true }), 2);
  x = g.mul('gate', x, g.activation('hs', g.globalAvgPool('gap', x), 'hardSigmoid'));
  x = g.softmax('probabilities', g.linear('fc', g.flatten('flat', x), { outFeatures: 3 }));
  const graph = g.build([x]);
  const { graph: onnx } = decode(exportOnnx(graph, initializeWeights(graph, 1)));
  const known = new Set([...onnx.initializer.map((tensor) => tensor.name), 'x', '']);
  for (const node of onnx.node) {
    for (const input of node.input ?? [])
      expect(known.has(input), `${node.opType} reads ${input}`).toBe(true);
    for (const output of node.output) known.add(output);
  }
  expect(known.has('probabilities')).toBe(true);
});
