/** What an int8 matrix kernel is made for. Emits nothing. */
import type { Pair } from '../../../graph/nodes.js';
import type { Hard } from '../../../passes/quantize/arithmetic.js';
import type { NarrowSpec } from './narrow.js';
import type { GroupLength } from './products.js';

export interface Int8MatrixSpec {
  readonly kind: 'int8Matrix';
  readonly inputQuads: number;
  /** Size of the input, padded where the convolution pads. */
  readonly height: number;
  readonly width: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly ranges: readonly number[];
  readonly hard: Hard;
  readonly residual: boolean;
  /** One pixel whose outputs stay floats, ReLU'd up to this value if one is given. */
  readonly floats: { readonly relu: number | null } | null;
  readonly narrow: NarrowSpec | null;
  /** Steps that may be summed in 16 bits; only with relaxed SIMD. */
  readonly group: GroupLength;
}
