/**
 * Steps to a module: one function for each distinct kernel, and for every thread a main function that calls them with
 * its images' addresses. Threads meet at a counter that only grows.
 */
import { emitDelay, seedDelays } from '../delays.js';
import { FunctionBuilder } from '../emitter/function.js';
import { ModuleBuilder } from '../emitter/module.js';
import { Guard, placeOf, type Region } from '../guard.js';
import type { Isa } from '../kernels/kernel.js';
import { patience } from '../lost-thread.js';
import type { Step, ThreadShare } from './context.js';
import { mapBytes } from './maps.js';
import { emitSegment, segmentsOf } from './segments.js';

/** Addresses of the words by which threads and the caller speak with each other. */
export const control = {
  counter: 64,
  waiters: 384,
  epoch: 128,
  stop: 192,
  base: 196,
  mode: 256,
  seed: 320,
  /** Of checked builds: words about the first wrong access, and bytes that wrong accesses touch. */
  violation: 448,
  sink: 464,
  hyper: 512,
} as const;

/** How often a thread looks at the counter before it sleeps. */
const spins = 20000;

/** (target, may wait): arrives and returns when the counter has reached the target, or when a thread is gone. */
function emitBarrier(): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32']);
  const [left, seen] = [f.local('i32'), f.local('i32')];
  f.i32Const(control.counter).i32Const(1).mem('i32AtomicAdd').i32Const(1).op('i32Add').get(0).op('i32Eq');
  f.if(
    () => void f.i32Const(control.counter).i32Const(0x7fffffff).mem('atomicNotify').op('drop'),
    () => {
      f.i32Const(spins).set(left);
      f.block((done) => {
        f.loop((again) => {
          f.i32Const(control.counter).mem('i32AtomicLoad').tee(seen).get(0).op('i32Sub');
          f.i32Const(0).op('i32GeS').brIf(done);
          f.get(left).i32Const(1).op('i32Sub').tee(left).i32Const(0).op('i32GtS').brIf(again);
          f.i32Const(control.stop).mem('i32AtomicLoad').brIf(done);
          f.get(1).op('i32Eqz').brIf(again);
          f.i32Const(control.counter)
            .get(seen)
            .i64Const(patience.sleepNanoseconds)
            .mem('atomicWait32')
            .op('drop')
            .br(again);
        });
      });
    },
  );
  return f;
}

export interface AssembleOptions {
  readonly isa: Isa;
  readonly shares: readonly ThreadShare[];
  readonly pages: number;
  /** Also exports `step<i>` functions that do a step for the whole batch. */
  readonly profile?: ThreadShare;
  /** Check every load and store: a step may touch its maps, of its thread's images, and what lies below the maps. */
  readonly checked?: { readonly batch: number; readonly mapsStart: number } | undefined;
  readonly trial?: TrainingTrial | undefined;
}

/** For tests of the threads' order (delays.ts): none of it belongs into a trainer that is used. */
export interface TrainingTrial {
  /** Threads wait a random time before every segment and meeting and between programs; the seed of these times. */
  readonly delays?: number;
  /** Leaves out the meeting of this number, from 0, of a training step: a mistake that tests must notice. */
  readonly omitMeeting?: number;
}

/** What the mode word says: a whole step, inference, or a forward pass that only updates the running statistics. */
export const modes = { train: 0, evaluate: 1, statistics: 2 } as const;

/** Whether a step belongs to a program. */
function takesPart(step: Step, mode: keyof typeof modes): boolean {
  if (mode === 'statistics')
    return step.program !== 'evaluate' && (step.phase === 'forward' || step.program === 'both');
  return step.program === 'both' || step.program === mode;
}

/** The module's bytes. Exports `main<t>(base, mayWait)`, which runs the program that the mode word names. */
export function assemble(steps: readonly Step[], options: AssembleOptions): Uint8Array {
  const { isa, shares, pages, profile, trial = {} } = options;
  const module = new ModuleBuilder();
  const threads = shares.length;
  const barrier = threads > 1 ? module.add(emitBarrier()) : -1;
  const delay = trial.delays === undefined ? -1 : module.add(emitDelay());
  /** A function that makes the thread wait at random, from its own seed. */
  const lingering = (f: FunctionBuilder, thread: number): (() => void) => {
    const { delays: seed } = trial;
    if (seed === undefined) return () => {};
    const state = f.local('i32');
    seedDelays(f, { seed, thread, base: 0, state });
    return () => void f.get(state).call(delay).set(state);
  };
  const indexOf = (step: Step, share: ThreadShare): number | undefined => {
    const kernel = step.kernel(share);
    return kernel && module.once(kernel.key, () => kernel.emit(isa));
  };
  const { violation, sink } = control;
  const guard = options.checked && new Guard(module, { violation, sink, shared: threads > 1 });
  const guardOf = (f: FunctionBuilder, share: ThreadShare): Parameters<typeof emitSegment>[5] =>
    options.checked &&
    guard && {
      enter: (step, index) =>
        guard.enter(
          f,
          index,
          placeOf(steps.indexOf(step), share.thread),
          regionsOf(f, step, share, options.checked as NonNullable<AssembleOptions['checked']>),
        ),
      leave: () => guard.leave(f),
    };
  const program = (mode: keyof typeof modes, share: ThreadShare): number => {
    const f = new FunctionBuilder(['i32', 'i32']);
    let [meetings, asked] = [0, 0];
    const linger = lingering(f, share.thread);
    const meet = (): void => {
      if (threads === 1) return;
      linger();
      if (mode === 'train' && asked++ === trial.omitMeeting) return;
      meetings++;
      f.get(0)
        .i32Const(meetings * threads)
        .op('i32Add')
        .get(1)
        .call(barrier);
    };
    const chunk = f.local('i32');
    for (const segment of segmentsOf(steps.filter((step) => takesPart(step, mode)))) {
      if (segment.barrier) meet();
      linger();
      emitSegment(f, segment, share, chunk, indexOf, guardOf(f, share));
    }
    meet();
    return module.add(f);
  };
  if (profile)
    steps.forEach((step, i) => {
      const f = new FunctionBuilder([]);
      emitSegment(f, { barrier: false, steps: [step] }, profile, f.local('i32'), indexOf);
      module.add(f, `step${i}`);
    });
  else
    for (const share of shares) {
      const f = new FunctionBuilder(['i32', 'i32']);
      // once: after the last meeting the caller may name the next run's program, while this thread is still in here
      const named = f.local('i32');
      f.i32Const(control.mode).mem('i32Load').set(named);
      const linger = lingering(f, share.thread);
      for (const mode of ['train', 'evaluate', 'statistics'] as const) {
        const index = program(mode, share);
        f.get(named)
          .i32Const(modes[mode])
          .op('i32Eq')
          .if(() => f.get(0).get(1).call(index));
        linger();
      }
      module.add(f, `main${share.thread}`);
    }
  return module.encode(
    threads > 1 ? { initial: pages, maximum: pages, shared: true } : { initial: pages, maximum: pages },
    guard?.finish(),
  );
}

/** What a step of a thread may touch: steps that work apart from all chunks may see all images of their maps. */
function regionsOf(
  f: FunctionBuilder,
  step: Step,
  share: ThreadShare,
  { batch, mapsStart }: NonNullable<AssembleOptions['checked']>,
): Region[] {
  const runs = [...new Set(step.touches)].map((buffer) => {
    const image = mapBytes(buffer);
    const { first, count } = step.when === 'once' ? { first: 0, count: batch } : share;
    return { address: buffer.address + first * image, bytes: count * image };
  });
  return [{ address: 0, bytes: mapsStart }, ...runs].flatMap(({ address, bytes }) =>
    (['read', 'write'] as const).map((access) => ({ push: () => f.i32Const(address), bytes, access })),
  );
}
