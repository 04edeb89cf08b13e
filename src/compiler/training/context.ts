/**
 * What lowering writes into: the list of steps, buffers, parameter slots, tables and per-thread scratch, and the
 * bookkeeping of gradients. Knows memory, not arithmetic.
 */
import type { FunctionBuilder } from '../emitter/function.js';
import type { Isa } from '../kernels/kernel.js';
import { emitReorder, emitZero } from './kernels/gather.js';
import type { Strides } from './kernels/loops.js';
import { emitMap } from './kernels/pixelwise.js';
import { align, type MapBuffer, origin, overlaps, quadsOf, strides, type View } from './maps.js';

/** A thread's share of the batch: images [first, first + count). */
export interface ThreadShare {
  readonly thread: number;
  readonly first: number;
  readonly count: number;
}

export interface Kernel {
  /** Equal keys: equal code. */
  readonly key: string;
  readonly emit: (isa: Isa) => FunctionBuilder;
}

export interface Step {
  /** The node it belongs to, for profiles. */
  readonly node: string;
  readonly phase: 'prepare' | 'forward' | 'loss' | 'backward' | 'update';
  /** In which programs it runs. */
  readonly program: 'both' | 'train' | 'evaluate';
  /** All threads meet before it. */
  readonly barrier: boolean;
  /**
   * How it takes part when a thread works through its images in chunks (segments.ts): on each chunk, with the first or
   * the last one only, or `once`, apart from all chunks.
   */
  readonly when: 'each' | 'first' | 'last' | 'once';
  /** Maps that it reads or writes. */
  readonly touches: readonly MapBuffer[];
  /** Undefined: nothing is to be done for the share. */
  readonly kernel: (share: ThreadShare) => Kernel | undefined;
  readonly args: (share: ThreadShare) => readonly number[];
}

/** Where a parameter lives: `count` floats (a multiple of 4) at `offset` floats in the arena. */
export interface ParameterSlot {
  readonly name: string;
  readonly offset: number;
  readonly count: number;
  /** Place of each logical value within the slot. */
  readonly index: Int32Array;
  readonly learned: boolean;
  readonly decays: boolean;
}

/** Fills the index of a slot that holds its values in their logical order. */
export function inOrder(index: Int32Array): void {
  for (let i = 0; i < index.length; i++) index[i] = i;
}

/** A block of bytes outside the maps, placed after lowering. */
export interface Block {
  readonly bytes: number;
  /** Constant contents. */
  readonly data: Int32Array | undefined;
  address: number;
}

export class LoweringContext {
  readonly batch: number;
  readonly shares: readonly ThreadShare[];
  readonly steps: Step[] = [];
  /** Run before all steps: rearranged copies of weights, then (all threads having met) what is made from weights and copies. */
  readonly preparations: Step[] = [];
  readonly transforms: Step[] = [];
  readonly buffers: MapBuffer[] = [];
  readonly blocks: Block[] = [];
  readonly slots = new Map<string, ParameterSlot>();
  /** Floats of one arena (weights, one thread's gradients, a moment). */
  arenaFloats = 0;
  readonly arena = { weights: 0, gradients: 0, first: 0, second: 0, average: 0, step: 0 };
  phase: Step['phase'] = 'forward';
  node = '';
  /** Planar input images. */
  staging: Block | undefined;
  imageFloats = 0;
  /** Address of the word that dropout masks depend on. */
  seedWord = 0;
  program: Step['program'] = 'both';
  #gradients = new Map<string, View>();
  #barrier = false;
  #scratchBytes = 0;
  #scratch: ((thread: number) => number) | undefined;

  constructor(batch: number, threads: number) {
    this.batch = batch;
    this.shares = Array.from({ length: threads }, (_, thread) => {
      const first = Math.floor((batch * thread) / threads);
      return { thread, first, count: Math.floor((batch * (thread + 1)) / threads) - first };
    });
  }

  /** All threads meet before the next step. */
  barrier(): void {
    this.#barrier = true;
  }

  step(
    kernel: Step['kernel'],
    args: Step['args'],
    touched: readonly (View | undefined)[],
    when: Step['when'] = touched.length > 0 ? 'each' : 'once',
  ): void {
    const index = this.steps.length;
    const touches = touched.flatMap((view) => (view ? [view.buffer] : []));
    for (const buffer of touches) {
      buffer.first = Math.min(buffer.first, index);
      buffer.last = Math.max(buffer.last, index);
    }
    const { node, phase, program } = this;
    this.steps.push({ node, phase, program, barrier: this.#barrier, when, touches, kernel, args });
    this.#barrier = false;
  }

  buffer(label: string, height: number, width: number, channels: number, border: number): MapBuffer {
    const form = { label, height, width, stored: quadsOf(channels) * 4, border };
    const made: MapBuffer = { ...form, first: Number.POSITIVE_INFINITY, last: -1, address: 0 };
    this.buffers.push(made);
    return made;
  }

  block(bytes: number, data?: Int32Array): Block {
    const made: Block = { bytes: align(bytes), data, address: 0 };
    this.blocks.push(made);
    return made;
  }

  /** `bytes` for each thread, a constant distance apart. */
  threadBlock(bytes: number): { readonly step: number; readonly at: (thread: number) => number } {
    const step = align(bytes);
    const block = this.block(step * this.shares.length);
    return { step, at: (thread) => block.address + thread * step };
  }

  /** Asks for memory that a step uses only while it runs: all steps of a thread share one such block. */
  reserve(bytes: number): void {
    this.#scratchBytes = Math.max(this.#scratchBytes, bytes);
  }
  /** Makes the block, after the last `reserve`. */
  placeScratch(): void {
    this.#scratch = this.threadBlock(this.#scratchBytes).at;
  }
  scratch(thread: number): number {
    return this.#scratch?.(thread) ?? 0;
  }

  /** The slot of a parameter of `logical` values in `count` floats; `fillIndex` says where each value lies. */
  parameter(
    name: string,
    logical: number,
    count: number,
    fillIndex: (index: Int32Array) => void,
    traits: { readonly learned: boolean; readonly decays: boolean },
  ): ParameterSlot {
    const known = this.slots.get(name);
    if (known) return known;
    const index = new Int32Array(logical);
    fillIndex(index);
    const slot = { name, offset: this.arenaFloats, count: align(count, 4), index, ...traits };
    this.arenaFloats += align(count, 16);
    this.slots.set(name, slot);
    return slot;
  }

  weight(slot: ParameterSlot): number {
    return this.arena.weights + slot.offset * 4;
  }
  gradient(slot: ParameterSlot, thread: number): number {
    return this.arena.gradients + thread * this.arena.step + slot.offset * 4;
  }

  /** Address of the share's first image, moved by whole rows and pixels. */
  at(view: View, share: ThreadShare, rows = 0, pixels = 0): number {
    const { pixel, row, image } = strides(view);
    return origin(view) + share.first * image + rows * row + pixels * pixel;
  }

  /** At the start of each training step: copy[i] = weight[table[i]], the work split among the threads. */
  prepareWeights(weight: ParameterSlot, table: Block, copy: Block, count: number): void {
    const threads = this.shares.length;
    const from = (thread: number): number => Math.floor((count * thread) / threads);
    this.preparations.push({
      node: weight.name,
      phase: 'prepare',
      program: 'train',
      barrier: false,
      when: 'once',
      touches: [],
      kernel: () => ({ key: 'reorder', emit: () => emitReorder() }),
      args: ({ thread }) => {
        const first = from(thread);
        const bytes = first * 4;
        return [this.weight(weight), table.address + bytes, copy.address + bytes, from(thread + 1) - first];
      },
    });
  }

  // Gradients of values. Several values may share one view as long as nobody writes to it.

  gradientOf(name: string): View | undefined {
    return this.#gradients.get(name);
  }
  setGradient(name: string, view: View): void {
    this.#gradients.set(name, view);
  }
  release(name: string): void {
    this.#gradients.delete(name);
  }
  /** Whether no other value's gradient lies in the view. */
  exclusive(name: string, view: View): boolean {
    for (const [other, theirs] of this.#gradients) if (other !== name && overlaps(theirs, view)) return false;
    return true;
  }

  /** Where a contribution to a value's gradient goes, and what it is to be added to (undefined: nothing yet). */
  target(name: string, like: View, border: number): { readonly to: View; readonly start: View | undefined } {
    const known = this.#gradients.get(name);
    if (known && known.buffer.border >= border && this.exclusive(name, known))
      return { to: known, start: known };
    const { height, width } = like.buffer;
    const buffer = this.buffer(`d ${name}`, height, width, like.channels, border);
    const to: View = { buffer, offset: 0, channels: like.channels };
    this.#gradients.set(name, to);
    return { to, start: known };
  }

  /** As `target`, for kernels that only add in place: the start is already there. */
  prepared(name: string, like: View, border: number): View {
    const { to, start } = this.target(name, like, border);
    if (start !== to) {
      if (start) this.copy(start, to);
      else this.zero(to);
    }
    return to;
  }

  /** As `target`, for kernels that write or add in place. */
  addable(name: string, like: View, border: number): { readonly to: View; readonly add: boolean } {
    const { to, start } = this.target(name, like, border);
    if (start && start !== to) this.copy(start, to);
    return { to, add: start !== undefined };
  }

  zero(view: View): void {
    const { image } = strides(view);
    this.step(
      () => ({ key: `zero ${image}`, emit: () => emitZero(image) }),
      (share) => [view.buffer.address + share.first * image, share.count],
      [view],
    );
  }

  copy(from: View, to: View): void {
    this.map('copy', [from], to, undefined, (f, { inputs }) => void f.get(inputs[0] as number));
  }

  /** A pixelwise step; `coefficients.at` gives their address. */
  map(
    key: string,
    inputs: readonly View[],
    output: View,
    coefficients:
      | {
          readonly count: number;
          readonly step: number;
          readonly image: number;
          readonly at: (share: ThreadShare) => number;
        }
      | undefined,
    body: Parameters<typeof emitMap>[1],
    touches: readonly View[] = [],
  ): void {
    const { height, width } = output.buffer;
    const form = coefficients && {
      count: coefficients.count,
      step: coefficients.step,
      image: coefficients.image,
    };
    const spec = {
      height,
      width,
      quads: quadsOf(output.channels),
      inputs: inputs.map((view): Strides => strides(view)),
      output: strides(output),
      ...(form ? { coefficients: form } : {}),
    };
    this.step(
      () => ({ key: `map ${key} ${JSON.stringify(spec)}`, emit: () => emitMap(spec, body) }),
      (share) => [
        ...inputs.map((view) => this.at(view, share)),
        this.at(output, share),
        coefficients?.at(share) ?? 0,
        share.count,
      ],
      [...inputs, output, ...touches],
    );
  }
}
