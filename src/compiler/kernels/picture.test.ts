/**
 * The kernels that turn pixels into an input, driven by the loader as in a page, against data/preprocess.ts: to the bit.
 * And the one that widens weights, for every finite 16-bit float.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { drawPicture } from '../../data/drawn-picture.js';
import { rgbaToRgb } from '../../data/picture.js';
import { preprocess } from '../../data/preprocess.js';
import { float16Table } from '../../formats/float16.js';
import type { Preprocessing } from '../../graph/graph.js';
import { openPixels, type RawPixels } from '../../ship/loader/pixels.js';
import { type PictureKernels, writeInput } from '../../ship/loader/preprocess.js';
import { ModuleBuilder } from '../emitter/module.js';
import { pictureKernels } from './picture.js';

const memory = new WebAssembly.Memory({ initial: 16, maximum: 512 });
let kernels: PictureKernels & { widen: (source: number, target: number, vectors: number) => void };

beforeAll(async () => {
  const module = new ModuleBuilder();
  for (const [name, emit] of Object.entries(pictureKernels)) module.add(emit(), name);
  const bytes = module.encode({ initial: 16, maximum: 512 }) as BufferSource;
  const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
  kernels = instance.exports as unknown as typeof kernels;
});

async function inModule(
  picture: RawPixels,
  preprocessing: Preprocessing,
  width: number,
  height: number,
): Promise<Float32Array> {
  const input = 4096;
  new Float32Array(memory.buffer, input, 3 * width * height).fill(Number.NaN);
  const target = { base: 16 * 65536, input, width, height, preprocessing };
  writeInput(await openPixels(picture), kernels, memory, target);
  return new Float32Array(memory.buffer, input, 3 * width * height).slice();
}

/** Where two arrays differ first, or -1. Quicker than a deep comparison. */
function firstDifference(got: Float32Array, expected: Float32Array): number {
  return got.length === expected.length ? got.findIndex((value, i) => !Object.is(value, expected[i])) : 0;
}

const imagenet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

describe('a picture in the module', () => {
  it.each([
    { from: [300, 200], short: 64, crop: [56, 56], interpolation: 'bilinear' },
    { from: [201, 333], short: 60, crop: [56, 56], interpolation: 'bicubic' },
    { from: [333, 201], short: 61, crop: [56, 49], interpolation: 'bilinear' },
    { from: [20, 17], short: 64, crop: [56, 56], interpolation: 'bicubic' },
    { from: [64, 64], short: 64, crop: [56, 56], interpolation: 'bilinear' },
    { from: [50, 40], short: undefined, crop: [32, 48], interpolation: 'bilinear' },
    { from: [32, 48], short: undefined, crop: [32, 48], interpolation: 'bicubic' },
    // the crop is larger than the picture: black around it
    { from: [70, 30], short: 20, crop: [33, 32], interpolation: 'bilinear' },
    { from: [3, 900], short: 10, crop: [25, 24], interpolation: 'bicubic' },
    { from: [1, 1], short: 8, crop: [8, 8], interpolation: 'bilinear' },
    // more than one strip
    { from: [1900, 411], short: 40, crop: [32, 32], interpolation: 'bilinear' },
  ] as const)('$from, short side $short, crop $crop, $interpolation', async (one) => {
    const [width, height] = one.crop;
    const preprocessing = {
      ...imagenet,
      interpolation: one.interpolation,
      ...(one.short === undefined ? {} : { resizeShortSide: one.short }),
    };
    const picture = drawPicture(one.from[0], one.from[1]);
    const got = await inModule(picture, preprocessing, width, height);
    expect(firstDifference(got, preprocess(picture, preprocessing, width, height))).toBe(-1);
  });

  it.each(['even', 'down'] as const)('kept at its size, odd excess rounded %s', async (cropRounding) => {
    const preprocessing = { ...imagenet, interpolation: 'bilinear', keepSize: true, cropRounding } as const;
    const picture = drawPicture(35, 21);
    const got = await inModule(picture, preprocessing, 32, 24);
    expect(firstDifference(got, preprocess(picture, preprocessing, 32, 24))).toBe(-1);
  });

  it('shows white where it is transparent, as rgbaToRgb does, for every alpha and grey level', async () => {
    const data = new Uint8ClampedArray(256 * 256 * 4);
    for (let i = 0; i < 65536; i++) data.set([i & 255, 255 - (i & 255), 77, i >> 8], i * 4);
    const preprocessing = { interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] } as const;
    const got = await inModule({ width: 256, height: 256, data }, preprocessing, 256, 256);
    expect(firstDifference(got, preprocess(rgbaToRgb(256, 256, data), preprocessing, 256, 256))).toBe(-1);
  });

  it('takes grey bytes', async () => {
    const data = Uint8Array.from({ length: 12 * 9 }, (_, i) => i * 2);
    const rgb = {
      width: 12,
      height: 9,
      data: Uint8Array.from({ length: 12 * 27 }, (_, i) => data[Math.trunc(i / 3)]!),
    };
    const preprocessing = { interpolation: 'bicubic', ...imagenet } as const;
    const got = await inModule({ width: 12, height: 9, data }, preprocessing, 8, 8);
    expect(firstDifference(got, preprocess(rgb, preprocessing, 8, 8))).toBe(-1);
  });

  it('refuses what is no picture, and what memory cannot take', async () => {
    const code = (promise: Promise<unknown>) => promise.then(String, (error: { code: string }) => error.code);
    const bad = (picture: unknown) => code(openPixels(picture as RawPixels));
    expect(await bad('photo.jpg')).toBe('PICTURE_TYPE');
    expect(await bad(null)).toBe('PICTURE_TYPE');
    expect(await bad({ src: 'photo.jpg' })).toBe('PICTURE_TYPE');
    expect(await bad({ width: 2, height: 2, data: new Uint8Array(11) })).toBe('PICTURE_SIZE');
    expect(await bad({ width: 0, height: 2, data: new Uint8Array(0) })).toBe('PICTURE_SIZE');
    const small = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const target = { base: 65536, input: 0, width: 8, height: 8 };
    const preprocessing = { interpolation: 'bilinear', ...imagenet } as const;
    const source = await openPixels(drawPicture(9, 9));
    const write = (): void => writeInput(source, kernels, small, { ...target, preprocessing });
    expect(write).toThrow(expect.objectContaining({ code: 'PICTURE_SIZE' }));
  });
});

it('widens every finite 16-bit float exactly, in place', () => {
  const finite = Uint16Array.from({ length: 65536 }, (_, i) => i).filter(
    (bits) => (bits & 0x7c00) !== 0x7c00,
  );
  const [target, bytes] = [65536, finite.length * 4];
  const source = target + bytes - finite.length * 2;
  new Uint16Array(memory.buffer).set(finite, source / 2);
  kernels.widen(source, target, finite.length / 4);
  const got = new Float32Array(memory.buffer, target, finite.length);
  expect(
    firstDifference(
      got,
      Float32Array.from(finite, (bits) => float16Table()[bits]!),
    ),
  ).toBe(-1);
});
