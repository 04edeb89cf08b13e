/**
 * The text files of a shipped network that depend on it: model.js, its types, and the threads' worker. Addresses stand as
 * `new URL('./file', import.meta.url)` in full, because that is the form that bundlers recognise.
 */
import { workerLoop } from '../runtime/worker.js';
import type { ShippedManifest } from './loader/manifest.js';

export interface Inline {
  readonly modules: ReadonlyMap<string, Uint8Array>;
  /** By file name. */
  readonly weights: ReadonlyMap<string, Uint8Array>;
}

function toBase64(bytes: Uint8Array): string {
  let text = '';
  const step = 0x8000;
  for (let at = 0; at < bytes.length; at += step)
    text += String.fromCharCode(...bytes.subarray(at, at + step));
  return btoa(text);
}

/** Stands at the beginning of every model.js. */
export const loaderMark = 'made by "ghostnet build"';

/** Text of a file's author inside of a comment: on one line, and unable to end it. */
const inComment = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('*/', '* /');

const address = (file: string): string => `new URL('./${file}', import.meta.url)`;

/** model.js: the manifest, the loader, and where the other files are (or they themselves). */
export function loaderText(manifest: ShippedManifest, loader: string, inline: Inline | undefined): string {
  const content = (bytes: Uint8Array): string => `'${toBase64(bytes)}'`;
  const modules = manifest.variants.map(({ name }) => {
    const bytes = inline?.modules.get(name);
    return `    ${JSON.stringify(name)}: () => ${bytes ? content(bytes) : address(`model.${name}.wasm`)},`;
  });
  const weights = manifest.weights.map(({ file }) => {
    const bytes = inline?.weights.get(file);
    return `    ${JSON.stringify(file)}: () => ${bytes ? content(bytes) : address(file)},`;
  });
  const threads = manifest.variants.some((variant) => variant.threads > 1);
  return `/**
 * ${inComment(manifest.name)}, ${loaderMark} (pair ${manifest.id}).
 *     import { classify } from './model.js';
 *     const [best] = await classify(picture);
 * Types and what it takes: model.d.ts. Nothing here is loaded from anywhere but this folder.
 */
const manifest = ${JSON.stringify(manifest)};
const files = {
  module: (name) => ({
${modules.join('\n')}
  })[name](),
  weights: (name) => ({
${weights.join('\n')}
  })[name](),${
    threads
      ? `
  worker: () => new Worker(new URL('./model.thread.js', import.meta.url), { type: 'module' }),
  workerFile: () => ${address('model.thread.js')},`
      : ''
  }
};
${loader.trim()}
export const { load, classify, info } = ghostnetLoader.shippedModel(manifest, files);
export const { ModelError } = ghostnetLoader;
`;
}

/** model.thread.js: a worker of Node or the web that takes part in every run. */
export function threadText(): string {
  return `/** One thread of the network beside this file. Made by "ghostnet build". */
${workerLoop.trim()}
const node = globalThis.process?.getBuiltinModule?.('node:worker_threads');
if (node?.parentPort) serve(node.workerData, () => node.parentPort.postMessage('ready'));
else onmessage = ({ data }) => { serve(data, () => postMessage('ready')); close(); };
`;
}

export function typesText({ name, width, height, labels }: ShippedManifest): string {
  const classes = labels.slice(0, 8).join(', ') + (labels.length > 8 ? ', ...' : '');
  return `/** ${inComment(name)}: ${width}x${height} pixels in${labels.length > 0 ? `, ${labels.length} classes out: ${inComment(classes)}` : ''}. */

/** A type of the platform, where the program's libraries have it: a program for Node needs no DOM. */
type Platform<Name extends string> = typeof globalThis extends Record<Name, { prototype: infer T }> ? T : never;
type WasmModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer T } } } ? T : never;
type Bytes = ArrayBuffer | ArrayBufferView;

/** Raw pixels, rows from the top: 4 (RGBA), 3 (RGB) or 1 (grey) bytes a pixel, told by the length. */
export interface RawPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** What is scaled, cropped and normalised inside the module. Transparent parts show white. */
export type Picture =
  | RawPixels
  | Platform<'ImageData'>
  | Platform<'HTMLImageElement'>
  | Platform<'SVGImageElement'>
  | Platform<'HTMLVideoElement'>
  | Platform<'HTMLCanvasElement'>
  | Platform<'ImageBitmap'>
  | Platform<'OffscreenCanvas'>
  | Platform<'VideoFrame'>
  | Platform<'Blob'>;

export interface Prediction {
  readonly index: number;
  readonly label: string;
  /** 0 to 1; all classes sum to 1. */
  readonly probability: number;
}

export interface LoadOptions {
  /** A ready module (where only precompiled ones are allowed), its bytes or address. Default: the best one of this folder. */
  readonly module?: WasmModule | Bytes | Platform<'URL'> | string;
  /** The weights' bytes or address. Default: the module's own in this folder. */
  readonly weights?: Bytes | Platform<'URL'> | string;
  /** False: one thread, also where there could be more. */
  readonly threads?: boolean;
  /** False: keep nothing in the browser's cache. */
  readonly cache?: boolean;
  readonly signal?: Platform<'AbortSignal'>;
  readonly onProgress?: (progress: { readonly loaded: number; readonly total: number }) => void;
}

export interface ClassifyOptions {
  /** How many classes to give, best first. Default 5. */
  readonly top?: number;
}

export interface Model {
  readonly threads: number;
  readonly relaxed: boolean;
  readonly disposed: boolean;
  classify(picture: Picture, options?: ClassifyOptions): Promise<Prediction[]>;
  /** The network's own scores of all classes. */
  scores(picture: Picture): Promise<Float32Array>;
  /** Ends the threads. Any use afterwards throws. */
  dispose(): void;
}

/** The best classes of a picture; loads the network at the first call. Throws ModelError. */
export function classify(picture: Picture, options?: ClassifyOptions): Promise<Prediction[]>;

/** Loads the network; \`classify\` uses the one that was loaded first. Throws ModelError. */
export function load(options?: LoadOptions): Promise<Model>;

export const info: {
  readonly name: string;
  readonly id: string;
  readonly labels: readonly string[];
  readonly width: number;
  readonly height: number;
};

/** Every error of this file. */
export class ModelError extends Error {
  readonly code:
    | 'NO_SIMD'
    | 'DOWNLOAD_FAILED'
    | 'DOWNLOAD_TORN'
    | 'WEIGHTS_DAMAGED'
    | 'MODULE_DAMAGED'
    | 'PAIR_MISMATCH'
    | 'CSP_FORBIDS_WASM'
    | 'PICTURE_TYPE'
    | 'PICTURE_SIZE'
    | 'PICTURE_TAINTED'
    | 'THREADS_FAILED'
    | 'OUT_OF_MEMORY'
    | 'DISPOSED';
}
`;
}
