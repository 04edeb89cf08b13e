/** The engine that code is written for. */

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
