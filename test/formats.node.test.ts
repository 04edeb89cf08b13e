/** Weight files: round trips, PyTorch checkpoints made by PyTorch, real ones, and every way to be wrong. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorCode } from '../src/errors.js';
import { saveModel } from '../src/formats/model-file.js';
import {
  readModelFile,
  readTensors,
  writeFileAtomically,
  writeModelFile,
} from '../src/formats/node/model-file.js';
import { readPytorch } from '../src/formats/pytorch.js';
import { readSafetensors, toTensor, writeSafetensors } from '../src/formats/safetensors.js';
import { ZipArchive } from '../src/formats/zip.js';
import type { Tensor } from '../src/graph/graph.js';
import { initializeWeights } from '../src/models/initialize.js';
import { createModel } from '../src/models/registry.js';
import { sharedData } from './shared-data.js';

function code(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    return errorCode(error);
  }
  return 'nothing was thrown';
}

async function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => 'nothing was thrown',
    (error: unknown) => errorCode(error),
  );
}

const pth = async (name: string): Promise<Uint8Array> =>
  readFile(join(import.meta.dirname, 'goldens/pth', name));
const sameBits = (a: Float32Array | undefined, b: Float32Array): boolean =>
  a?.length === b.length && a.every((value, i) => Object.is(value, b[i]));
const ramp = (count: number): number[] => Array.from({ length: count }, (_, i) => i / 8 - 1);
const values = (tensors: ReadonlyMap<string, Tensor>, name: string): number[] => [
  ...(tensors.get(name)?.data ?? []),
];

describe('a file of the reference implementation', () => {
  it('every type is read, whatever the alignment', async () => {
    const path = join(import.meta.dirname, 'goldens/safetensors/types.safetensors');
    const { tensors, metadata } = readSafetensors(await readFile(path));
    expect(metadata).toEqual({ format: 'pt' });
    const read = Object.fromEntries([...tensors].map(([name, entry]) => [name, [...toTensor(entry).data]]));
    const whole = [-2, -1, 0, 1, 2, 3];
    expect(read).toEqual({
      f32: ramp(6),
      f16: ramp(6),
      bf16: ramp(6),
      f64: ramp(6),
      i64: whole,
      i32: whole,
      i16: whole,
      i8: whole,
      u8: [0, 1, 2, 3, 4, 5],
      bool: [1, 0],
      scalar: [2.5],
      empty: [],
    });
    expect(tensors.get('f32')?.shape).toEqual([2, 3]);
    expect(tensors.get('scalar')?.shape).toEqual([]);
    expect(tensors.get('empty')?.shape).toEqual([0, 3]);
  });
});

describe('PyTorch checkpoints', () => {
  it('plain, wrapped, every type, views and parameters', async () => {
    const plain = readPytorch(await pth('plain.pth'));
    expect(plain.get('weight')?.shape).toEqual([2, 3, 1, 2]);
    expect(values(plain, 'weight')).toEqual(ramp(12));
    expect(values(plain, 'running')).toEqual(ramp(4));
    const wrapped = readPytorch(await pth('wrapped.pth'));
    expect(values(wrapped, 'module.weight')).toEqual(ramp(12));
    const types = readPytorch(await pth('types.pth'));
    expect(values(types, 'half')).toEqual(ramp(5));
    expect(values(types, 'bf16')).toEqual(ramp(5));
    expect(values(types, 'int')).toEqual([0, 1, 2, 3, 4]);
    expect(values(types, 'byte')).toEqual([0, 1, 2, 3, 4]);
    expect(values(types, 'bool')).toEqual([1, 0]);
    const views = readPytorch(await pth('views.pth'));
    const big = ramp(24);
    expect(views.get('transposed')?.shape).toEqual([6, 4]);
    expect(values(views, 'transposed')).toEqual(
      [0, 1, 2, 3, 4, 5].flatMap((i) => [0, 6, 12, 18].map((j) => big[i + j])),
    );
    expect(values(views, 'slice')).toEqual([6, 8, 10, 12, 14, 16].map((i) => big[i]));
    expect(values(views, 'expanded')).toEqual([0, 1, 2, 3].flatMap(() => ramp(3)));
    expect(views.get('scalar')).toEqual({ shape: [], data: Float32Array.of(2.5) });
    expect(views.get('empty')?.shape).toEqual([0, 3]);
    expect(values(readPytorch(await pth('parameter.pth')), 'parameter')).toEqual(ramp(3));
  });

  it('reads the format before 1.6, other pickle protocols, and archives that were packed again', async () => {
    const legacy = readPytorch(await pth('legacy.pth'));
    const shared = ramp(12);
    expect([...legacy.keys()]).toEqual(['weight', 'view', 'half', 'parameter']);
    expect(values(legacy, 'weight')).toEqual(shared);
    expect(legacy.get('view')?.shape).toEqual([2, 3]);
    expect(values(legacy, 'view')).toEqual([1, 5, 9, 2, 6, 10].map((i) => shared[i]));
    expect(values(legacy, 'half')).toEqual(ramp(5));
    const plain = readPytorch(await pth('plain.pth'));
    expect(readPytorch(await pth('protocol4.pth'))).toEqual(plain);
    const python2 = readPytorch(await pth('python2.pth'));
    expect([...python2].map(([name, tensor]) => [name, [...tensor.data]])).toEqual([
      ['weight', ramp(2)],
      ['bias', ramp(3)],
    ]);
    expect(readPytorch(await pth('deflated.pth'))).toEqual(plain);
  });

  it('refuses code by name, and runs nothing', async () => {
    const evil = await pth('evil.pth');
    expect(code(() => readPytorch(evil))).toBe('PICKLE_GLOBAL');
    expect(() => readPytorch(evil)).toThrow(/"(posix|os)\.system" is refused/);
  });

  it('refuses bombs before it takes memory', async () => {
    const bomb = await pth('bomb.pth');
    expect(bomb.length).toBeLessThan(100_000);
    expect(code(() => readPytorch(bomb))).toBe('PTH_NOT_STATE_DICT');
    expect(code(() => new ZipArchive(bomb).read('x/data/0'))).toBe('nothing was thrown');
    const lying = bomb.slice();
    const view = new DataView(lying.buffer);
    const at = Buffer.from(lying).lastIndexOf('x/data/0') - 46;
    view.setUint32(at + 24, 0x7fffffff, true);
    expect(code(() => new ZipArchive(lying))).toBe('ZIP_LIMIT');
    view.setUint32(at + 24, 1000, true);
    expect(code(() => new ZipArchive(lying).read('x/data/0'))).toBe('ZIP_DAMAGED');
    const expanded = await pth('expanded.pth');
    expect(code(() => readPytorch(expanded))).toBe('PTH_LIMIT');
  });

  it('names other formats and damage', async () => {
    const codes: Record<string, string | undefined> = {};
    for (const name of ['list.pkl', 'torchscript.pt', 'no-tensors.pth', 'damaged.pth']) {
      const bytes = await pth(name);
      codes[name] = code(() => readPytorch(bytes));
    }
    expect(codes).toEqual({
      'list.pkl': 'PTH_LEGACY',
      'torchscript.pt': 'PTH_NOT_STATE_DICT',
      'no-tensors.pth': 'PTH_NOT_STATE_DICT',
      'damaged.pth': 'ZIP_DAMAGED',
    });
    expect(code(() => readPytorch(new Uint8Array(100)))).toBe('PTH_NOT_A_CHECKPOINT');
    const tar = new Uint8Array(1024);
    tar.set(new TextEncoder().encode('ustar'), 257);
    expect(code(() => readPytorch(tar))).toBe('PTH_LEGACY');
  });

  it('every torn file is refused', async () => {
    for (const name of ['plain.pth', 'legacy.pth', 'deflated.pth']) {
      const bytes = await pth(name);
      for (let length = 0; length < bytes.length; length++)
        expect(
          code(() => readPytorch(bytes.subarray(0, length))),
          `${name} cut at ${length}`,
        ).toMatch(/^(ZIP|PTH|PICKLE)_/);
    }
  });
});

describe('files', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ghostnet-formats-'));
  });
  afterAll(async () => rm(folder, { recursive: true }));

  it('writes whole files or none', async () => {
    const graph = createModel('ghost-resnet20-cifar');
    const path = join(folder, 'model.safetensors');
    await writeModelFile(path, graph, initializeWeights(graph, 1), { dtype: 'F16' });
    expect((await readModelFile(path)).graph.name).toBe(graph.name);
    expect(await codeOf(writeFileAtomically(join(folder, 'missing', 'file'), 'x'))).toBe('FILE_UNWRITABLE');
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('says what a wrong file is', async () => {
    const tiny = createModel('ghost-resnet20-cifar');
    const cases: [string, string | Uint8Array, string, RegExp][] = [
      ['empty', '', 'NOT_A_MODEL', /empty/],
      ['page', '<!doctype html><html>not found</html>', 'NOT_A_MODEL', /web page/],
      ['lfs', 'version https://git-lfs.github.com/spec/v1\noid sha256:0', 'NOT_A_MODEL', /git lfs pull/],
      ['json', '{"error":"x"}', 'NOT_A_MODEL', /JSON/],
      ['onnx', Uint8Array.of(8, 7, 18, 4, 0, 0, 0, 0, 0, 0, 0, 0), 'ONNX_TORN', /ONNX/],
      ['keras', Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'), 'NOT_A_MODEL', /HDF5/],
      ['torn', saveModel(tiny, initializeWeights(tiny, 1)).slice(0, 4000), 'SAFETENSORS_TRUNCATED', /torn/],
      ['noise', new Uint8Array(64).fill(7), 'NOT_A_MODEL', /neither/],
      [
        'weights',
        writeSafetensors(new Map([['a', { shape: [1], data: new Float32Array(1) }]])),
        'NETWORK_NEEDED',
        /e\.g\. --network ghostnet-1\.0x/,
      ],
    ];
    for (const [name, content, expected, message] of cases) {
      const path = join(folder, name);
      await writeFile(path, content);
      expect([name, await codeOf(readModelFile(path))]).toEqual([name, expected]);
      await expect(readModelFile(path)).rejects.toThrow(message);
    }
    expect(await codeOf(readModelFile(join(folder, 'nothing')))).toBe('FILE_NOT_FOUND');
  });

  const real = sharedData('models/ghost-resnet56-cifar10/gr_multistep.pth');
  it.skipIf(real === undefined)(
    'a real checkpoint and its safetensors copy hold the same floats, and fit',
    async () => {
      const path = real as string;
      const fromPth = readTensors(new Uint8Array(await readFile(path)));
      const copy = readSafetensors(new Uint8Array(await readFile(path.replace('.pth', '.safetensors'))));
      expect(copy.tensors.size).toBe(344);
      for (const [name, entry] of copy.tensors) {
        expect(fromPth.get(name)?.shape, name).toEqual(entry.shape);
        expect(sameBits(fromPth.get(name)?.data, toTensor(entry).data), name).toBe(true);
      }
      const { weights } = await readModelFile(path, { network: 'ghost-resnet56-bn-after' });
      expect([...weights.values()].reduce((sum, tensor) => sum + tensor.data.length, 0)).toBeGreaterThan(
        439_914,
      );
    },
  );
});
