/**
 * What compiling gives and running takes: the only thing that compiler and runtime share. Types only, so that the
 * runtime carries no compiler code. The manifest is plain JSON; a page may ship all three as files.
 */

/** An input or output in the module's memory: batch times the planar [C, H, W], one image after the other. */
export interface Port {
  readonly name: string;
  /** [N, ...]. */
  readonly shape: readonly number[];
  /** Byte address. */
  readonly address: number;
}

/** One step of the program, for profiles. */
export interface ManifestStep {
  readonly name: string;
  readonly kernel: string;
  /** Graph nodes that it computes; empty for layout changes. */
  readonly nodes: readonly string[];
  /** Multiply-accumulates of one image. */
  readonly macs: number;
  /** Bytes of weights, inputs and outputs that it moves for one image. */
  readonly bytes: number;
}

/** Of a checked build: where it reports, and what is stored where. */
export interface CheckedManifest {
  /** Address of four words about the first wrong access (guard.ts). */
  readonly violation: number;
  /** Buffers may share bytes, at different times. */
  readonly buffers: readonly { readonly name: string; readonly address: number; readonly bytes: number }[];
}

export interface Manifest {
  readonly version: 1;
  readonly name: string;
  readonly batch: number;
  readonly threads: number;
  /** Needs relaxed SIMD. */
  readonly relaxed: boolean;
  /** Exports `step<i>` for every step. */
  readonly profile: boolean;
  /** Memory in pages of 64 KiB; it never grows. */
  readonly pages: number;
  readonly weightsAddress: number;
  /** Bytes of activations. */
  readonly scratchBytes: number;
  /** Addresses of the words through which threads talk. */
  readonly control: {
    readonly counter: number;
    readonly waiters: number;
    readonly epoch: number;
    readonly base: number;
    readonly stop: number;
  };
  readonly checked?: CheckedManifest;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly steps: readonly ManifestStep[];
}

/** A run of packed weights of one type. */
export interface WeightRun {
  readonly type: 'f32' | 'i16' | 'bytes';
  readonly bytes: number;
}

/** A network ready to run. */
export interface CompiledModel {
  readonly wasm: Uint8Array;
  /** Packed weights, copied to `manifest.weightsAddress`. */
  readonly weights: Uint8Array;
  /** What the weights are, from the first byte to the last; for storing them in fewer bytes. */
  readonly weightRuns?: readonly WeightRun[];
  readonly manifest: Manifest;
}
