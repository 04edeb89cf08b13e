/** The golden files of test/goldens, typed. */
import networks from '../goldens/networks.json' with { type: 'json' };
import opCases from '../goldens/op-cases.json' with { type: 'json' };
import type { GoldenTensor } from './golden.js';

export interface Golden {
  /** Hash of the graph's JSON when the golden was made; another hash means that it is out of date. */
  readonly hash: number;
  /** By node name. */
  readonly tensors: Readonly<Record<string, GoldenTensor>>;
}

export const opGoldens: Readonly<Record<string, Golden>> = opCases;
export const networkGoldens: Readonly<Record<string, Golden>> = networks;
