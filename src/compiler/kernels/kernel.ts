/**
 * What all kernels share. A kernel is one WebAssembly function, specialised to exact shapes, that works on one image
 * over a range of units (a unit is an output quad unless said otherwise): threads split the units and read the same
 * packed weights, and the order in which an output is accumulated never depends on the split.
 *
 * Layout legend: a feature map is stored as quads of four channels, [C/4][H*W][4] floats: one v128 per pixel and quad.
 * P pixels (H*W), Q quads, K stored input channels, plane = bytes of a quad's map = P*16.
 */
import type { ActivationName } from '../../graph/nodes.js';

/** What the engine offers. */
export interface Isa {
  /** The fused multiply-add of the relaxed SIMD proposal. */
  readonly relaxed: boolean;
  /**
   * Smaller tiles, for engines that move the loads of a loop body before its arithmetic and then run out of registers
   * (V8 before 13). Always so without `relaxed`, since engines without it are older. Results are the same to the bit.
   */
  readonly narrow?: boolean;
}

/** Whether the loops may rely on the engine to keep their instruction order. */
export function keepsOrder(isa: Isa): boolean {
  return isa.relaxed && !isa.narrow;
}

export type Activation = ActivationName | null;

export { emitActivation, emitExp } from './activations.js';
export { pixelTile } from './tiles.js';
