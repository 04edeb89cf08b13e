/**
 * Pixels of whatever a page has: pictures, canvases, video frames, files, raw bytes. Gives them in strips of RGBA rows,
 * so that a large photograph needs no second copy. Neither scales nor normalises: that happens inside the module.
 */
import { ModelError } from './errors.js';

/** Raw pixels, rows from the top: 4 (RGBA), 3 (RGB) or 1 (grey) bytes a pixel, told by the length. ImageData is one. */
export interface RawPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

export type Picture = RawPixels | CanvasImageSource | Blob;

export interface PixelSource {
  readonly width: number;
  readonly height: number;
  /** Writes rows [y, y + rows) as RGBA into `target`. */
  readonly read: (y: number, rows: number, target: Uint8Array) => void;
}

const typeError = (given: unknown): ModelError =>
  new ModelError(
    'PICTURE_TYPE',
    `classify: given ${given === null ? 'null' : ((given as object)?.constructor?.name ?? typeof given)}, expected an image, canvas, ImageBitmap, ImageData, VideoFrame, video, Blob or { width, height, data } with bytes`,
  );

function rawSource({ width, height, data }: RawPixels): PixelSource {
  const channels = data.length / (width * height);
  if (channels !== 4 && channels !== 3 && channels !== 1)
    throw new ModelError(
      'PICTURE_SIZE',
      `classify: ${data.length} bytes are not 4, 3 or 1 for each of ${width}x${height} pixels`,
    );
  return {
    width,
    height,
    read: (y, rows, target) => {
      const from = y * width * channels;
      if (channels === 4) return target.set(data.subarray(from, from + rows * width * 4));
      const step = channels === 3 ? 1 : 0;
      for (let i = 0, at = from; i < rows * width * 4; i += 4, at += channels) {
        target[i] = data[at] as number;
        target[i + 1] = data[at + step] as number;
        target[i + 2] = data[at + 2 * step] as number;
        target[i + 3] = 255;
      }
    },
  };
}

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

function makeContext(width: number, height: number): Context {
  const canvas =
    typeof OffscreenCanvas === 'undefined'
      ? Object.assign(document.createElement('canvas'), { width, height })
      : new OffscreenCanvas(width, height);
  return canvas.getContext('2d', { willReadFrequently: true }) as Context;
}

/** The own size of anything that a canvas can draw; an image inside of an SVG has the size at which it stands there. */
function drawnSize(source: CanvasImageSource): [number, number] {
  const any = source as unknown as Record<string, number | SVGAnimatedLength | undefined>;
  const side = (...names: string[]): number => {
    const value = names.map((name) => any[name]).find((found) => found !== undefined);
    return Math.round(typeof value === 'object' ? value.baseVal.value : (value ?? 0));
  };
  return [
    side('naturalWidth', 'videoWidth', 'displayWidth', 'width'),
    side('naturalHeight', 'videoHeight', 'displayHeight', 'height'),
  ];
}

function pixelsOf(context: Context, width: number, rows: number): Uint8ClampedArray {
  try {
    return context.getImageData(0, 0, width, rows).data;
  } catch (cause) {
    throw new ModelError(
      'PICTURE_TAINTED',
      'classify: the picture is of another site, which does not let this page read it; it must send Access-Control-Allow-Origin, and the element needs crossorigin="anonymous"',
      cause,
    );
  }
}

function drawnSource(source: CanvasImageSource): PixelSource {
  const [width, height] = drawnSize(source);
  if (!(width > 0 && height > 0))
    throw new ModelError(
      'PICTURE_SIZE',
      `classify: the picture has ${width}x${height} pixels; is it loaded? (await image.decode())`,
    );
  let context: Context | undefined;
  return {
    width,
    height,
    read: (y, rows, target) => {
      if (context?.canvas.height !== rows) context = makeContext(width, rows);
      context.clearRect(0, 0, width, rows);
      context.drawImage(source, 0, -y, width, height);
      target.set(pixelsOf(context, width, rows));
    },
  };
}

/** The pixels of a picture, however it comes. Throws PICTURE_TYPE or PICTURE_SIZE; reading them PICTURE_TAINTED. */
export async function openPixels(picture: Picture): Promise<PixelSource> {
  if (typeof picture !== 'object' || picture === null) throw typeError(picture);
  // floats or 16 bits would be taken for bytes
  if ('data' in picture && 'width' in picture && picture.data?.BYTES_PER_ELEMENT === 1) {
    const { width, height } = picture;
    if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
      throw new ModelError('PICTURE_SIZE', `classify: the picture has ${width}x${height} pixels`);
    return rawSource(picture);
  }
  if (typeof Blob !== 'undefined' && picture instanceof Blob) {
    if (typeof createImageBitmap === 'undefined') throw typeError(picture);
    try {
      return drawnSource(await createImageBitmap(picture));
    } catch (cause) {
      throw new ModelError(
        'PICTURE_TYPE',
        `classify: the file is no picture that this browser knows: ${(cause as Error).message}`,
        cause,
      );
    }
  }
  const drawable = [
    'HTMLImageElement',
    'HTMLCanvasElement',
    'HTMLVideoElement',
    'SVGImageElement',
    'ImageBitmap',
    'OffscreenCanvas',
    'VideoFrame',
  ].some((name) => {
    const kind = (globalThis as Record<string, unknown>)[name];
    return typeof kind === 'function' && picture instanceof kind;
  });
  if (!drawable) throw typeError(picture);
  return drawnSource(picture as CanvasImageSource);
}
