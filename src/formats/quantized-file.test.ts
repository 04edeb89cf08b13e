import { describe, expect, it } from 'vitest';
import { createQuantizedNetwork } from '../create-network.js';
import { errorCode } from '../errors.js';
import type { Graph } from '../graph/graph.js';
import { initializeWeights } from '../models/initialize.js';
import { createModel } from '../models/registry.js';
import type { QuantizedFilter } from '../passes/quantize/network.js';
import { quantize } from '../quantize-network.js';
import { loadModel, saveModel } from './model-file.js';
import { loadQuantizedModel, saveQuantizedModel } from './quantized-file.js';
import { bytesOf, readSafetensors, type SafetensorsEntry, writeEntries } from './safetensors.js';

const picture = (graph: Graph, seed: number): Float32Array => {
  const input = graph.nodes.find((node) => node.kind === 'input');
  const size = (input?.kind === 'input' ? input.shape : []).reduce((a, b) => a * b, 1);
  return Float32Array.from({ length: size }, (_, i) => Math.sin(i * 0.37 + seed * 1.7) * 1.5);
};

async function quantized(name: string) {
  const graph = createModel(name);
  const weights = initializeWeights(graph, 5);
  const { network } = await quantize(graph, weights, {
    calibration: [picture(graph, 1), picture(graph, 2)],
    granularity: name.startsWith('shift') ? 'channel' : 'half',
  });
  return { graph, weights, network };
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i]);

const sameFilter = (a: QuantizedFilter | undefined, b: QuantizedFilter): boolean =>
  a !== undefined &&
  sameBytes(bytesOf(a.values), bytesOf(b.values)) &&
  sameBytes(bytesOf(a.scales), bytesOf(b.scales)) &&
  sameBytes(bytesOf(a.bias), bytesOf(b.bias));

type Change = (entries: Map<string, SafetensorsEntry>, metadata: Record<string, string>) => void;

/** The error of reading a file of which something was changed. */
function codeAfter(bytes: Uint8Array, change: Change): string | undefined {
  const file = readSafetensors(bytes);
  const entries = new Map(file.tensors);
  const metadata = { ...file.metadata };
  change(entries, metadata);
  try {
    loadQuantizedModel(writeEntries(entries, metadata));
  } catch (error) {
    return errorCode(error);
  }
  return 'nothing was thrown';
}

describe('int8 model files', () => {
  it.each(['ghost-resnet20-cifar', 'ghostnet-32', 'shiftresnet20-6-cifar'])(
    '%s reloads to the same integers, and the same bytes again',
    async (name) => {
      const { network } = await quantized(name);
      const bytes = saveQuantizedModel(network);
      const loaded = loadQuantizedModel(bytes);
      expect([...loaded.filters.keys()].sort()).toEqual([...network.filters.keys()].sort());
      for (const [node, filter] of network.filters)
        expect(sameFilter(loaded.filters.get(node), filter), node).toBe(true);
      expect(new Map([...loaded.values].sort())).toEqual(new Map([...network.values].sort()));
      expect(sameBytes(saveQuantizedModel(loaded), bytes)).toBe(true);
      expect(bytes.length).toBeLessThan(saveModel(network.graph, initializeWeights(network.graph, 1)).length);
    },
  );

  it('reads bytes whose slices share memory, as those of a Node Buffer do', async () => {
    class Sharing extends Uint8Array<ArrayBuffer> {
      override slice(from?: number, to?: number): Uint8Array<ArrayBuffer> {
        return this.subarray(from, to);
      }
    }
    const { network } = await quantized('ghost-resnet20-cifar');
    const loaded = loadQuantizedModel(Sharing.from(saveQuantizedModel(network)));
    for (const [node, filter] of network.filters)
      expect(sameFilter(loaded.filters.get(node), filter), node).toBe(true);
  });

  it('answers as the network that was saved', async () => {
    const { graph, network } = await quantized('ghost-resnet20-cifar');
    const input = picture(graph, 3);
    const before = await createQuantizedNetwork(network);
    const after = await createQuantizedNetwork(loadQuantizedModel(saveQuantizedModel(network)));
    const expected = before.run(input).slice();
    expect(after.run(input)).toEqual(expected);
    expect(Math.max(...expected)).toBeGreaterThan(Math.min(...expected));
    before.dispose();
    after.dispose();
  });

  it('says which reader a file is for', async () => {
    const { graph, weights, network } = await quantized('ghost-resnet20-cifar');
    const code = (read: () => unknown): string | undefined => {
      try {
        read();
      } catch (error) {
        return errorCode(error);
      }
      return undefined;
    };
    expect(code(() => loadModel(saveQuantizedModel(network)))).toBe('MODEL_QUANTIZED');
    expect(code(() => loadQuantizedModel(saveModel(graph, weights)))).toBe('MODEL_NOT_QUANTIZED');
    expect(code(() => saveQuantizedModel({ ...network, filters: new Map() }))).toBe('WEIGHTS_MISSING');
  });

  it('believes nothing of the numbers', async () => {
    const { network } = await quantized('ghost-resnet20-cifar');
    const bytes = saveQuantizedModel(network);
    const key = 'ghostnet.int8';
    const first = [...readSafetensors(bytes).tensors.keys()].find((name) => name.endsWith('.values')) ?? '';
    const scales = first.replace('.values', '.scales');
    const replace =
      (name: string, value: number): Change =>
      (entries) => {
        const entry = entries.get(name) as SafetensorsEntry;
        const data = entry.dtype === 'I8' ? new Int8Array(1) : new Float32Array(1);
        data[0] = value;
        const changed = entry.bytes.slice();
        changed.set(bytesOf(data));
        entries.set(name, { ...entry, bytes: changed });
      };
    const json =
      (change: (values: Record<string, unknown>) => unknown): Change =>
      (_, metadata) => {
        const value = JSON.parse(metadata[key] as string) as Record<string, unknown>;
        metadata[key] = JSON.stringify(change(value) ?? value);
      };
    const runs =
      (run: readonly unknown[]): Change =>
      (entries, metadata) =>
        json((value) => {
          const values = value['values'] as Record<string, unknown>;
          const name = Object.keys(values)[0] as string;
          values[name] = [run];
          return value;
        })(entries, metadata);
    expect(codeAfter(bytes, () => {})).toBe('nothing was thrown');
    expect(codeAfter(bytes, replace(first, -128))).toBe('INT8_MODEL');
    expect(codeAfter(bytes, replace(scales, 0))).toBe('INT8_MODEL');
    expect(codeAfter(bytes, replace(scales, Number.NaN))).toBe('INT8_MODEL');
    expect(codeAfter(bytes, (entries) => entries.delete(first))).toBe('WEIGHTS_MISMATCH');
    expect(
      codeAfter(bytes, (entries) =>
        entries.set(first, { dtype: 'I8', shape: [1], bytes: new Uint8Array(1) }),
      ),
    ).toBe('WEIGHTS_MISMATCH');
    expect(
      codeAfter(
        bytes,
        json((value) => ({ ...value, version: 2 })),
      ),
    ).toBe('INT8_MODEL');
    expect(
      codeAfter(
        bytes,
        json((value) => ({ ...value, values: {} })),
      ),
    ).toBe('INT8_MODEL');
    expect(
      codeAfter(
        bytes,
        json((value) => ({ ...value, outputNames: [] })),
      ),
    ).toBe('INT8_MODEL');
    expect(
      codeAfter(
        bytes,
        json(() => []),
      ),
    ).toBe('INT8_MODEL');
    expect(codeAfter(bytes, runs([3, 0.1, 128]))).toBe('INT8_MODEL');
    expect(codeAfter(bytes, runs([3, -0.1, 0]))).toBe('INT8_MODEL');
    expect(codeAfter(bytes, runs([2, 0.1, 0]))).toBe('INT8_MODEL');
    expect(codeAfter(bytes, (_, metadata) => (metadata[key] = '{'))).toBe('INT8_MODEL');
  });
});
