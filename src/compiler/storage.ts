/**
 * Where values are put while lowering walks through the operations: which buffer a new value goes to, and whether it
 * may take the place of one that nobody reads any more. Values that a concatenation joins are appended to one buffer.
 */
import type { FusedGraph, Operation } from '../passes/fuse.js';
import { isOneToOne, planeBytes, quadSpan, type View } from './layout.js';
import type { ProgramBuilder, VirtualBuffer } from './program.js';

export interface Size {
  readonly height: number;
  readonly width: number;
  readonly pixelBytes?: number | undefined;
}

/** Bytes of a buffer that hold one value; a concatenation's buffer has several such runs. */
interface Segment {
  readonly first: number;
  readonly end: number;
  /** The operation's output that is stored there now. */
  value: string;
}

function byteSpan(view: View): { readonly first: number; readonly end: number } {
  const { first, end } = quadSpan(view.positions);
  return { first: first * planeBytes(view), end: end * planeBytes(view) };
}

export class Storage {
  readonly #fused: FusedGraph;
  readonly #program: ProgramBuilder;
  readonly #groupBuffers = new Map<string, VirtualBuffer>();
  readonly #groupSizes = new Map<string, number>();
  readonly #segments = new Map<VirtualBuffer, Segment[]>();

  constructor(fused: FusedGraph, program: ProgramBuilder) {
    this.#fused = fused;
    this.#program = program;
    for (const item of fused.items) {
      const group = fused.group(item.kind === 'operation' ? item.operation.output : item.node.name);
      this.#groupSizes.set(group, (this.#groupSizes.get(group) ?? 0) + 1);
    }
  }

  /** The buffer that a concatenation and its inputs share, if anything is stored there yet. */
  groupBuffer(name: string): VirtualBuffer | undefined {
    return this.#groupBuffers.get(this.#fused.group(name));
  }

  /** A fresh place for a value whose channels have these positions relative to its first quad. */
  place(name: string, size: Size, positions: Int32Array, quads: number): View {
    const group = this.#fused.group(name);
    let buffer = this.#groupBuffers.get(group);
    if (!buffer) {
      buffer = this.#program.buffer(group, 0);
      this.#groupBuffers.set(group, buffer);
    }
    const first = buffer.bytes / planeBytes(size);
    const start = buffer.bytes;
    buffer.bytes += quads * planeBytes(size);
    this.#segmentsOf(buffer).push({ first: start, end: buffer.bytes, value: name });
    return {
      buffer,
      height: size.height,
      width: size.width,
      pixelBytes: size.pixelBytes,
      positions: positions.map((position) => (position < 0 ? -1 : position + first * 4)),
    };
  }

  /** A place in a buffer of its own that no concatenation sees. */
  temporary(name: string, size: Size, positions: Int32Array, quads: number): View {
    const buffer = this.#program.buffer(name, quads * planeBytes(size));
    const { height, width, pixelBytes } = size;
    return { buffer, height, width, pixelBytes, positions };
  }

  /**
   * Whether the operation may write its output over `view`: nothing reads what is stored there later, no
   * concatenation wants the output elsewhere, and the operation reads the same buffer through none of `others`.
   */
  canOverwrite(view: View, operation: Operation, others: readonly View[]): boolean {
    const group = this.#fused.group(operation.output);
    const free = (this.#groupSizes.get(group) ?? 0) <= 1 || this.#groupBuffers.get(group) === view.buffer;
    if (!free || view.buffer.role !== 'scratch' || !isOneToOne(view.positions)) return false;
    if (others.some((other) => other.buffer === view.buffer)) return false;
    const span = byteSpan(view);
    const segments = this.#segments.get(view.buffer) ?? [];
    // copies made by this class have no segments: others may ask for them again
    if (segments.length === 0) return false;
    return segments.every((segment) => {
      if (segment.end <= span.first || segment.first >= span.end) return true;
      const inside = segment.first >= span.first && segment.end <= span.end;
      return inside && (this.#fused.lastUse.get(segment.value) ?? -1) <= operation.position;
    });
  }

  /** The output takes the place of `view`. */
  overwrite(view: View, output: string): View {
    const span = byteSpan(view);
    for (const segment of this.#segmentsOf(view.buffer))
      if (segment.first >= span.first && segment.end <= span.end) segment.value = output;
    return { ...view };
  }

  #segmentsOf(buffer: VirtualBuffer): Segment[] {
    const known = this.#segments.get(buffer) ?? [];
    this.#segments.set(buffer, known);
    return known;
  }
}
