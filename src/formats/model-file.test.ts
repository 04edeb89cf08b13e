import { describe, expect, it } from 'vitest';
import { errorCode } from '../errors.js';
import type { Tensor } from '../graph/graph.js';
import { toJson } from '../graph/json.js';
import { initializeWeights } from '../models/initialize.js';
import { createModel } from '../models/registry.js';
import { loadModel, saveModel } from './model-file.js';
import { readSafetensors, writeSafetensors } from './safetensors.js';

function code(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return errorCode(error);
  }
  return 'nothing was thrown';
}

const sameBits = (a: Float32Array | undefined, b: Float32Array): boolean =>
  a?.length === b.length && a.every((value, i) => Object.is(value, b[i]));

describe('safetensors and model files', () => {
  const graph = createModel('ghost-resnet20-cifar');
  const weights = initializeWeights(graph, 3);

  it('F32 reloads bit for bit with graph, labels and preprocessing; F16 within half a unit', () => {
    const bytes = saveModel(graph, weights);
    const model = loadModel(bytes);
    expect(toJson(model.graph)).toBe(toJson(graph));
    for (const [name, { data }] of weights)
      expect(sameBits(model.weights.get(name)?.data, data), name).toBe(true);
    const again = saveModel(model.graph, model.weights);
    expect(again.length).toBe(bytes.length);
    expect(again.findIndex((byte, i) => byte !== bytes[i])).toBe(-1);
    const half = loadModel(saveModel(graph, weights, { dtype: 'F16' })).weights;
    for (const [name, { data }] of weights) {
      const stored = half.get(name)?.data ?? new Float32Array();
      const wrong = data.findIndex(
        (value, i) => !(Math.abs(value - (stored[i] as number)) <= Math.abs(value) * 2 ** -11 + 2 ** -25),
      );
      expect([name, wrong]).toEqual([name, -1]);
    }
  });

  it('refuses what is not finite or beyond F16', () => {
    const with_ = (value: number): Map<string, Tensor> =>
      new Map(weights).set('fc.bias', { shape: [10], data: new Float32Array(10).fill(value) });
    expect(code(() => saveModel(graph, with_(Number.NaN)))).toBe('WEIGHTS_NOT_FINITE');
    expect(code(() => saveModel(graph, with_(1e6), { dtype: 'F16' }))).toBe('FLOAT16_OVERFLOW');
    const nan = writeSafetensors(with_(Number.NaN), {
      metadata: readSafetensors(saveModel(graph, weights)).metadata,
    });
    expect(code(() => loadModel(nan))).toBe('WEIGHTS_NOT_FINITE');
    const allowed = saveModel(graph, with_(Number.NaN), { allowNonFinite: true });
    expect(loadModel(allowed, { allowNonFinite: true }).weights.get('fc.bias')?.data[0]).toBeNaN();
    const short = new Map(weights).set('fc.bias', { shape: [9], data: new Float32Array(9) });
    expect(code(() => saveModel(graph, short))).toBe('SHAPE_MISMATCH');
    const later = writeSafetensors(weights, {
      metadata: { 'ghostnet.graph': toJson(graph).replace('"version":1', '"version":99') },
    });
    expect(code(() => loadModel(later))).toBe('GRAPH_VERSION');
    expect(code(() => loadModel(writeSafetensors(weights)))).toBe('MODEL_NOT_NATIVE');
  });

  it('names what is wrong with a file', () => {
    const file = (header: unknown, data = 8): Uint8Array => {
      const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
      const bytes = new Uint8Array(8 + json.length + data);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
      bytes.set(json, 8);
      return bytes;
    };
    const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
    expect(readSafetensors(file({ a: tensor })).tensors.get('a')?.shape).toEqual([2]);
    expect(code(() => readSafetensors(new Uint8Array(3)))).toBe('SAFETENSORS_TRUNCATED');
    expect(code(() => readSafetensors(file({ a: tensor }).subarray(0, 30)))).toBe('SAFETENSORS_TRUNCATED');
    expect(code(() => readSafetensors(file('{"a":')))).toBe('SAFETENSORS_HEADER');
    expect(code(() => readSafetensors(file('[]', 0)))).toBe('SAFETENSORS_HEADER');
    expect(code(() => readSafetensors(file({ a: { ...tensor, dtype: 'Q4' } })))).toBe('SAFETENSORS_TENSOR');
    expect(code(() => readSafetensors(file({ a: { ...tensor, shape: [3] } })))).toBe('SAFETENSORS_TENSOR');
    expect(code(() => readSafetensors(file({ a: { ...tensor, shape: [-2] } })))).toBe('SAFETENSORS_TENSOR');
    expect(code(() => readSafetensors(file({ a: tensor, b: tensor })))).toBe('SAFETENSORS_TENSOR');
    expect(code(() => readSafetensors(file({ a: tensor }, 4)))).toBe('SAFETENSORS_TRUNCATED');
    expect(code(() => readSafetensors(file({ a: tensor }, 12)))).toBe('SAFETENSORS_HEADER');
    const huge = new Uint8Array(16);
    new DataView(huge.buffer).setBigUint64(0, 2n ** 60n, true);
    expect(code(() => readSafetensors(huge))).toBe('SAFETENSORS_HEADER');
  });
});
