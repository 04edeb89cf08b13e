import { describe, expect, it } from 'vitest';
import goldens from '../../test/goldens/preprocess.json' with { type: 'json' };
import { drawPicture } from './drawn-picture.js';
import { greyToRgb, type RgbPicture, rgbaToRgb, rgbPicture } from './picture.js';
import { centreCrop, fitPicture, normaliseInto, preprocess, resizeShortSide } from './preprocess.js';
import { type Interpolation, resizePicture } from './resize.js';

const bytes = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const drawn = (size: readonly number[]) => drawPicture(size[0]!, size[1]!);

/** Largest and mean difference in grey levels. */
function difference(got: RgbPicture, expected: Uint8Array): { worst: number; mean: number } {
  expect(got.data.length).toBe(expected.length);
  let worst = 0;
  let sum = 0;
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(got.data[i]! - expected[i]!);
    worst = Math.max(worst, distance);
    sum += distance;
  }
  return { worst, mean: sum / expected.length };
}

describe('resize, against torchvision on PIL pictures', () => {
  it.each(goldens.resizes)('$from to $to, $interpolation: every byte', (golden) => {
    const { to, interpolation } = golden;
    const got = resizePicture(drawn(golden.from), to[0]!, to[1]!, interpolation as Interpolation);
    expect([got.width, got.height]).toEqual(to);
    expect(difference(got, bytes(golden.rgb))).toEqual({ worst: 0, mean: 0 });
  });

  it.each(goldens.shorts)('$from to short side $short, $interpolation', (golden) => {
    const got = resizeShortSide(drawn(golden.from), golden.short, golden.interpolation as Interpolation);
    expect([got.width, got.height]).toEqual(golden.to);
    expect(difference(got, bytes(golden.rgb))).toEqual({ worst: 0, mean: 0 });
  });

  it('never hands back the bytes it was given', () => {
    const picture = drawPicture(8, 8);
    expect(resizePicture(picture, 8, 8).data).not.toBe(picture.data);
  });

  it('refuses sides that are no whole numbers above 0', () => {
    for (const [width, height] of [
      [0, 4],
      [4, -1],
      [2.5, 4],
      [Number.NaN, 4],
    ] as const)
      expect(() => resizePicture(drawPicture(8, 8), width, height)).toThrow(
        expect.objectContaining({ name: 'RangeError', code: 'RESIZE_SIZE' }),
      );
  });
});

describe('centre crop', () => {
  it.each(goldens.crops)('$from to $to as torchvision', (golden) => {
    const got = centreCrop(drawn(golden.from), golden.to[0]!, golden.to[1]!);
    expect(difference(got, bytes(golden.rgb))).toEqual({ worst: 0, mean: 0 });
  });
});

describe('the whole way to the input tensor', () => {
  it.each(goldens.whole)('$from, short $short, crop $crop, $interpolation: every bit', (golden) => {
    const { crop, short, mean, std } = golden;
    const interpolation = golden.interpolation as Interpolation;
    const preprocessing = { interpolation, mean, std, ...(short === null ? {} : { resizeShortSide: short }) };
    const got = preprocess(drawn(golden.from), preprocessing, crop, crop);
    const expected = new Float32Array(bytes(golden.nchw).buffer);
    expect(got.length).toBe(3 * crop * crop);
    expect(got).toEqual(expected);
  });

  it('puts several pictures one after the other', () => {
    const preprocessing = {
      interpolation: 'bilinear',
      mean: [0.5, 0.5, 0.5],
      std: [0.25, 0.25, 0.25],
    } as const;
    const [a, b] = [drawPicture(20, 30), drawPicture(9, 7)];
    const both = preprocess([a, b], preprocessing, 8, 6);
    expect(both.slice(0, 144)).toEqual(preprocess(a, preprocessing, 8, 6));
    expect(both.slice(144)).toEqual(preprocess(b, preprocessing, 8, 6));
  });

  it('keeps the sides straight for a non-square input', () => {
    const fitted = fitPicture(drawPicture(40, 20), { interpolation: 'bilinear', resizeShortSide: 10 }, 12, 8);
    expect([fitted.width, fitted.height]).toEqual([12, 8]);
  });

  it('refuses a mean, std or target that do not fit', () => {
    const picture = drawPicture(2, 2);
    const refused = expect.objectContaining({ code: 'NORMALISE' });
    expect(() => normaliseInto(picture, [0, 0], [1, 1, 1], new Float32Array(12))).toThrow(refused);
    expect(() => normaliseInto(picture, [0, 0, 0], [1, 0, 1], new Float32Array(12))).toThrow(refused);
    expect(() => normaliseInto(picture, [0, 0, 0], [1, 1, 1], new Float32Array(12), 1)).toThrow(refused);
  });
});

describe('pictures from other layouts', () => {
  it('flattens alpha on white, or on the colour that is asked for', () => {
    const rgba = Uint8Array.of(10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 128);
    expect([...rgbaToRgb(3, 1, rgba).data]).toEqual([10, 20, 30, 255, 255, 255, 127, 177, 227]);
    expect([...rgbaToRgb(3, 1, rgba, [0, 0, 0]).data]).toEqual([10, 20, 30, 0, 0, 0, 0, 50, 100]);
  });

  it('repeats grey in three channels', () => {
    expect([...greyToRgb(2, 1, Uint8Array.of(7, 200)).data]).toEqual([7, 7, 7, 200, 200, 200]);
  });

  it('counts the bytes', () => {
    const refused = expect.objectContaining({ code: 'PICTURE_SIZE' });
    expect(() => rgbPicture(2, 2, new Uint8Array(11))).toThrow(refused);
    expect(() => rgbaToRgb(0, 2, new Uint8Array(0))).toThrow(refused);
    expect(() => greyToRgb(1.5, 2, new Uint8Array(3))).toThrow(refused);
    expect(rgbPicture(2, 2, new Uint8Array(12)).width).toBe(2);
  });
});
