/** What a function builder notes of each load and store, for checked builds. */
import type { MemoryName } from './opcodes.js';

/** Instructions that touch memory and are not in the table of memory instructions. */
export type OtherAccess =
  | 'loadLane32'
  | 'loadLane64'
  | 'storeLane32'
  | 'storeLane64'
  | 'memoryCopy'
  | 'memoryFill';

/** An instruction that loads or stores: its bytes [start, end) in the code, and its constant offset. */
export interface MemoryAccess {
  readonly name: MemoryName | OtherAccess;
  readonly start: number;
  readonly end: number;
  readonly offset: number;
  /** Lane of a vector, where the instruction has one. */
  readonly lane: number;
}
