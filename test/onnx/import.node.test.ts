/**
 * What the ONNX import takes, on files written node by node: every float type and place of weights, operators that
 * exporters rarely write. What it refuses is in refused.node.test.ts.
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { errorCode } from '../../src/errors.js';
import { numberToFloat16 } from '../../src/formats/float16.js';
import { readModelFile } from '../../src/formats/node/model-file.js';
import { importOnnx } from '../../src/formats/onnx/import.js';
import { dataTypes } from '../../src/formats/onnx/schema.js';
import type { Node } from '../../src/graph/nodes.js';
import { runReference } from '../../src/reference/run.js';
import { floats, ints, onnxFile, single, type TestNode } from './onnx-file.js';
import { codeOf, thrown } from './thrown.js';

const folder = mkdtempSync(join(tmpdir(), 'ghostnet-onnx-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function nodesOf(bytes: Uint8Array): readonly Node[] {
  return importOnnx(bytes).graph.nodes.slice(1);
}

/** The output for an input of 0, 1, 2, ... */
function run(bytes: Uint8Array): { shape: readonly number[]; data: number[] } {
  const { graph, weights } = importOnnx(bytes);
  const input = graph.nodes.find((node) => node.kind === 'input')!;
  const shape = [1, ...(input.kind === 'input' ? input.shape : [])];
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
  const result = runReference(graph, weights, new Map([[input.name, { shape, data }]])).get(
    graph.outputs[0]!,
  )!;
  return { shape: result.shape, data: [...result.data] };
}

describe('types of weights', () => {
  const values = [0.5, -1.25, 2, 3, -4, 0.0078125, 6, -7.5];
  const conv = (tensor: object): Float32Array => {
    const file = single('Conv', {}, { initializers: [tensor] });
    return importOnnx(file).weights.get('w')!.data;
  };
  const dims = [4, 2, 1, 1];
  const raw = (write: (view: DataView, value: number, i: number) => void, bytes: number): Uint8Array => {
    const view = new DataView(new ArrayBuffer(8 * bytes));
    values.forEach((value, i) => {
      write(view, value, i);
    });
    return new Uint8Array(view.buffer);
  };
  const bfloat = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]! >>> 16;
  const tensors: Record<string, object> = {
    'float, raw': floats('w', dims, values),
    'float, in its field': { name: 'w', dims, dataType: dataTypes.float, floatData: values },
    'double, raw': {
      name: 'w',
      dims,
      dataType: dataTypes.double,
      rawData: raw((v, x, i) => v.setFloat64(i * 8, x, true), 8),
    },
    'double, in its field': { name: 'w', dims, dataType: dataTypes.double, doubleData: values },
    'float16, raw': {
      name: 'w',
      dims,
      dataType: dataTypes.float16,
      rawData: raw((v, x, i) => v.setUint16(i * 2, numberToFloat16(x), true), 2),
    },
    'float16, in its field': {
      name: 'w',
      dims,
      dataType: dataTypes.float16,
      int32Data: values.map(numberToFloat16),
    },
    'bfloat16, raw': {
      name: 'w',
      dims,
      dataType: dataTypes.bfloat16,
      rawData: raw((v, x, i) => v.setUint16(i * 2, bfloat(x), true), 2),
    },
    'bfloat16, in its field': {
      name: 'w',
      dims,
      dataType: dataTypes.bfloat16,
      int32Data: values.map(bfloat),
    },
  };
  it.each(Object.keys(tensors))('%s', (name) => {
    expect([...conv(tensors[name]!)]).toEqual(values);
  });

  it('are refused when values and shape differ', () => {
    expect(codeOf(() => conv({ ...floats('w', dims, values), dims: [4, 2, 1, 2] }))).toBe('ONNX_TENSOR');
    expect(codeOf(() => conv({ name: 'w', dims, dataType: dataTypes.float, floatData: [1] }))).toBe(
      'ONNX_TENSOR',
    );
    expect(codeOf(() => conv({ name: 'w', dims, dataType: 8, rawData: new Uint8Array(8) }))).toBe(
      'ONNX_TENSOR',
    );
    expect(codeOf(() => conv({ ...floats('w', dims, values), dims: [2 ** 40, 2, 1, 1] }))).toBe('ONNX_LIMIT');
    expect(codeOf(() => conv(floats('w', dims, values.with(3, Number.NaN))))).toBe('WEIGHTS_NOT_FINITE');
  });
});

describe('external data', () => {
  const external = (location: string, more: Record<string, string> = {}): Uint8Array =>
    single(
      'Conv',
      {},
      {
        initializers: [
          {
            name: 'w',
            dims: [4, 2, 1, 1],
            dataType: dataTypes.float,
            dataLocation: 1,
            externalData: Object.entries({ location, ...more }).map(([key, value]) => ({ key, value })),
          },
        ],
      },
    );
  const model = join(folder, 'in', 'model.onnx');
  mkdirSync(join(folder, 'in', 'sub'), { recursive: true });
  const values = Float32Array.from({ length: 10 }, (_, i) => i / 4);
  writeFileSync(join(folder, 'in', 'sub', 'weights.bin'), new Uint8Array(values.buffer));
  writeFileSync(join(folder, 'outside.bin'), new Uint8Array(values.buffer));
  symlinkSync(join(folder, 'outside.bin'), join(folder, 'in', 'link.bin'));
  const read = async (bytes: Uint8Array): Promise<unknown> => {
    writeFileSync(model, bytes);
    try {
      return [...(await readModelFile(model)).weights.get('w')!.data];
    } catch (error) {
      return errorCode(error);
    }
  };
  it('is read from the model’s folder, by offset and length', async () => {
    expect(await read(external('sub/weights.bin', { offset: '8', length: '32' }))).toEqual([
      ...values.slice(2),
    ]);
    expect(await read(external('sub/weights.bin'))).toEqual([...values.slice(0, 8)]);
  });
  it.each([
    '../outside.bin',
    'sub/../../outside.bin',
    join(folder, 'outside.bin'),
    'link.bin',
    'none.bin',
    'sub',
    '',
  ])('stays in the folder: %s', async (location) => {
    expect(await read(external(location))).toBe('ONNX_EXTERNAL_DATA');
  });
  it('does not believe offsets and lengths', async () => {
    expect(await read(external('sub/weights.bin', { offset: '9' }))).toBe('ONNX_EXTERNAL_DATA');
    expect(await read(external('sub/weights.bin', { length: '31' }))).toBe('ONNX_TENSOR');
    expect(await read(external('sub/weights.bin', { offset: '-4' }))).toBe('ONNX_TENSOR');
    expect(codeOf(() => importOnnx(external('sub/weights.bin')))).toBe('ONNX_EXTERNAL_DATA');
  });
});

describe('operators', () => {
  it('auto_pad and asymmetric pads', () => {
    const kernel = floats('w', [2, 2, 3, 2]);
    const padding = (attributes: TestNode['attributes']): unknown =>
      nodesOf(single('Conv', attributes, { initializers: [kernel] })).map(
        (node) => 'padding' in node && node.padding,
      )[0];
    expect(padding({ auto_pad: 'SAME_UPPER' })).toEqual([1, 0, 1, 1]);
    expect(padding({ auto_pad: 'SAME_LOWER' })).toEqual([1, 1, 1, 0]);
    expect(padding({ auto_pad: 'SAME_UPPER', strides: [3, 3] })).toEqual([1, 0, 1, 1]);
    expect(padding({ auto_pad: 'VALID' })).toEqual([0, 0, 0, 0]);
    expect(padding({ pads: [0, 1, 2, 3] })).toEqual([0, 1, 2, 3]);
  });

  it('pools take ceil_mode and count_include_pad', () => {
    const pool = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 0, 0, 1], ceil_mode: 1 };
    const geometry = { kernel: [3, 3], stride: [2, 2], padding: [1, 0, 0, 1], ceilMode: true };
    expect(nodesOf(single('MaxPool', pool))).toMatchObject([{ kind: 'maxPool', ...geometry }]);
    expect(nodesOf(single('AveragePool', { ...pool, count_include_pad: 1 }))).toMatchObject([
      { kind: 'avgPool', ...geometry, countIncludePad: true },
    ]);
  });

  it('Gemm by all its attributes', () => {
    const weight = floats('w', [2, 3], [1, 2, 3, 4, 5, 6]);
    const turned = floats('w', [3, 2], [1, 4, 2, 5, 3, 6]);
    const bias = floats('b', [1, 3], [10, 20, 30]);
    const inputs = { x: ['N', 2] };
    const of = (attributes: TestNode['attributes'], initializers: object[]): number[] =>
      run(single('Gemm', attributes, { inputs, initializers })).data;
    // x is [0, 1]
    expect(of({}, [weight])).toEqual([4, 5, 6]);
    expect(of({ transB: 1 }, [turned, bias])).toEqual([14, 25, 36]);
    expect(of({ alpha: { float: 2 }, beta: { float: 0.5 } }, [weight, bias])).toEqual([13, 20, 27]);
    expect(of({}, [weight, floats('b', [], [7])])).toEqual([11, 12, 13]);
    const turnedInput = onnxFile({
      inputs,
      initializers: [weight],
      nodes: [
        { op: 'Transpose', inputs: ['x'], outputs: ['t'], attributes: { perm: [1, 0] } },
        { op: 'Gemm', inputs: ['t', 'w'], outputs: ['y'], attributes: { transA: 1 } },
      ],
    });
    expect(run(turnedInput).data).toEqual([4, 5, 6]);
    const rows = floats('b', [2, 3]);
    expect(thrown(() => of({}, [weight, rows])).message).toContain('C: has shape [2, 3]');
  });

  it('Resize and Upsample in every spelling that repeats pixels', () => {
    const scales = floats('s', [4], [1, 1, 2, 3]);
    const upsample = [{ kind: 'upsample', scale: [2, 3] }];
    expect(
      nodesOf(single('Upsample', { mode: 'nearest' }, { opset: 9, initializers: [scales] })),
    ).toMatchObject(upsample);
    expect(nodesOf(single('Resize', {}, { opset: 10, initializers: [scales] }))).toMatchObject(upsample);
    const resize = (attributes: TestNode['attributes'], sizes?: number[]): Uint8Array =>
      onnxFile({
        initializers: [sizes ? ints('s', sizes) : scales],
        nodes: [
          {
            op: 'Resize',
            inputs: sizes ? ['x', '', '', 's'] : ['x', '', 's'],
            outputs: ['y'],
            attributes: attributes!,
          },
        ],
      });
    expect(nodesOf(resize({}))).toMatchObject(upsample);
    expect(nodesOf(resize({}, [1, 2, 8, 12]))).toMatchObject(upsample);
    expect(
      nodesOf(resize({ coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' })),
    ).toMatchObject(upsample);
    // rounds 2/3 up, so that the second of three pixels is another one
    const other = resize({ coordinate_transformation_mode: 'asymmetric' });
    expect(thrown(() => importOnnx(other)).message).toContain(
      'coordinate_transformation_mode: "asymmetric" with',
    );
    expect(thrown(() => importOnnx(resize({ mode: 'linear' }))).message).toContain(
      'mode: is linear, only nearest',
    );
    expect(thrown(() => importOnnx(resize({}, [1, 2, 6, 4]))).message).toContain(
      'enlarges by 1 x 1 x 1.5 x 1',
    );
  });

  it('clips at any bounds, of any opset', () => {
    const x = Array.from({ length: 32 }, (_, i) => i);
    const clipped = (low: number, high: number): number[] =>
      x.map((value) => Math.min(Math.max(value, low), high));
    const near = (bytes: Uint8Array, expected: number[]): void => {
      run(bytes).data.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 5);
      });
    };
    near(single('Clip', { min: { float: 3 }, max: { float: 11.5 } }, { opset: 6 + 1 }), clipped(3, 11.5));
    near(single('Clip', { max: { float: 5 } }, { opset: 10 }), clipped(Number.NEGATIVE_INFINITY, 5));
    near(
      single('Clip', {}, { initializers: [floats('low', [], [7])] }),
      clipped(7, Number.POSITIVE_INFINITY),
    );
    near(single('Min', {}, { initializers: [floats('m', [1], [7])] }), clipped(Number.NEGATIVE_INFINITY, 7));
    expect(nodesOf(single('Clip', { min: { float: 0 }, max: { float: 6 } }, { opset: 7 }))).toMatchObject([
      { kind: 'activation', function: 'relu6', name: 'y' },
    ]);
    expect(nodesOf(single('HardSigmoid', { alpha: { float: 1 / 6 } }))).toMatchObject([
      { kind: 'activation', function: 'hardSigmoid' },
    ]);
  });

  it('splits, slices, gathers and reorders channels', () => {
    const two = (
      op: string,
      attributes: TestNode['attributes'],
      opset: number,
      initializers: object[] = [],
    ): Uint8Array =>
      onnxFile({
        opset,
        initializers,
        inputs: { x: [1, 3, 1, 2] },
        outputs: ['y'],
        nodes: [
          {
            op,
            inputs: ['x', ...initializers.map((tensor) => (tensor as { name: string }).name)],
            outputs: ['a', 'b'],
            attributes: attributes!,
          },
          { op: 'Concat', inputs: ['b', 'a'], outputs: ['y'], attributes: { axis: 1 } },
        ],
      });
    expect(run(two('Split', { axis: 1, split: [1, 2] }, 11)).data).toEqual([2, 3, 4, 5, 0, 1]);
    expect(run(two('Split', { axis: 1 }, 13, [ints('sizes', [2, 1])])).data).toEqual([4, 5, 0, 1, 2, 3]);
    expect(run(two('Split', { axis: -3, num_outputs: 2 }, 18)).data).toEqual([4, 5, 0, 1, 2, 3]);
    const inputs = { x: ['N', 3, 1, 2] };
    expect(run(single('Slice', { starts: [-2], ends: [9], axes: [1] }, { opset: 9, inputs })).data).toEqual([
      2, 3, 4, 5,
    ]);
    const order = { ...ints('order', [2, 0, 1]) };
    expect(run(single('Gather', { axis: 1 }, { inputs, initializers: [order] })).data).toEqual([
      4, 5, 0, 1, 2, 3,
    ]);
  });

  it('reads [N, H, W, C] inputs that are transposed first', () => {
    const file = onnxFile({
      inputs: { x: ['N', 4, 5, 3] },
      nodes: [
        { op: 'Transpose', inputs: ['x'], outputs: ['t'], attributes: { perm: [0, 3, 1, 2] } },
        { op: 'Relu', inputs: ['t'], outputs: ['y'] },
      ],
    });
    expect(importOnnx(file).graph.nodes).toMatchObject([
      { kind: 'input', shape: [3, 4, 5] },
      { kind: 'activation' },
    ]);
  });

  it('asks for sizes that the file leaves free', () => {
    const file = single('Relu', {}, { inputs: { x: ['N', 3, 'H', 'W'] } });
    const error = thrown(() => importOnnx(file));
    expect([errorCode(error), error.message]).toEqual([
      'ONNX_INPUT_SHAPE',
      expect.stringContaining('[N, 3, H, W]'),
    ]);
    const { graph } = importOnnx(file, { inputShapes: { x: [3, 8, 6] } });
    expect(graph.nodes[0]).toMatchObject({ shape: [3, 8, 6] });
  });

  it('keeps labels, preprocessing and notes of the metadata', () => {
    const preprocessing = { interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1], keepSize: true };
    const metadata = { labels: '["a","b"]', preprocessing: JSON.stringify(preprocessing), licence: 'MIT' };
    const { meta } = importOnnx(single('Relu', {}, { metadata })).graph;
    expect(meta).toEqual({ labels: ['a', 'b'], preprocessing, notes: { licence: 'MIT' } });
    const odd = importOnnx(single('Relu', {}, { metadata: { labels: '[1]' } })).graph.meta;
    expect(odd).toEqual({ notes: { labels: '[1]' } });
  });
});
