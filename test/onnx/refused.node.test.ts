/** What the ONNX import refuses, on files written node by node: all unsupported things at once, and files that mean harm. */
import { describe, expect, it } from 'vitest';
import { errorCode } from '../../src/errors.js';
import { decodeOnnx } from '../../src/formats/onnx/decode.js';
import { importOnnx, readOnnx } from '../../src/formats/onnx/import.js';
import { floats, ints, onnxFile, single, type TestNode } from './onnx-file.js';
import { codeOf, thrown } from './thrown.js';

describe('what is not supported', () => {
  it('is told by node, operator and attribute, all at once', () => {
    const file = onnxFile({
      outputs: ['y', 'z'],
      initializers: [floats('w', [2, 2, 3, 3])],
      nodes: [
        { name: 'first', op: 'Elu', inputs: ['x'], outputs: ['a'] },
        { name: 'after', op: 'Relu', inputs: ['a'], outputs: ['y'] },
        {
          name: 'pool',
          op: 'MaxPool',
          inputs: ['x'],
          outputs: ['p'],
          attributes: { kernel_shape: [2, 2], dilations: [2, 2] },
        },
        { name: 'odd', op: 'Conv', inputs: ['x', 'w'], outputs: ['q'], attributes: { surprise: 1 } },
        { name: 'own', op: 'Relu', domain: 'com.example', inputs: ['x'], outputs: ['r'] },
        { name: 'last', op: 'Softmax', inputs: ['x'], outputs: ['z'] },
      ],
    });
    const { model, unsupported } = readOnnx(decodeOnnx(file));
    expect(model).toBeUndefined();
    expect(unsupported.map(({ node, op, attribute }) => [node, op, attribute])).toEqual([
      ['first', 'Elu', undefined],
      ['pool', 'MaxPool', 'dilations'],
      ['odd', 'Conv', 'surprise'],
      ['own', 'Relu', undefined],
      ['last', 'Softmax', 'axis'],
    ]);
    const error = thrown(() => importOnnx(file));
    expect(errorCode(error)).toBe('ONNX_UNSUPPORTED');
    expect(error.message).toContain('node "first" (Elu): the operator is not supported; and 4 more');
  });

  it.each([
    ['Add', {}, { initializers: [floats('c', [1, 1, 4, 4])] }, 'one number or one a channel'],
    ['Reshape', {}, { initializers: [ints('s', [2, 1, 4, 4])] }, 'mixes the batch'],
    ['Pad', { mode: 'reflect' }, { initializers: [ints('p', [0, 0, 1, 1, 0, 0, 1, 1])] }, 'mode: is reflect'],
    ['ReduceMean', { axes: [1] }, {}, 'axes: is [1]'],
    ['BatchNormalization', { training_mode: 1 }, {}, 'training_mode: is 1'],
    ['Conv', {}, { initializers: [floats('w', [2, 2, 3])] }, 'W: has 3 dimensions'],
  ] as const)('%s', (op, attributes, extra, message) => {
    const error = thrown(() => importOnnx(single(op, attributes, extra)));
    expect([errorCode(error), error.message]).toEqual(['ONNX_UNSUPPORTED', expect.stringContaining(message)]);
  });
});

describe('files that mean harm', () => {
  it('cycles, names that nobody makes or two make, no output', () => {
    const relu = (from: string, to: string): TestNode => ({ op: 'Relu', inputs: [from], outputs: [to] });
    const error = thrown(() =>
      importOnnx(onnxFile({ nodes: [relu('b', 'a'), relu('a', 'b'), relu('x', 'y')] })),
    );
    expect([errorCode(error), error.message]).toEqual([
      'ONNX_GRAPH',
      expect.stringContaining('form a cycle'),
    ]);
    expect(codeOf(() => importOnnx(onnxFile({ nodes: [relu('ghost', 'y')] })))).toBe('ONNX_GRAPH');
    expect(codeOf(() => importOnnx(onnxFile({ nodes: [relu('x', 'y'), relu('x', 'y')] })))).toBe(
      'ONNX_GRAPH',
    );
    expect(codeOf(() => importOnnx(onnxFile({ nodes: [relu('x', 'a')] })))).toBe('ONNX_GRAPH');
    expect(codeOf(() => importOnnx(onnxFile({ nodes: [relu('x', 'y')], outputs: [] })))).toBe('ONNX_GRAPH');
  });

  it('sizes that would fill the memory', () => {
    const fill = (count: number[]): Uint8Array =>
      onnxFile({
        initializers: [ints('shape', count)],
        nodes: [
          { op: 'ConstantOfShape', inputs: ['shape'], outputs: ['c'] },
          { op: 'Add', inputs: ['x', 'c'], outputs: ['y'] },
        ],
      });
    expect(thrown(() => importOnnx(fill([2 ** 15, 2 ** 15]))).message).toContain(
      'constant of 1073741824 elements',
    );
    expect(codeOf(() => importOnnx(single('Relu', {}, { inputs: { x: ['N', 9, 2 ** 30, 2 ** 30] } })))).toBe(
      'ONNX_LIMIT',
    );
    const enlarge = single(
      'Upsample',
      {},
      { opset: 9, initializers: [floats('s', [4], [1, 1, 30_000, 30_000])] },
    );
    expect(codeOf(() => importOnnx(enlarge))).toBe('ONNX_LIMIT');
    // small files whose fixed filters and affine steps would be huge
    const crop = single(
      'Slice',
      { starts: [9, 9], ends: [10, 10], axes: [2, 3] },
      { opset: 9, inputs: { x: ['N', 64, 5000, 5000] } },
    );
    expect(thrown(() => importOnnx(crop)).message).toContain('at most 16777216');
    const wide = single('Mul', {}, { inputs: { x: ['N', 2 ** 30] }, initializers: [floats('c', [], [2])] });
    expect(thrown(() => importOnnx(wide)).message).toContain('at most 16777216');
    const dimensions = { ...floats('w', [1]), dims: Array(17).fill(1) as number[] };
    expect(codeOf(() => importOnnx(single('Conv', {}, { initializers: [dimensions] })))).toBe('ONNX_LIMIT');
  });

  it('a million empty nodes, torn files, old and coming opsets', () => {
    // field 7 (graph) with 1,100,000 times field 1 (node) of no bytes
    const nodes = new Uint8Array(2_200_000).map((_, i) => (i % 2 === 0 ? 0x0a : 0));
    const length = [
      0x80 | (2_200_000 & 127),
      0x80 | ((2_200_000 >> 7) & 127),
      0x80 | ((2_200_000 >> 14) & 127),
      2_200_000 >> 21,
    ];
    const bomb = Uint8Array.from([0x08, 8, 0x3a, ...length, ...nodes]);
    expect(codeOf(() => decodeOnnx(bomb))).toBe('ONNX_LIMIT');
    const good = single('Relu');
    for (const end of [5, 20, good.length - 3])
      expect(codeOf(() => importOnnx(good.slice(0, end)))).toMatch(/^ONNX_/);
    expect(codeOf(() => importOnnx(single('Relu', {}, { opset: 6 })))).toBe('ONNX_OPSET');
    expect(codeOf(() => importOnnx(single('Relu', {}, { opset: 99 })))).toBe('ONNX_OPSET');
    expect(codeOf(() => importOnnx(Uint8Array.of(0x08, 8, 0x12, 0)))).toBe('ONNX_NO_GRAPH');
  });
});
