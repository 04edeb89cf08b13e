/**
 * What `ghostnet build` writes into model.js and the loader reads: plain JSON. The loader never sees a graph; it knows
 * addresses, sizes and hashes. Types only.
 */
import type { Preprocessing } from '../../graph/graph.js';

/** One compiled module of the folder. */
export interface ShippedVariant {
  /** `simd`, `relaxed`, `simd-threads` or `relaxed-threads`: part of the file's name, and written in the module. */
  readonly name: string;
  /** SHA-256 of the module's file in hexadecimal. */
  readonly sha256: string;
  readonly relaxed: boolean;
  readonly threads: number;
  /** Index of its weights: f32 and f16 have one file for all modules, int8 one for each instruction set. */
  readonly weights: number;
  /** Memory in pages of 64 KiB at the start, and the most that it may grow to for a picture. */
  readonly pages: number;
  readonly maximumPages: number;
  /** Byte addresses of the planar input [3, H, W] and of the scores. */
  readonly input: number;
  readonly output: number;
}

export interface ShippedWeights {
  readonly file: string;
  /** What its header says: "ghostnet", the pair's id, and which weights where there are several. */
  readonly header: string;
  /** Bytes of the file, header included. */
  readonly bytes: number;
  /** SHA-256 of the file in hexadecimal. */
  readonly sha256: string;
  /** Address in memory, and bytes there. */
  readonly address: number;
  readonly imageBytes: number;
  /** Runs of [how they are stored, bytes in memory], in order. */
  readonly runs: readonly (readonly [stored: StoredAs, bytes: number])[];
}

/** As they are (0), 32-bit floats in 16 bits (1), or 16-bit integers in 8 bits (2). The last two are half as long. */
export type StoredAs = 0 | 1 | 2;

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
  readonly weights: readonly ShippedWeights[];
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
  readonly weights: (file: string) => URL | string;
  /** Starts a thread's worker in a browser. */
  readonly worker?: () => Worker;
  /** The address of the worker's file, for Node. */
  readonly workerFile?: () => URL;
}
