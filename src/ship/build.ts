/**
 * From a graph and its weights to the files of a network that can be shipped: compiled modules, weights, a loader, types,
 * a web component and a page that shows them. Pure: writes nothing (see node/write-folder.ts). The JavaScript comes
 * from `Assets`, which scripts/build.mjs bundles.
 */
import { compile, pictureMemory } from '../compiler/compile.js';
import type { CompiledModel } from '../compiler/compiled-model.js';
import { rangeError } from '../errors.js';
import { numberToFloat16 } from '../formats/float16.js';
import { classifierShape, usualPreprocessing } from '../graph/classifier.js';
import { type Graph, nodeMap, type Preprocessing, type Weights } from '../graph/graph.js';
import { foldBatchNorm } from '../passes/fold-batch-norm.js';
import { headerBytes, type ShippedManifest, type ShippedVariant } from './loader/manifest.js';
import { loaderText, threadText, typesText } from './texts.js';

export type ShipPrecision = 'f32' | 'f16';

/** How weights may be stored. */
export const shipPrecisions: readonly ShipPrecision[] = ['f32', 'f16'];

export interface ShipOptions {
  /** How weights are stored; 16 bits halve the download and are widened when loaded. Default 'f16'. */
  readonly precision?: ShipPrecision;
  /** Everything inside model.js. Default false. */
  readonly inlineWeights?: boolean;
  /** Also modules for so many threads, for pages that are cross-origin isolated. Default 1: none. */
  readonly threads?: number;
  /** Class names, when the graph has none. */
  readonly labels?: readonly string[];
}

/** Bundled JavaScript, and the page's files as they are. */
export interface Assets {
  /** Defines the global `ghostnetLoader`. */
  readonly loader: string;
  readonly component: string;
  readonly page: string;
  readonly pageScript: string;
  readonly pageStyle: string;
}

/** SHA-256, given from outside because browsers and Node have it in different places. */
export type Sha256 = (bytes: Uint8Array) => Promise<Uint8Array>;

export interface Shipped {
  readonly manifest: ShippedManifest;
  /** Contents by file name, in an order in which a reader never meets a file whose parts are missing. */
  readonly files: ReadonlyMap<string, Uint8Array | string>;
}

const pageBytes = 65536;
const hex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const ascii = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** Appends a custom section "ghostnet" that says which pair and variant a module is. */
function signModule(wasm: Uint8Array, text: string): Uint8Array {
  const name = ascii('ghostnet');
  const content = [name.length, ...name, ...ascii(text)];
  if (content.length > 127) throw new Error(`custom section too long: ${text}`);
  return Uint8Array.from([...wasm, 0, content.length, ...content]);
}

/** The stored weights without their header, and the runs in which they are stored. */
function storeWeights(
  { weights, weightRuns }: CompiledModel,
  precision: ShipPrecision,
): { bytes: Uint8Array; runs: (readonly [0 | 1, number])[] } {
  const runs = (weightRuns ?? []).map(
    ({ floats, bytes }) => [floats && precision === 'f16' ? 1 : 0, bytes] as const,
  );
  const bytes = new Uint8Array(runs.reduce((sum, [half, size]) => sum + (half ? size / 2 : size), 0));
  const view = new DataView(bytes.buffer);
  const image = new DataView(weights.buffer, weights.byteOffset, weights.byteLength);
  let from = 0;
  let to = 0;
  for (const [half, size] of runs) {
    if (half)
      for (let i = 0; i < size; i += 4, to += 2)
        view.setUint16(to, numberToFloat16(image.getFloat32(from + i, true)), true);
    else {
      bytes.set(weights.subarray(from, from + size), to);
      to += size;
    }
    from += size;
  }
  return { bytes, runs };
}

/** Largest weight that 16 bits hold. */
const largestHalf = 65504;

function checkHalf(graph: Graph, weights: Weights): void {
  for (const [name, { data }] of foldBatchNorm(graph, weights).weights)
    for (const value of data)
      if (!(Math.abs(value) <= largestHalf))
        throw rangeError(
          'FLOAT16_OVERFLOW',
          `build "${graph.name}": "${name}" holds ${value}, 16 bits hold at most ${largestHalf}; take precision f32`,
        );
}

/** Only what the module's kernels do; a model file may ask for more one day. */
function checkPreprocessing(graph: Graph, preprocessing: Preprocessing): void {
  const known = ['resizeShortSide', 'interpolation', 'keepSize', 'cropRounding', 'mean', 'std'];
  const unknown = Object.keys(preprocessing).filter(
    (key) => !known.includes(key) && !(key === 'shrink' && preprocessing.shrink === 1),
  );
  if (unknown.length > 0)
    throw rangeError(
      'PREPROCESSING_UNSUPPORTED',
      `build "${graph.name}": preprocessing "${unknown.join('", "')}" cannot be shipped; expected ${known.join(', ')}`,
    );
}

/**
 * Compiles every variant, best first. Their weights are the same. Without Winograd's scheme, whose packed weights are four
 * times as many: what a page downloads counts more.
 */
function compileVariants(
  graph: Graph,
  weights: Weights,
  threads: number,
): { name: string; compiled: CompiledModel }[] {
  const counts = threads > 1 ? [threads, 1] : [1];
  return counts.flatMap((count) =>
    [true, false].map((relaxed) => ({
      name: `${relaxed ? 'relaxed' : 'simd'}${count > 1 ? '-threads' : ''}`,
      compiled: compile(graph, weights, {
        relaxed,
        threads: count,
        pictures: true,
        narrow: !relaxed,
        winograd: false,
      }),
    })),
  );
}

function describeVariant(name: string, { manifest }: CompiledModel): ShippedVariant {
  const { relaxed, threads, pages, inputs, outputs } = manifest;
  return {
    name,
    relaxed,
    threads,
    pages,
    maximumPages: pages + pictureMemory / pageBytes,
    input: inputs[0]!.address,
    output: outputs[0]!.address,
  };
}

/**
 * All files of the folder. Throws RangeError `NOT_A_CLASSIFIER`, `PREPROCESSING_UNSUPPORTED`, `FLOAT16_OVERFLOW` and
 * what `compile` throws.
 */
export async function shipModel(
  graph: Graph,
  weights: Weights,
  assets: Assets,
  sha256: Sha256,
  options: ShipOptions = {},
): Promise<Shipped> {
  const { precision = 'f16', inlineWeights = false, threads = 1 } = options;
  const { width, height, classes } = classifierShape(graph, 'build');
  const preprocessing = graph.meta.preprocessing ?? usualPreprocessing(height, width);
  checkPreprocessing(graph, preprocessing);
  if (precision === 'f16') checkHalf(graph, weights);
  const variants = compileVariants(graph, weights, threads);
  const { compiled } = variants[0]!;
  const stored = storeWeights(compiled, precision);
  const id = hex(await sha256(stored.bytes)).slice(0, 32);
  const weightsFile = new Uint8Array(headerBytes + stored.bytes.length);
  weightsFile.set(ascii(`ghostnet ${id}`.padEnd(headerBytes)));
  weightsFile.set(stored.bytes, headerBytes);
  const manifest: ShippedManifest = {
    version: 1,
    name: graph.name,
    id,
    precision,
    width,
    height,
    classes,
    labels: graph.meta.labels ?? options.labels ?? [],
    preprocessing,
    softmax: nodeMap(graph).get(graph.outputs[0]!)?.kind === 'softmax',
    weights: {
      bytes: weightsFile.length,
      sha256: hex(await sha256(weightsFile)),
      address: compiled.manifest.weightsAddress,
      imageBytes: compiled.weights.length,
      runs: stored.runs,
    },
    variants: variants.map(({ name, compiled }) => describeVariant(name, compiled)),
    control: compiled.manifest.control,
  };
  const modules = new Map(
    variants.map(({ name, compiled }) => [name, signModule(compiled.wasm, `${id} ${name}`)] as const),
  );
  const files = new Map<string, Uint8Array | string>();
  if (!inlineWeights) {
    for (const [name, wasm] of modules) files.set(`model.${name}.wasm`, wasm);
    files.set('model.weights', weightsFile);
  }
  if (threads > 1) files.set('model.thread.js', threadText());
  const inline = inlineWeights ? { modules, weights: weightsFile } : undefined;
  files.set('model.js', loaderText(manifest, assets.loader, inline));
  files.set('model.d.ts', typesText(manifest));
  files.set('ghost-classifier.js', assets.component);
  files.set('demo.js', assets.pageScript);
  files.set('demo.css', assets.pageStyle);
  files.set('index.html', assets.page.replaceAll('{{name}}', escapeHtml(graph.name)));
  files.set('package.json', `${JSON.stringify(packageOf(manifest), null, 2)}\n`);
  return { manifest, files };
}

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** Makes the folder a package, so that Node reads model.js as a module and bundlers find its types. */
function packageOf({ name }: ShippedManifest): object {
  return {
    name: `${name.toLowerCase().replaceAll(/[^a-z0-9.-]+/g, '-')}-model`,
    version: '1.0.0',
    private: true,
    type: 'module',
    exports: {
      '.': { types: './model.d.ts', default: './model.js' },
      './*': './*',
    },
    sideEffects: ['./ghost-classifier.js', './demo.js'],
  };
}
