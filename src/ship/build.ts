/**
 * From a graph and its weights to the files of a network that can be shipped: compiled modules, weights, a loader, types,
 * a web component and a page that shows them. Pure: writes nothing (see node/write-folder.ts). The JavaScript comes
 * from `Assets`, which scripts/build.mjs bundles.
 */
import { type CompileOptions, compile, compileQuantized, pictureMemory } from '../compiler/compile.js';
import type { CompiledModel } from '../compiler/compiled-model.js';
import { rangeError } from '../errors.js';
import { classifierShape, usualPreprocessing } from '../graph/classifier.js';
import { type Graph, nodeMap, type Preprocessing, type Weights } from '../graph/graph.js';
import type { QuantizedNetwork } from '../passes/quantize/network.js';
import {
  headerBytes,
  type ShippedManifest,
  type ShippedVariant,
  type ShippedWeights,
} from './loader/manifest.js';
import type { ShipPrecision } from './precisions.js';
import { inHalves, storeWeights } from './store-weights.js';
import { loaderText, threadText, typesText } from './texts.js';

export interface ShipOptions {
  /**
   * How weights are stored; 16 bits halve the download. Layers that use each weight once keep them so in memory, those of
   * the others are widened when loaded: answers are those of the rounded weights to the bit. Default 'f16'; a quantised
   * network is always 'int8'.
   */
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

interface Variant {
  readonly name: string;
  readonly compiled: CompiledModel;
}

/**
 * Compiles every variant, best first. Without Winograd's scheme, whose packed weights are four times as many: what a page
 * downloads counts more.
 */
function compileVariants(
  graph: Graph,
  weights: Weights | QuantizedNetwork,
  precision: ShipPrecision,
  threads: number,
): readonly Variant[] {
  const stored = precision === 'f16' && !isQuantized(weights) ? inHalves(graph, weights) : { graph, weights };
  const counts = threads > 1 ? [threads, 1] : [1];
  return counts.flatMap((count) =>
    [true, false].map((relaxed): Variant => {
      const options: CompileOptions = { relaxed, threads: count, pictures: true, narrow: !relaxed };
      return {
        name: `${relaxed ? 'relaxed' : 'simd'}${count > 1 ? '-threads' : ''}`,
        compiled: isQuantized(stored.weights)
          ? compileQuantized(stored.weights, options)
          : compile(stored.graph, stored.weights, {
              ...options,
              winograd: false,
              halfWeights: precision === 'f16',
            }),
      };
    }),
  );
}

function isQuantized(weights: Weights | QuantizedNetwork): weights is QuantizedNetwork {
  return 'filters' in weights;
}

function describeVariant({ name, compiled }: Variant, weights: number, sha256: string): ShippedVariant {
  const { relaxed, threads, pages, inputs, outputs } = compiled.manifest;
  return {
    name,
    sha256,
    relaxed,
    threads,
    weights,
    pages,
    maximumPages: pages + pictureMemory / pageBytes,
    input: inputs[0]!.address,
    output: outputs[0]!.address,
  };
}

interface StoredWeights {
  readonly description: Omit<ShippedWeights, 'sha256'>;
  /** Without the header. */
  readonly bytes: Uint8Array;
}

/**
 * Weights as they are stored, and which of them each variant takes. Floats are packed alike for all modules; integers are
 * packed as the instruction set wants them.
 */
function storeAll(
  variants: readonly Variant[],
  precision: ShipPrecision,
): { readonly stored: readonly StoredWeights[]; readonly takes: readonly number[] } {
  const groups = precision === 'int8' ? ['relaxed', 'simd'] : [''];
  const groupOf = ({ name }: Variant): number =>
    Math.max(
      0,
      groups.findIndex((group) => group !== '' && name.startsWith(group)),
    );
  const stored = groups.map((group, index): StoredWeights => {
    const { compiled } = variants.find((variant) => groupOf(variant) === index) as Variant;
    const { bytes, runs } = storeWeights(compiled, precision === 'f16');
    const description = {
      file: group === '' ? 'model.weights' : `model.${group}.weights`,
      header: group,
      bytes: headerBytes + bytes.length,
      address: compiled.manifest.weightsAddress,
      imageBytes: compiled.weights.length,
      runs,
    };
    return { description, bytes };
  });
  return { stored, takes: variants.map(groupOf) };
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * All files of the folder, of float weights or of a quantised network (`graph` is then its own). Throws RangeError
 * `NOT_A_CLASSIFIER`, `PREPROCESSING_UNSUPPORTED`, `FLOAT16_OVERFLOW`, `BAD_PRECISION` and what `compile` throws.
 */
export async function shipModel(
  graph: Graph,
  weights: Weights | QuantizedNetwork,
  assets: Assets,
  sha256: Sha256,
  options: ShipOptions = {},
): Promise<Shipped> {
  const { inlineWeights = false, threads = 1 } = options;
  const precision = options.precision ?? (isQuantized(weights) ? 'int8' : 'f16');
  if (isQuantized(weights) !== (precision === 'int8'))
    throw rangeError(
      'BAD_PRECISION',
      `build "${graph.name}": precision ${precision} of ${isQuantized(weights) ? 'a quantised network, expected int8' : 'float weights; quantise them first'}`,
    );
  const { width, height, classes } = classifierShape(graph, 'build');
  const preprocessing = graph.meta.preprocessing ?? usualPreprocessing(height, width);
  checkPreprocessing(graph, preprocessing);
  const variants = compileVariants(graph, weights, precision, threads);
  const { stored, takes } = storeAll(variants, precision);
  const id = hex(await sha256(concatenate(stored.map(({ bytes }) => bytes)))).slice(0, 32);
  const weightsFiles = new Map<string, Uint8Array>();
  const described: ShippedWeights[] = [];
  for (const { description, bytes } of stored) {
    const header = `ghostnet ${id} ${description.header}`.trimEnd();
    const file = concatenate([ascii(header.padEnd(headerBytes)), bytes]);
    weightsFiles.set(description.file, file);
    described.push({ ...description, header, sha256: hex(await sha256(file)) });
  }
  const modules = new Map(
    variants.map(({ name, compiled }) => [name, signModule(compiled.wasm, `${id} ${name}`)] as const),
  );
  const describedVariants: ShippedVariant[] = [];
  for (const [i, variant] of variants.entries()) {
    const hash = hex(await sha256(modules.get(variant.name) as Uint8Array));
    describedVariants.push(describeVariant(variant, takes[i] as number, hash));
  }
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
    weights: described,
    variants: describedVariants,
    control: (variants[0] as Variant).compiled.manifest.control,
  };
  const files = new Map<string, Uint8Array | string>();
  if (!inlineWeights) {
    for (const [name, wasm] of modules) files.set(`model.${name}.wasm`, wasm);
    for (const [name, bytes] of weightsFiles) files.set(name, bytes);
  }
  if (threads > 1) files.set('model.thread.js', threadText());
  const inline = inlineWeights ? { modules, weights: weightsFiles } : undefined;
  files.set('model.js', loaderText(manifest, assets.loader, inline));
  files.set('model.d.ts', typesText(manifest));
  files.set('ghost-classifier.js', assets.component);
  files.set('demo.js', assets.pageScript);
  files.set('demo.css', assets.pageStyle);
  files.set(
    'index.html',
    assets.page.replaceAll('{{name}}', () => escapeHtml(graph.name)),
  );
  files.set('package.json', `${JSON.stringify(packageOf(manifest), null, 2)}\n`);
  return { manifest, files };
}

const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

/** Makes the folder a package, so that Node reads model.js as a module and bundlers find its types. */
function packageOf({ name }: ShippedManifest): object {
  // as npm wants names: it allows no dot at the beginning and 214 letters
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9.]+/g, '-');
  return {
    name: `${plain.replace(/^[.-]+/, '').slice(0, 200) || 'ghostnet'}-model`,
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
