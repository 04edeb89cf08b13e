/** The runtimes that `ghostnet bench --against` knows. */
import { liteRt } from './litert.js';
import { onnxruntimeNode, onnxruntimeWeb } from './onnxruntime.js';
import type { Peer } from './peer.js';
import { tfjsWasm } from './tfjs.js';

export const peers: readonly Peer[] = [onnxruntimeWeb, onnxruntimeNode, liteRt, tfjsWasm];
