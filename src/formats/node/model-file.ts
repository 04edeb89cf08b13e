/** Model files on disk: read by what they contain, written through a temporary file so that none is ever half-written. */
import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { EnvironmentError, FormatError } from '../../errors.js';
import type { Graph, Tensor, Weights } from '../../graph/graph.js';
import { createModel, listModels } from '../../models/registry.js';
import type { QuantizedNetwork } from '../../passes/quantize/network.js';
import { loadWeights } from '../key-mapping.js';
import {
  checkFinite,
  isModelMetadata,
  isQuantizedMetadata,
  loadModel,
  type Model,
  type SaveModelOptions,
  saveModel,
} from '../model-file.js';
import { isPytorch, readPytorch } from '../pytorch.js';
import { loadQuantizedModel, saveQuantizedModel } from '../quantized-file.js';
import { readSafetensors, toTensor } from '../safetensors.js';

/** Largest file that is read. */
export const maxModelFileBytes = 2 ** 31 - 1;

export interface ReadModelOptions {
  /** Sizes [C, H, W] of an ONNX file's inputs, where it leaves them free. */
  readonly inputShape?: readonly number[];
  /** The network of a file that holds weights only: a name of the registry, or a graph. */
  readonly network?: string | Graph;
  /** Takes weights that hold NaN or infinities. Default false. */
  readonly allowNonFinite?: boolean;
}

/** The bytes of a file. Throws EnvironmentError `FILE_NOT_FOUND`, `FILE_UNREADABLE` or `FILE_TOO_LARGE`. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > maxModelFileBytes)
      throw new EnvironmentError(
        'FILE_TOO_LARGE',
        `"${path}": ${size} bytes, at most ${maxModelFileBytes} are read`,
      );
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    if (cause instanceof EnvironmentError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new EnvironmentError('FILE_NOT_FOUND', `"${path}": no such file`, { cause });
    throw new EnvironmentError('FILE_UNREADABLE', `"${path}": ${message}`, { cause });
  }
}

/** Letters at an offset (after white space where 0) of files that people take for weights, and what to do. */
const lookalikes: readonly (readonly [offset: number, letters: string, what: string])[] = [
  [
    0,
    'version https://git-lfs',
    'this is a Git LFS pointer, not the file itself; fetch it with "git lfs pull"',
  ],
  [0, '<', 'this is a web page, not weights; download the file itself'],
  [0, '{', 'this is JSON text, not weights'],
  [1, 'HDF', 'this is an HDF5 (Keras) file; save the network as safetensors'],
  [4, 'TFL3', 'this is a TensorFlow Lite file; save the network as safetensors'],
  [1, 'NUMPY', 'this is a NumPy array; save the network as safetensors'],
  [0, '\u001f\u008b', 'this is a gzip archive; unpack it first'],
  [1, 'PNG', 'this is a picture, not weights'],
  [0, '\u00ff\u00d8', 'this is a picture, not weights'],
];

/** What a file that is no model looks like, for a helpful error. */
function guess(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'the file is empty';
  const start = String.fromCharCode(...bytes.subarray(0, 256)).trimStart();
  const known = lookalikes.find(([offset, letters]) => start.startsWith(letters, offset));
  if (known) return known[2];
  return 'neither safetensors nor a PyTorch checkpoint nor ONNX, or torn at its beginning';
}

/** Whether the first bytes can be an ONNX file: the field of its IR version, below 64, and then another field. */
export function looksLikeOnnx(bytes: Uint8Array): boolean {
  return bytes.length > 4 && bytes[0] === 0x08 && bytes[1]! > 0 && bytes[1]! < 64 && bytes[2]! > 0x08;
}

/** Tensors of a weights file by name, whatever its format. Throws FormatError with the file's name in front. */
export function readTensors(bytes: Uint8Array): ReadonlyMap<string, Tensor> {
  if (isPytorch(bytes)) return readPytorch(bytes);
  return new Map([...readSafetensors(bytes).tensors].map(([name, entry]) => [name, toTensor(entry)]));
}

/** Whether the first bytes can be a safetensors file: a header length and an opening brace. */
function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes.length >= 10 && bytes[8] === 0x7b && bytes[6] === 0 && bytes[7] === 0;
}

/** What a model file may hold: floats, or an int8 network. */
export type AnyModel = Model | { readonly quantized: QuantizedNetwork };

/**
 * Graph and weights of a file: a native model file or an ONNX file as it is, or safetensors or PyTorch weights of
 * `network`. Throws EnvironmentError of `readBytes`, FormatError `NOT_A_MODEL`, `MODEL_QUANTIZED`, `NETWORK_NEEDED`, `WEIGHTS_MISMATCH` and those of
 * the formats; messages begin with the file's name.
 */
export async function readModelFile(path: string, options: ReadModelOptions = {}): Promise<Model> {
  const bytes = await readBytes(path);
  return withName(path, () => parseModel(path, bytes, options));
}

/** The same of a file that may also hold an int8 network. Throws what `readModelFile` and `readQuantizedFile` throw. */
export async function readAnyModelFile(path: string, options: ReadModelOptions = {}): Promise<AnyModel> {
  const bytes = await readBytes(path);
  return withName(path, async () =>
    isQuantized(bytes) ? { quantized: loadQuantizedModel(bytes) } : await parseModel(path, bytes, options),
  );
}

function isQuantized(bytes: Uint8Array): boolean {
  if (looksLikeOnnx(bytes) || isPytorch(bytes) || !looksLikeSafetensors(bytes)) return false;
  return isQuantizedMetadata(readSafetensors(bytes).metadata);
}

async function parseModel(path: string, bytes: Uint8Array, options: ReadModelOptions): Promise<Model> {
  if (looksLikeOnnx(bytes)) return await readOnnxFile(path, bytes, options);
  if (!isPytorch(bytes) && !looksLikeSafetensors(bytes)) throw new FormatError('NOT_A_MODEL', guess(bytes));
  if (!isPytorch(bytes) && isModelMetadata(readSafetensors(bytes).metadata)) return loadModel(bytes, options);
  const { network } = options;
  const tensors = readTensors(bytes);
  if (network === undefined) throw networkNeeded(tensors);
  const graph = typeof network === 'string' ? createModel(network) : network;
  const weights = loadWeights(graph, tensors);
  if (!options.allowNonFinite) checkFinite(weights);
  return { graph, weights };
}

/** That a network must be named, and which ones the weights fit. */
function networkNeeded(tensors: ReadonlyMap<string, Tensor>): FormatError {
  const fitting = listModels().filter(({ name }) => {
    try {
      loadWeights(createModel(name), tensors);
      return true;
    } catch (error) {
      if (error instanceof FormatError) return false;
      throw error;
    }
  });
  const names = fitting.map(({ name }) => `--network ${name}`).join(' or ');
  const hint = names === '' ? 'e.g. --network ghostnet-1.0x' : `they fit ${names}`;
  return new FormatError(
    'NETWORK_NEEDED',
    `the file holds weights only; say which network they belong to; ${hint}`,
  );
}

/** Puts the file's name before the message of a FormatError. */
async function withName<T>(path: string, read: () => Promise<T> | T): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (cause instanceof FormatError)
      throw new FormatError(cause.code, `"${path}": ${cause.message}`, { cause });
    throw cause;
  }
}

/**
 * The network of an int8 model file. Throws EnvironmentError of `readBytes` and what `loadQuantizedModel` throws, with the
 * file's name in front.
 */
export async function readQuantizedFile(path: string): Promise<QuantizedNetwork> {
  const bytes = await readBytes(path);
  return withName(path, () => loadQuantizedModel(bytes));
}

/** Saves an int8 model file atomically. Throws the errors of `saveQuantizedModel` and `writeFileAtomically`. */
export async function writeQuantizedFile(path: string, network: QuantizedNetwork): Promise<void> {
  await writeFileAtomically(path, saveQuantizedModel(network));
}

/** An ONNX file; protobuf is loaded only now. Weights beside the file are read from its folder. */
async function readOnnxFile(path: string, bytes: Uint8Array, options: ReadModelOptions): Promise<Model> {
  const { importOnnx } = await import('../onnx/import.js');
  const { externalDataBeside } = await import('./onnx-external-data.js');
  const { allowNonFinite, inputShape } = options;
  return importOnnx(bytes, {
    external: externalDataBeside(path),
    ...(allowNonFinite === undefined ? {} : { allowNonFinite }),
    ...(inputShape === undefined ? {} : { inputShape }),
  });
}

/**
 * Writes bytes so that the file is there whole or not at all: to a temporary file beside it, flushed, then renamed.
 * Throws EnvironmentError `DISK_FULL` or `FILE_UNWRITABLE`; the temporary file is removed.
 */
export async function writeFileAtomically(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new EnvironmentError(
        'DISK_FULL',
        `"${path}": no space left on the disk; this file was not written`,
        {
          cause,
        },
      );
    throw new EnvironmentError('FILE_UNWRITABLE', `"${path}": ${message}`, { cause });
  }
}

/** Saves a native model file atomically. Throws the errors of `saveModel` and `writeFileAtomically`. */
export async function writeModelFile(
  path: string,
  graph: Graph,
  weights: Weights,
  options: SaveModelOptions = {},
): Promise<void> {
  await writeFileAtomically(path, saveModel(graph, weights, options));
}
