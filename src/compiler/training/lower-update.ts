/** The update at the end of a training step: learned quads split evenly among the threads, whatever parameter they are of. */
import { control } from './assemble.js';
import type { Block, LoweringContext, ParameterSlot, Step } from './context.js';
import { emitClear } from './kernels/gather.js';
import {
  emitAverage,
  emitClipFactor,
  emitJoinAndSquare,
  emitUpdate,
  hyper,
  type OptimizerRule,
} from './kernels/optimizer.js';

export interface UpdateOptions {
  readonly rule: OptimizerRule;
  readonly weightDecay: number;
  /** Largest global norm of the gradient; 0: no clipping. */
  readonly clipNorm: number;
  /** Keep a moving average of the weights. */
  readonly average: boolean;
}

/** Zeroes the thread's own gradients. */
export function clearGradients(context: LoweringContext): Step {
  return {
    node: '',
    phase: 'prepare',
    program: 'train',
    barrier: false,
    when: 'once',
    touches: [],
    kernel: () => ({ key: 'clear', emit: () => emitClear() }),
    args: ({ thread }) => [context.arena.gradients + thread * context.arena.step, context.arena.step],
  };
}

/** A run of quads of one parameter that one thread updates. */
interface Piece {
  readonly slot: ParameterSlot;
  readonly first: number;
  readonly quads: number;
}

/** Splits all learned quads evenly among the threads. */
function piecesOf(slots: readonly ParameterSlot[], thread: number, threads: number): Piece[] {
  const total = slots.reduce((sum, { count }) => sum + count / 4, 0);
  const from = Math.floor((total * thread) / threads);
  const to = Math.floor((total * (thread + 1)) / threads);
  const pieces: Piece[] = [];
  let at = 0;
  for (const slot of slots) {
    const quads = slot.count / 4;
    const first = Math.max(from - at, 0);
    const last = Math.min(to - at, quads);
    if (first < last) pieces.push({ slot, first, quads: last - first });
    at += quads;
  }
  return pieces;
}

/** The step of the optimiser: joins the threads' gradients, clips, updates and averages. */
export function lowerUpdate(
  context: LoweringContext,
  learned: readonly string[],
  options: UpdateOptions,
  factors: Block,
  squares: { readonly at: (thread: number) => number },
): void {
  const { rule, weightDecay, average, clipNorm } = options;
  const threads = context.shares.length;
  const slots = learned.map((name) => context.slots.get(name)).filter((slot) => slot !== undefined);
  const hyperAt = (thread: number): number => control.hyper + thread * hyper.bytes;
  const joined = clipNorm > 0;
  // threads have different pieces: piece i of the longest list, nothing where a thread has fewer
  const pieces = context.shares.map(({ thread }) => piecesOf(slots, thread, threads));
  const longest = Math.max(...pieces.map((list) => list.length));
  const pieceOf = (thread: number, i: number): Piece =>
    pieces[thread]?.[i] ?? { slot: slots[0] as ParameterSlot, first: 0, quads: 0 };
  if (joined) {
    for (let i = 0; i < longest; i++)
      context.step(
        () => ({ key: 'join', emit: () => emitJoinAndSquare(threads, context.arena.step) }),
        ({ thread }) => {
          const { slot, first, quads } = pieceOf(thread, i);
          return [context.gradient(slot, 0) + first * 16, squares.at(thread), quads];
        },
        [],
      );
    context.barrier();
    context.step(
      () => ({ key: 'clip', emit: () => emitClipFactor(threads, clipNorm) }),
      ({ thread }) => [squares.at(0), hyperAt(thread)],
      [],
    );
  }
  for (let i = 0; i < longest; i++) {
    context.node = pieceOf(0, i).slot.name;
    context.step(
      ({ thread }) => {
        const decay = pieceOf(thread, i).slot.decays ? weightDecay : 0;
        return {
          key: `update ${decay}`,
          emit: () =>
            emitUpdate({
              rule,
              weightDecay: decay,
              threads,
              threadStep: context.arena.step,
              joined,
              average,
            }),
        };
      },
      ({ thread }) => {
        const { slot, first, quads } = pieceOf(thread, i);
        const { weights, gradients, first: m, second: v, average: a } = context.arena;
        const bytes = slot.offset * 4 + first * 16;
        const factor = factors.address + learned.indexOf(slot.name) * 4;
        return [
          weights + bytes,
          gradients + bytes,
          m + bytes,
          v + bytes,
          a + bytes,
          hyperAt(thread),
          factor,
          quads,
        ];
      },
      [],
    );
  }
  if (!average) return;
  const statistics = [...context.slots.values()].filter((slot) => !slot.learned);
  statistics.forEach((slot, i) => {
    context.step(
      () => ({ key: 'average', emit: () => emitAverage() }),
      ({ thread }) => {
        const bytes = slot.offset * 4;
        const mine = i % threads === thread;
        return [
          context.arena.weights + bytes,
          context.arena.average + bytes,
          hyperAt(thread),
          mine ? slot.count / 4 : 0,
        ];
      },
      [],
    );
  });
}
