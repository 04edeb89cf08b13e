/**
 * The program that lowering makes of a graph: steps that call kernels on virtual buffers, and the packed weights.
 * Addresses, threads and barriers come later (memory-plan.ts, schedule.ts); nothing here knows graphs.
 *
 * A buffer holds one image; networks with a batch run the whole program once an image.
 */
import type { KernelSpec } from './kernels/registry.js';

/** A piece of memory whose address is not decided yet. */
export interface VirtualBuffer {
  readonly id: number;
  readonly name: string;
  /** `input` and `output` keep their address during the whole run and have one piece per image. */
  readonly role: 'scratch' | 'input' | 'output';
  /** Bytes of one image; grows while lowering appends to the buffer. */
  bytes: number;
}

/**
 * One argument of a kernel. Extents say which bytes units [u0, u1) touch: all of `bytes`, or from u0 * perUnit to
 * u1 * perUnit.
 */
export type Operand =
  | { readonly kind: 'none' }
  | { readonly kind: 'weights'; readonly offset: number; readonly bytes: number }
  | {
      readonly kind: 'buffer';
      readonly buffer: VirtualBuffer;
      /** Bytes from the start of the buffer to what unit 0 touches. */
      readonly offset: number;
      readonly access: 'read' | 'write';
      readonly extent: { readonly bytes: number } | { readonly perUnit: number };
    };

/** Calls of one kernel over a run of units. `spec.ranges`, where a spec has them, are filled in by the schedule. */
export interface Part {
  readonly spec: KernelSpec;
  readonly operands: readonly Operand[];
  readonly units: number;
}

/** One layer, or a piece of one: its parts may run in any order and by any thread. */
export interface Step {
  /** Name of the node whose value is complete after this step, or of the helper step. */
  readonly name: string;
  /** Graph nodes that this step computes. Empty for layout changes. */
  readonly nodes: readonly string[];
  readonly parts: readonly Part[];
  /** `each`: threads split every part; `total`: threads split the row of all parts' units. */
  readonly split: 'each' | 'total';
  readonly macs: number;
}

export interface PortBuffer {
  readonly name: string;
  /** [N, ...]. */
  readonly shape: readonly number[];
  readonly buffer: VirtualBuffer;
}

/** Packed weights of a kernel. */
export type PackedData = Float32Array | Int32Array | Int16Array | Uint16Array | Int8Array | Uint8Array;

export interface Program {
  readonly batch: number;
  readonly steps: readonly Step[];
  readonly inputs: readonly PortBuffer[];
  readonly outputs: readonly PortBuffer[];
  /** Packed weights at their offsets. */
  readonly weights: readonly { readonly offset: number; readonly data: PackedData }[];
  readonly weightBytes: number;
}

/** Bytes of weights, inputs and outputs that a step moves for one image. */
export function stepBytes(step: Step): number {
  let bytes = 0;
  for (const part of step.parts)
    for (const operand of part.operands) {
      if (operand.kind === 'weights') bytes += operand.bytes;
      if (operand.kind !== 'buffer') continue;
      const { extent } = operand;
      const size = 'bytes' in extent ? extent.bytes : extent.perUnit * part.units;
      bytes += size;
    }
  return bytes;
}

/** Collects a program. */
export class ProgramBuilder {
  readonly steps: Step[] = [];
  readonly inputs: PortBuffer[] = [];
  readonly outputs: PortBuffer[] = [];
  readonly #weights: { offset: number; data: PackedData }[] = [];
  #weightBytes = 0;
  #buffers = 0;

  buffer(name: string, bytes: number, role: VirtualBuffer['role'] = 'scratch'): VirtualBuffer {
    return { id: this.#buffers++, name, role, bytes };
  }

  /** Adds packed weights, aligned to a cache line. */
  weights(data: PackedData): Operand {
    const offset = this.#weightBytes;
    this.#weights.push({ offset, data });
    this.#weightBytes += (data.byteLength + 63) & ~63;
    return { kind: 'weights', offset, bytes: data.byteLength };
  }

  step(step: Step): void {
    this.steps.push(step);
  }

  finish(batch: number): Program {
    return {
      batch,
      steps: this.steps,
      inputs: this.inputs,
      outputs: this.outputs,
      weights: this.#weights,
      weightBytes: this.#weightBytes,
    };
  }
}

export const none: Operand = { kind: 'none' };
