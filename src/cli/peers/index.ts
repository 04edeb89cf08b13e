/** The peers that `ghostnet bench --against` knows. */
import { onnxruntimeNode, onnxruntimeWeb } from './onnxruntime.js';
import type { Peer } from './peer.js';

export const peers: readonly Peer[] = [onnxruntimeWeb, onnxruntimeNode];
