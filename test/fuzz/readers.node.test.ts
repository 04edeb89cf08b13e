/**
 * Mutated files for every reader: whatever the bytes, the answer is tensors whose shapes fit or an error with a code,
 * within the memory that docs/formats.md states. 1,950 inputs in the suite; `npm run fuzz` runs 26,000
 * (GHOSTNET_LONG=1; GHOSTNET_FUZZ_SEED and GHOSTNET_FUZZ_COUNT choose others). A failure names seed and input.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import { beforeAll, describe, expect, it } from 'vitest';
import { errorCode } from '../../src/errors.js';
import type { Graph, Tensor } from '../../src/graph/graph.js';
import { Random } from '../../src/models/random.js';
import { installCounter, withLimit } from './allocations.js';
import { mutate, mutateJson } from './mutate.js';

const long = process.env['GHOSTNET_LONG'] === '1';
const seed = Number(process.env['GHOSTNET_FUZZ_SEED'] ?? 1);
const perTarget = Number(process.env['GHOSTNET_FUZZ_COUNT'] ?? (long ? 2000 : 150));

type Tensors = ReadonlyMap<string, Tensor>;

interface Target {
  readonly corpus: readonly Uint8Array[];
  /** Default: `mutate`. */
  readonly damage?: (bytes: Uint8Array, random: () => number) => Uint8Array;
  /** Makes damaged content look whole again (its checksums), so that the inner reader is reached. */
  readonly seal?: (bytes: Uint8Array) => Uint8Array;
  readonly read: (bytes: Uint8Array) => Tensors;
  /** Bytes that reading may take, from the file's own; see the limits in docs/formats.md. */
  readonly memory: (size: number) => number;
}

let targets: Readonly<Record<string, Target>>;

const onnxFiles = ['shuffle-13', 'squeeze-excite-9', 'crops-17', 'pools-11', 'spelled-7', 'dense-17'].map(
  (name) => Uint8Array.from(readFileSync(join(import.meta.dirname, `../goldens/onnx/${name}.onnx`))),
);

const fixture = (name: string): Uint8Array =>
  Uint8Array.from(readFileSync(join(import.meta.dirname, '../goldens/pth', name)));

beforeAll(async () => {
  installCounter();
  const { GraphBuilder } = await import('../../src/graph/builder.js');
  const { initializeWeights } = await import('../../src/models/initialize.js');
  const { loadWeights } = await import('../../src/formats/key-mapping.js');
  const { graphKey, int8Key, loadModel, saveModel } = await import('../../src/formats/model-file.js');
  const { loadQuantizedModel, saveQuantizedModel } = await import('../../src/formats/quantized-file.js');
  const { quantize } = await import('../../src/quantize-network.js');
  const { importOnnx } = await import('../../src/formats/onnx/import.js');
  const { OnnxModel } = await import('../../src/formats/onnx/schema.js');
  const { readPickle } = await import('../../src/formats/pickle.js');
  const { readPytorch } = await import('../../src/formats/pytorch.js');
  const { readSafetensors, toTensor, writeSafetensors } = await import('../../src/formats/safetensors.js');
  const { ZipArchive } = await import('../../src/formats/zip.js');

  const tiny = (): Graph => {
    const g = new GraphBuilder('tiny');
    let x = g.input('input', [3, 8, 8]);
    x = g.batchNorm('bn', g.conv2d('conv', x, { outChannels: 4, kernel: 3, stride: 2, padding: 1 }));
    x = g.flatten('flat', g.globalAvgPool('pool', g.activation('relu', x, 'relu')));
    return g.build([g.linear('fc', x, { outFeatures: 2 })], {
      labels: ['cat', 'dog'],
      preprocessing: { interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] },
    });
  };
  const graph = tiny();
  const weights = initializeWeights(graph, 1);
  const native = saveModel(graph, weights);
  const picture = Float32Array.from({ length: 3 * 8 * 8 }, (_, i) => Math.sin(i));
  const int8 = saveQuantizedModel((await quantize(graph, weights, { calibration: [picture] })).network);
  const quantized = (bytes: Uint8Array): Tensors => loadQuantizedModel(bytes).weights;
  const plain = writeSafetensors(weights, { metadata: { format: 'pt' } });
  const half = writeSafetensors(weights, { dtype: 'F16' });
  const types = Uint8Array.from(
    readFileSync(join(import.meta.dirname, '../goldens/safetensors/types.safetensors')),
  );
  const fit = (tensors: Tensors): Tensors => {
    for (const { shape, data } of tensors.values())
      expect(shape.reduce((product, size) => product * size, 1)).toBe(data.length);
    try {
      loadWeights(graph, tensors);
    } catch (error) {
      expect(errorCode(error)).toBe('WEIGHTS_MISMATCH');
    }
    return tensors;
  };
  const safetensors = (bytes: Uint8Array): Tensors =>
    fit(new Map([...readSafetensors(bytes).tensors].map(([name, entry]) => [name, toTensor(entry)])));
  /** A safetensors file with another header, its length right. */
  const withHeader = (
    bytes: Uint8Array,
    change: (header: Record<string, unknown>) => unknown,
  ): Uint8Array => {
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length))) as Record<
      string,
      unknown
    >;
    const json = new TextEncoder().encode(JSON.stringify(change(header)));
    const data = bytes.subarray(8 + length);
    const result = new Uint8Array(8 + json.length + data.length);
    new DataView(result.buffer).setBigUint64(0, BigInt(json.length), true);
    result.set(json, 8);
    result.set(data, 8 + json.length);
    return result;
  };
  const zips = [
    'plain.pth',
    'wrapped.pth',
    'types.pth',
    'views.pth',
    'parameter.pth',
    'deflated.pth',
    'protocol4.pth',
  ];
  const pickles = zips.map((name) => {
    const files = unzipSync(fixture(name));
    return files[Object.keys(files).find((key) => key.endsWith('data.pkl')) ?? ''] as Uint8Array;
  });
  const storage = new Uint8Array(256);
  /** A pickle as the whole of a fresh archive with one storage under several keys. */
  const sealPickle = (pickle: Uint8Array): Uint8Array =>
    zipSync(
      Object.fromEntries([
        ['archive/data.pkl', pickle],
        ...Array.from({ length: 5 }, (_, i) => [`archive/data/${i}`, storage] as const),
      ]),
      { level: 0 },
    );
  const pytorch = (bytes: Uint8Array): Tensors => fit(readPytorch(bytes));
  const none: Tensors = new Map();
  // inflate's window and tables are taken once a file
  const unpacking = (size: number): number => 2_000_000 + 17 * 1032 * size;

  targets = {
    safetensors: { corpus: [plain, half, types], read: safetensors, memory: (size) => 300_000 + 8 * size },
    'safetensors header': {
      corpus: [plain, half],
      damage: (bytes, random) => withHeader(bytes, (header) => mutateJson(header, random)),
      read: safetensors,
      memory: (size) => 300_000 + 8 * size,
    },
    'model file': {
      corpus: [native],
      read: (bytes) => loadModel(bytes).weights,
      memory: (size) => 300_000 + 8 * size,
    },
    'graph of a model file': {
      corpus: [native],
      damage: (bytes, random) =>
        withHeader(bytes, (header) => {
          const metadata = header['__metadata__'] as Record<string, string>;
          const graph = mutateJson(JSON.parse(metadata[graphKey] as string), random);
          return { ...header, __metadata__: { ...metadata, [graphKey]: JSON.stringify(graph) } };
        }),
      read: (bytes) => loadModel(bytes).weights,
      memory: (size) => 300_000 + 8 * size,
    },
    'int8 model file': { corpus: [int8], read: quantized, memory: (size) => 300_000 + 16 * size },
    'scales of an int8 model file': {
      corpus: [int8],
      damage: (bytes, random) =>
        withHeader(bytes, (header) => {
          const metadata = header['__metadata__'] as Record<string, string>;
          const scales = mutateJson(JSON.parse(metadata[int8Key] as string), random);
          return { ...header, __metadata__: { ...metadata, [int8Key]: JSON.stringify(scales) } };
        }),
      read: quantized,
      memory: (size) => 300_000 + 16 * size,
    },
    zip: {
      corpus: [...zips.map(fixture), fixture('bomb.pth').slice(-400)],
      read: (bytes) => {
        const archive = new ZipArchive(bytes);
        for (const name of archive.names) archive.read(name);
        return none;
      },
      memory: unpacking,
    },
    pickle: {
      corpus: [...pickles, fixture('list.pkl')],
      read: (bytes) => {
        readPickle(bytes);
        return none;
      },
      memory: (size) => 300_000 + 8 * size,
    },
    'PyTorch checkpoint': {
      corpus: pickles,
      seal: sealPickle,
      read: pytorch,
      memory: (size) => 100_000 + 20 * size,
    },
    'old PyTorch checkpoint': {
      corpus: [fixture('legacy.pth')],
      read: pytorch,
      memory: (size) => 4096 + 20 * size,
    },
    ONNX: {
      corpus: onnxFiles,
      read: (bytes) => importOnnx(bytes).weights,
      memory: (size) => 2 ** 26 + 20 * size,
    },
    'ONNX message': {
      corpus: onnxFiles,
      damage: (bytes, random) => {
        const message = OnnxModel.toObject(OnnxModel.decode(bytes), { longs: Number, bytes: String });
        try {
          return OnnxModel.encode(OnnxModel.fromObject(mutateJson(message, random) as object)).finish();
        } catch {
          // a value that the field cannot hold
          return bytes.slice(1);
        }
      },
      read: (bytes) => importOnnx(bytes).weights,
      memory: (size) => 2 ** 27 + 20 * size,
    },
    'whole PyTorch checkpoint': { corpus: zips.map(fixture), read: pytorch, memory: unpacking },
  };
});

const targetNames = [
  'safetensors',
  'safetensors header',
  'model file',
  'graph of a model file',
  'int8 model file',
  'scales of an int8 model file',
  'zip',
  'pickle',
  'PyTorch checkpoint',
  'old PyTorch checkpoint',
  'ONNX',
  'ONNX message',
  'whole PyTorch checkpoint',
];

describe(`damaged files, ${perTarget} a reader, seed ${seed}`, () => {
  it('whole files are read', () => {
    expect(Object.keys(targets)).toEqual(targetNames);
    for (const name of targetNames) {
      const { corpus, read, seal } = targets[name] as Target;
      const readable = corpus.filter((bytes) => name !== 'zip' || bytes.length > 400);
      for (const bytes of readable)
        if (name !== 'PyTorch checkpoint') expect(() => read(seal ? seal(bytes) : bytes), name).not.toThrow();
    }
  });

  it.each(targetNames)('%s', (name) => {
    const { corpus, read, seal, memory, damage } = targets[name] as Target;
    const outcomes = new Map<string, number>();
    let most = 0;
    for (let i = 0; i < perTarget; i++) {
      const stream = new Random(seed * 1_000_003 + i * 7919 + name.length * 104_729);
      const random = (): number => stream.uniform();
      const pick = (): Uint8Array => corpus[Math.floor(random() * corpus.length)] as Uint8Array;
      const mutated = damage ? damage(pick(), random) : mutate(pick(), random, pick());
      const bytes = seal ? seal(mutated) : mutated;
      let outcome = 'read';
      const limit = memory(bytes.length);
      const taken = withLimit(limit, () => {
        try {
          read(bytes);
        } catch (error) {
          const code = errorCode(error);
          const known = code !== undefined && /^[A-Z][A-Z0-9_]+$/.test(code);
          if (!known)
            throw new Error(`${name}: seed ${seed}, input ${i}: ${String(error)}`, { cause: error });
          outcome = code;
        }
      });
      most = Math.max(most, taken / limit);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    if (long)
      console.log(
        `${name}: ${[...outcomes]
          .sort((a, b) => b[1] - a[1])
          .map(([key, count]) => `${key} ${count}`)
          .join(', ')}; ` + `at most ${(100 * most).toFixed(1)} % of the memory allowed`,
      );
    // the damage must reach past the first check
    expect(outcomes.size).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(1);
  });
});
