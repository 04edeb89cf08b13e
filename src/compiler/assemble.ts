/**
 * Puts a scheduled and planned program into one WebAssembly module: a function per kernel spec, and per thread a main
 * function that calls them with constant addresses, image after image, waiting at barriers.
 *
 * main<t>(base, mayWait): `base` is the barrier counter's value when the run starts, the same for all threads;
 * `mayWait` 0 makes barriers spin only (a browser's main thread must not sleep).
 */
import { emitDelay, seedDelays } from './delays.js';
import { FunctionBuilder } from './emitter/function.js';
import { ModuleBuilder } from './emitter/module.js';
import { Guard, placeOf, type Region } from './guard.js';
import type { Isa } from './kernels/kernel.js';
import { pictureKernels } from './kernels/picture.js';
import { emitKernel, type KernelSpec, kernelKey } from './kernels/registry.js';
import { lostMark, patience } from './lost-thread.js';
import type { MemoryPlan } from './memory-plan.js';
import type { Operand, VirtualBuffer } from './program.js';
import { type Call, callAccesses, type Schedule, type ScheduledStep } from './schedule.js';

/** Fixed addresses below `start`, which everything else stands behind. */
export const controlBlock = {
  counter: 64,
  waiters: 128,
  epoch: 192,
  base: 256,
  stop: 320,
  /** One cache line per thread, up to 32 of them. */
  limits: 384,
  /** Of checked builds: words about the first wrong access, and bytes that wrong accesses touch. */
  violation: 2496,
  sink: 2560,
  start: 4096,
} as const;

/**
 * How often a waiting thread looks at the counter before it goes to sleep. Each thread adapts its own limit: waits that
 * end while it looks raise it, waits that end in sleep lower it, so that a free machine spins (waking up is slow) and
 * a busy one gives its core away.
 */
const spins = { least: 1 << 12, most: 1 << 18 } as const;

/**
 * barrier(target, mayWait, limitAddress): counts this thread in and returns when the counter has reached the target, or
 * when a thread is gone: another says so, or this one has waited so many rounds.
 */
function emitBarrier(rounds: number): FunctionBuilder {
  const { counter, waiters, stop } = controlBlock;
  const f = new FunctionBuilder(['i32', 'i32', 'i32']);
  const [seen, left, limit, waited] = [f.local('i32'), f.local('i32'), f.local('i32'), f.local('i32')];
  const addTo = (address: number, value: number): FunctionBuilder =>
    f.i32Const(0).i32Const(value).mem('i32AtomicAdd', address);
  addTo(counter, 1).i32Const(1).op('i32Add').get(0).op('i32Eq');
  f.if(() => {
    f.i32Const(0)
      .mem('i32AtomicLoad', waiters)
      .if(() => f.i32Const(0).i32Const(0x7fffffff).mem('atomicNotify', counter).op('drop'));
    f.op('return');
  });
  f.get(2).mem('i32Load').tee(limit).i32Const(spins.least).op('i32LtS');
  f.if(() => f.i32Const(spins.least).set(limit));
  f.get(limit).set(left);
  f.loop((again) => {
    f.i32Const(0).mem('i32AtomicLoad', counter).tee(seen).get(0).op('i32Sub').i32Const(0).op('i32LtS');
    f.if(() => {
      f.get(left).i32Const(1).op('i32Sub').tee(left).brIf(again);
      f.i32Const(0)
        .mem('i32AtomicLoad', stop)
        .if(() => f.op('return'));
      f.get(1).if(() => {
        f.get(limit).i32Const(2).op('i32ShrS').set(limit);
        addTo(waiters, 1).op('drop');
        // 2 says that nothing came
        f.i32Const(0).get(seen).i64Const(patience.sleepNanoseconds).mem('atomicWait32', counter);
        f.i32Const(1).op('i32ShrU').i32Const(patience.roundsOfSleep).op('i32Mul');
        f.get(waited).op('i32Add').set(waited);
        addTo(waiters, -1).op('drop');
      });
      f.get(waited).i32Const(1).op('i32Add').tee(waited).i32Const(rounds).op('i32GtS');
      f.if(() => {
        f.i32Const(0).i32Const(lostMark).mem('i32AtomicStore', stop);
        f.i32Const(0).i32Const(0x7fffffff).mem('atomicNotify', counter).op('drop');
      });
      f.i32Const(spins.least).set(left).br(again);
    });
  });
  f.get(limit).i32Const(spins.most).op('i32LtS');
  f.if(() => f.get(limit).get(limit).i32Const(2).op('i32ShrS').op('i32Add').set(limit));
  f.get(2).get(limit).mem('i32Store');
  return f;
}

export interface AssembleOptions {
  readonly isa: Isa;
  readonly batch: number;
  readonly pages: number;
  /** Address of the packed weights. */
  readonly weights: number;
  /** Export `step<i>` for every step. Only with one thread. */
  readonly profile: boolean;
  /** Export the kernels of kernels/picture.ts, and let memory grow by so many pages. 0: neither. */
  readonly picturePages: number;
  /** Seed of the delays before every call and barrier; undefined: none. Only for tests (delays.ts). */
  readonly delays?: number | undefined;
  /** Rounds that a thread waits at a barrier before it takes another for lost; undefined: lost-thread.ts. Only for tests. */
  readonly patience?: number | undefined;
  /** Every load and store of a kernel is checked against what its call may touch. */
  readonly checked: boolean;
  /** Gives a step's kernel a wrong address for one of its operands. Only for tests of checked builds. */
  readonly misplace?: { readonly step: number; readonly operand: number; readonly bytes: number } | undefined;
}

/** Kernels that read what they have written: softmax keeps its exponentials there until it has their sum. */
const readsBack: ReadonlySet<string> = new Set<KernelSpec['kind']>(['softmax']);
/**
 * Kernels that load whole vectors, of which so many bytes may lie beyond what they use. Nothing comes of these bytes, and
 * memory has room for them behind the last buffer.
 */
const readsBeyond: ReadonlyMap<string, number> = new Map<KernelSpec['kind'], number>([['int8Depthwise', 12]]);

export function assemble(schedule: Schedule, plan: MemoryPlan, options: AssembleOptions): Uint8Array {
  const { isa, batch, weights } = options;
  const { threads } = schedule;
  const module = new ModuleBuilder();
  const barrier = threads > 1 ? module.add(emitBarrier(options.patience ?? patience.rounds)) : -1;
  const barriersPerImage = schedule.barriers + 1;
  const delay = options.delays === undefined ? -1 : module.add(emitDelay());

  const { violation, sink } = controlBlock;
  const guard = options.checked ? new Guard(module, { violation, sink, shared: threads > 1 }) : undefined;

  /** The address of a byte of a buffer, of the image that is worked on. */
  const pushAddress = (f: FunctionBuilder, buffer: VirtualBuffer, offset: number, image: number): void => {
    f.i32Const((plan.address.get(buffer) ?? 0) + offset);
    if (batch > 1 && buffer.role !== 'scratch') f.get(image).i32Const(buffer.bytes).op('i32Mul').op('i32Add');
  };
  const pushOperand = (f: FunctionBuilder, operand: Operand, image: number): void => {
    if (operand.kind === 'none') f.i32Const(0);
    else if (operand.kind === 'weights') f.i32Const(weights + operand.offset);
    else pushAddress(f, operand.buffer, operand.offset, image);
  };
  const regions = (f: FunctionBuilder, call: Call, image: number): Region[] => {
    const weightRegions = call.part.operands.flatMap((operand): Region[] =>
      operand.kind === 'weights'
        ? [{ push: () => f.i32Const(weights + operand.offset), bytes: operand.bytes, access: 'read' }]
        : [],
    );
    const { kind } = call.part.spec;
    const beyond = readsBeyond.get(kind) ?? 0;
    const bufferRegions = callAccesses(call).flatMap(({ buffer, start, end, access }): Region[] => {
      const region = { push: () => pushAddress(f, buffer, start, image), bytes: end - start };
      if (access === 'read') return [{ ...region, bytes: region.bytes + beyond, access }];
      const again = readsBack.has(kind) ? [{ ...region, access: 'read' as const }] : [];
      return [{ ...region, access }, ...again];
    });
    return [...bufferRegions, ...weightRegions];
  };
  const pushCall = (
    f: FunctionBuilder,
    step: ScheduledStep,
    call: Call,
    { image, thread }: { readonly image: number; readonly thread: number },
  ): void => {
    const spec = withRanges(call.part.spec, step.ranges);
    const index = module.once(kernelKey(spec), () => emitKernel(spec, isa));
    const number = schedule.steps.indexOf(step);
    guard?.enter(f, index, placeOf(number, thread), regions(f, call, image));
    call.part.operands.forEach((operand, i) => {
      pushOperand(f, operand, image);
      const { misplace } = options;
      const wrong = misplace?.step === number && misplace.operand === i && operand.kind !== 'none';
      if (wrong) f.i32Const(misplace.bytes).op('i32Add');
    });
    f.i32Const(call.unit0).i32Const(call.unit1).call(index);
    guard?.leave(f);
  };

  for (let thread = 0; thread < threads; thread++) {
    const f = new FunctionBuilder(['i32', 'i32']);
    const [image, count, state] = [f.local('i32'), f.local('i32'), f.local('i32')];
    const linger = (): void => {
      if (options.delays !== undefined) f.get(state).call(delay).set(state);
    };
    if (options.delays !== undefined) seedDelays(f, { seed: options.delays, thread, base: 0, state });
    const wait = (number: number): void => {
      linger();
      f.get(0)
        .i32Const(threads * (number + 1))
        .op('i32Add')
        .get(1)
        .i32Const(controlBlock.limits + thread * 64)
        .call(barrier);
    };
    const oneImage = (): void => {
      let interval = 0;
      schedule.steps.forEach((step) => {
        if (threads > 1 && step.interval > interval) wait(interval);
        interval = step.interval;
        for (const call of step.calls[thread] ?? []) {
          linger();
          pushCall(f, step, call, { image, thread });
        }
      });
      if (threads > 1) wait(schedule.barriers);
    };
    if (batch === 1) oneImage();
    else
      f.repeat(count, batch, () => {
        oneImage();
        f.increment(image, 1);
        if (threads > 1) f.increment(0, threads * barriersPerImage);
      });
    module.add(f, `main${thread}`);
  }
  if (options.profile)
    schedule.steps.forEach((step, i) => {
      const f = new FunctionBuilder([]);
      const image = f.local('i32');
      for (const call of step.calls[0] ?? []) pushCall(f, step, call, { image, thread: 0 });
      module.add(f, `step${i}`);
    });
  if (options.picturePages > 0)
    for (const [name, emit] of Object.entries(pictureKernels)) module.add(emit(), name);
  const memory = { initial: options.pages, maximum: options.pages + options.picturePages };
  return module.encode(threads > 1 ? { ...memory, shared: true } : memory, guard?.finish());
}

/** Matrix kernels have code of their own for each length of unit range. */
function withRanges(spec: KernelSpec, ranges: readonly number[]): KernelSpec {
  return 'ranges' in spec ? { ...spec, ranges } : spec;
}
