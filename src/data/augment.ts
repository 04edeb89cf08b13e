/**
 * Random changes that keep a picture's class: crops, flips, colour jitter, cut-out, RandAugment (rand-augment.ts) and,
 * over a batch, mixup's partners and shares. Each is a pure function of the picture and a random stream; the stream of
 * (seed, epoch, index) makes a run repeatable. Not the fixed preparation of pictures at inference (preprocess.ts).
 *
 * Layout legend: pictures are [H][W][3] bytes; the result is always size x size.
 */
import { rangeError } from '../errors.js';
import type { Random } from '../models/random.js';
import type { RgbPicture } from './picture.js';
import { centreCrop, resizeShortSide } from './preprocess.js';
import { randAugment } from './rand-augment.js';
import { resizePicture } from './resize.js';

/** Move inside a border: `padding` pixels on all sides, mirrored or black. */
export interface PadCrop {
  readonly kind: 'pad';
  readonly padding: number;
  /** Default 'reflect'. */
  readonly fill?: 'reflect' | 'zero';
}

/** A part of the picture of random area and shape, enlarged (Szegedy et al. 2014; torchvision's RandomResizedCrop). */
export interface ResizedCrop {
  readonly kind: 'resized';
  /** Share of the area. Default [0.35, 1]. */
  readonly scale?: readonly [number, number];
  /** Width to height. Default [3/4, 4/3]. */
  readonly ratio?: readonly [number, number];
}

export interface AugmentOptions {
  /** Default: the middle. */
  readonly crop?: PadCrop | ResizedCrop;
  /** `alternating`: a random half in the first epoch, the other half in the next, and so on. Default 'none'. */
  readonly flip?: 'none' | 'random' | 'alternating';
  /** Strengths: factors are drawn from [1 - strength, 1 + strength]. */
  readonly colorJitter?: {
    readonly brightness?: number;
    readonly contrast?: number;
    readonly saturation?: number;
  };
  /** Probability that a picture loses its colours; half of those get a photograph's brown tone (sepia). */
  readonly monochrome?: number;
  /** Probability that a picture is blurred by the 3x3 binomial kernel, as if enlarged from fewer pixels. */
  readonly soften?: number;
  /** Cubuk et al. 2019: how many operations, and their strength 0..10. */
  readonly randAugment?: { readonly operations: number; readonly magnitude: number };
  /** Side of a square that is set to the mean colour (DeVries and Taylor 2017). */
  readonly cutout?: number;
  /** alpha of the Beta distribution (Zhang et al. 2017); pictures are mixed in pairs within a batch. */
  readonly mixup?: number;
}

const clamp = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : Math.round(value));

/** Mirrors left and right, in place. */
function flipInPlace({ width, height, data }: RgbPicture): void {
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width >> 1; x++) {
      const a = (y * width + x) * 3;
      const b = (y * width + width - 1 - x) * 3;
      for (let c = 0; c < 3; c++) {
        const value = data[a + c]!;
        data[a + c] = data[b + c]!;
        data[b + c] = value;
      }
    }
}

/** A position mirrored into 0..size-1 without repeating the edge. */
function mirror(position: number, size: number): number {
  if (size === 1) return 0;
  const period = 2 * (size - 1);
  const at = ((position % period) + period) % period;
  return at < size ? at : period - at;
}

/** The `size` x `size` window at [top, left] of a picture that goes on beyond its edges. */
function window(picture: RgbPicture, top: number, left: number, size: number, zero: boolean): RgbPicture {
  const { width, height, data } = picture;
  const out = new Uint8Array(size * size * 3);
  for (let y = 0, to = 0; y < size; y++) {
    const inY = y + top;
    const fromY = zero ? inY : mirror(inY, height);
    for (let x = 0; x < size; x++, to += 3) {
      const inX = x + left;
      if (zero && (inY < 0 || inY >= height || inX < 0 || inX >= width)) continue;
      const from = (fromY * width + (zero ? inX : mirror(inX, width))) * 3;
      out[to] = data[from]!;
      out[to + 1] = data[from + 1]!;
      out[to + 2] = data[from + 2]!;
    }
  }
  return { width: size, height: size, data: out };
}

/** The picture at `size` x `size`, uncut where it has that size, else the middle after a resize of the short side. */
export function fitSquare(picture: RgbPicture, size: number): RgbPicture {
  if (picture.width === size && picture.height === size) return picture;
  return centreCrop(resizeShortSide(picture, size), size, size);
}

function resizedCrop(picture: RgbPicture, size: number, options: ResizedCrop, random: Random): RgbPicture {
  const [minScale, maxScale] = options.scale ?? [0.35, 1];
  const [minRatio, maxRatio] = options.ratio ?? [3 / 4, 4 / 3];
  const area = picture.width * picture.height;
  for (let attempt = 0; attempt < 10; attempt++) {
    const target = area * (minScale + (maxScale - minScale) * random.uniform());
    const ratio = Math.exp(Math.log(minRatio) + Math.log(maxRatio / minRatio) * random.uniform());
    const width = Math.round(Math.sqrt(target * ratio));
    const height = Math.round(Math.sqrt(target / ratio));
    if (width < 1 || height < 1 || width > picture.width || height > picture.height) continue;
    const left = random.below(picture.width - width + 1);
    const top = random.below(picture.height - height + 1);
    const data = new Uint8Array(width * height * 3);
    for (let y = 0; y < height; y++) {
      const from = ((top + y) * picture.width + left) * 3;
      data.set(picture.data.subarray(from, from + width * 3), y * width * 3);
    }
    return resizePicture({ width, height, data }, size, size);
  }
  return fitSquare(picture, size);
}

/** Brightness, contrast and saturation by random factors, in place, in this order. */
function jitter(
  picture: RgbPicture,
  options: NonNullable<AugmentOptions['colorJitter']>,
  random: Random,
): void {
  const { data } = picture;
  const factor = (strength: number): number => 1 + strength * (2 * random.uniform() - 1);
  const brightness = factor(options.brightness ?? 0);
  const contrast = factor(options.contrast ?? 0);
  const saturation = factor(options.saturation ?? 0);
  const grey = (i: number): number => 0.299 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!;
  let mean = 0;
  for (let i = 0; i < data.length; i += 3) mean += grey(i);
  mean = (mean / (data.length / 3)) * brightness;
  for (let i = 0; i < data.length; i += 3) {
    const luma = ((grey(i) * brightness - mean) * contrast + mean) * (1 - saturation);
    for (let c = 0; c < 3; c++)
      data[i + c] = clamp(((data[i + c]! * brightness - mean) * contrast + mean) * saturation + luma);
  }
}

/** Grey values, in place; with `tone` from white over brown to black, as old prints are. */
function monochrome({ data }: RgbPicture, tone: number): void {
  for (let i = 0; i < data.length; i += 3) {
    const grey = 0.299 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!;
    const depth = tone * (grey / 255) * (1 - grey / 255) * 4;
    data[i] = clamp(grey + 30 * depth);
    data[i + 1] = clamp(grey + 6 * depth);
    data[i + 2] = clamp(grey - 38 * depth);
  }
}

/** The 3x3 binomial blur [1 2 1] x [1 2 1] / 16; the border repeats. */
function soften({ width, height, data }: RgbPicture): RgbPicture {
  const out = new Uint8Array(data.length);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < 3; c++) {
        const row = (at: number): number => {
          const base = Math.min(Math.max(at, 0), height - 1) * width;
          const left = data[(base + Math.max(x - 1, 0)) * 3 + c]!;
          const right = data[(base + Math.min(x + 1, width - 1)) * 3 + c]!;
          return left + 2 * data[(base + x) * 3 + c]! + right;
        };
        out[(y * width + x) * 3 + c] = (row(y - 1) + 2 * row(y) + row(y + 1) + 8) >> 4;
      }
  return { width, height, data: out };
}

/** Sets a square around a random pixel to `fill`, in place; the part beyond the edge is lost. */
function cutout(picture: RgbPicture, side: number, fill: readonly number[], random: Random): void {
  const top = random.below(picture.height) - (side >> 1);
  const left = random.below(picture.width) - (side >> 1);
  for (let y = Math.max(top, 0); y < Math.min(top + side, picture.height); y++)
    for (let x = Math.max(left, 0); x < Math.min(left + side, picture.width); x++)
      for (let c = 0; c < 3; c++) picture.data[(y * picture.width + x) * 3 + c] = fill[c]!;
}

/**
 * One training picture, size x size. `index` and `epoch` decide the alternating flip; all else comes from `random`.
 * `mean` (0..1) is the colour of cut-out. Never changes `picture`.
 * Throws RangeError `AUGMENT` for impossible options.
 */
export function augmentPicture(
  picture: RgbPicture,
  size: number,
  options: AugmentOptions,
  random: Random,
  at: { readonly epoch: number; readonly firstFlip: boolean; readonly mean: readonly number[] },
): RgbPicture {
  const { crop, flip = 'none' } = options;
  let out: RgbPicture;
  if (crop?.kind === 'pad') {
    const { padding } = crop;
    if (!Number.isInteger(padding) || padding < 0)
      throw rangeError(
        'AUGMENT',
        `augment: crop.padding: given ${padding}, expected a whole number of at least 0`,
      );
    const base = fitSquare(picture, size);
    const top = random.below(2 * padding + 1) - padding;
    const left = random.below(2 * padding + 1) - padding;
    out = window(base, top, left, size, crop.fill === 'zero');
  } else if (crop?.kind === 'resized') {
    out = resizedCrop(picture, size, crop, random);
  } else {
    const base = fitSquare(picture, size);
    out = { ...base, data: base.data.slice() };
  }
  const mirrored =
    flip === 'random'
      ? random.uniform() < 0.5
      : flip === 'alternating' && at.firstFlip === (at.epoch % 2 === 0);
  if (mirrored) flipInPlace(out);
  if (options.randAugment) out = randAugment(out, options.randAugment, random);
  if (options.colorJitter) jitter(out, options.colorJitter, random);
  if (options.monochrome && random.uniform() < options.monochrome)
    monochrome(out, random.uniform() < 0.5 ? 0 : random.uniform());
  if (options.soften && random.uniform() < options.soften) out = soften(out);
  if (options.cutout)
    cutout(
      out,
      options.cutout,
      at.mean.map((value) => Math.round(value * 255)),
      random,
    );
  return out;
}

/** A draw from Beta(alpha, alpha) (Jöhnk's method; alpha above 1 by Cheng's sum of gammas is not needed here). */
export function betaShare(alpha: number, random: Random): number {
  if (!(alpha > 0 && alpha <= 1))
    throw rangeError('AUGMENT', `augment: mixup: given alpha ${alpha}, expected above 0 and at most 1`);
  for (;;) {
    const x = random.uniform() ** (1 / alpha);
    const y = random.uniform() ** (1 / alpha);
    if (x + y > 0 && x + y <= 1) return x / (x + y);
  }
}
