/**
 * What `ghostnet build` writes into model.js and the loader reads: plain JSON. The loader never sees a graph; it knows
 * addresses, sizes and hashes. Types only.
 */
import type { Preprocessing } from '../../graph/graph.js';

/** One compiled module of the folder. All share the weights. */
export interface ShippedVariant {
  /** `simd`, `relaxed`, `simd-threads` or `relaxed-threads`: part of the file's name, and written in the module. */
  readonly name: string;
  readonly relaxed: boolean;
  readonly threads: number;
  /** Memory in pages of 64 KiB at the start, and the most that it may grow to for a picture. */
  readonly pages: number;
  readonly maximumPages: number;
  /** Byte addresses of the planar input [3, H, W] and of the scores. */
  readonly input: number;
  readonly output: number;
}

export interface ShippedWeights {
  /** Bytes of the file, header included. */
  readonly bytes: number;
  /** SHA-256 of the file in hexadecimal. */
  readonly sha256: string;
  /** Address in memory, and bytes there. */
  readonly address: number;
  readonly imageBytes: number;
  /** Runs of [stored in 16 bits (1) or as they are (0), bytes in memory], in order. */
  readonly runs: readonly (readonly [half: 0 | 1, bytes: number])[];
}

export interface ShippedManifest {
  readonly version: 1;
  readonly name: string;
  /** Names the pair of modules and weights; both carry it. 32 hexadecimal digits. */
  readonly id: string;
  readonly precision: string;
  /** Input side lengths. */
  readonly width: number;
  readonly height: number;
  readonly classes: number;
  /** Class names by index; may be fewer than `classes`. */
  readonly labels: readonly string[];
  readonly preprocessing: Preprocessing;
  readonly softmax: boolean;
  readonly weights: ShippedWeights;
  /** Best first. */
  readonly variants: readonly ShippedVariant[];
  /** Addresses of the words through which threads talk. */
  readonly control: {
    readonly counter: number;
    readonly epoch: number;
    readonly base: number;
    readonly stop: number;
  };
}

/** Bytes of the header of a weights file: "ghostnet" and the pair's id. */
export const headerBytes = 64;

/** Where things are; text instead of an address is the content itself in base64. */
export interface ShippedFiles {
  /** The address of a variant's module. */
  readonly module: (name: string) => URL | string;
  readonly weights: () => URL | string;
  /** Starts a thread's worker in a browser. */
  readonly worker?: () => Worker;
  /** The address of the worker's file, for Node. */
  readonly workerFile?: () => URL;
}
