/**
 * Compiles a network's whole training step (forward, backward, update) for one batch size and thread count into one
 * module with one memory plan. What it returns is all that a trainer needs; nothing here runs.
 */
import { differentiate } from '../../autodiff/differentiate.js';
import type { Loss } from '../../autodiff/nodes.js';
import { EnvironmentError, rangeError } from '../../errors.js';
import type { Graph } from '../../graph/graph.js';
import type { Isa } from '../kernels/kernel.js';
import { assemble, control, type TrainingTrial } from './assemble.js';
import type { Block, LoweringContext, ParameterSlot, Step, ThreadShare } from './context.js';
import { emitFiniteCheck, hyper } from './kernels/optimizer.js';
import { beginLowering, lowerTraining } from './lower.js';
import { lowerLoss } from './lower-loss.js';
import { clearGradients, lowerUpdate, type UpdateOptions } from './lower-update.js';
import { align, isDense, type MapBuffer, placeMaps, quadsOf, type View } from './maps.js';

export interface TrainingOptions extends UpdateOptions {
  readonly batch: number;
  readonly threads: number;
  readonly isa: Isa;
  readonly loss: Loss;
  /** Weight decay on batch norm and biases too. */
  readonly decayNormAndBias: boolean;
  /** Make outputs of batch norm again in the backward pass instead of keeping them. */
  readonly recompute: boolean;
  /** Check every load and store against the memory plan (guard.ts). */
  readonly checked: boolean;
  readonly trial?: TrainingTrial | undefined;
}

/** Bytes of the parts of the plan. */
export interface MemoryPlan {
  readonly weights: number;
  readonly gradients: number;
  readonly optimizer: number;
  readonly maps: number;
  readonly tables: number;
  /** All of it: the module's memory, which never grows. */
  readonly peakBytes: number;
}

export interface CompiledTraining {
  readonly graph: Graph;
  readonly options: TrainingOptions;
  /** The module's bytes. */
  readonly module: () => Uint8Array;
  /** A module for the same memory whose `step<i>` functions do single steps for the whole batch. */
  readonly profileModule: () => Uint8Array;
  readonly steps: readonly Step[];
  readonly shares: readonly ThreadShare[];
  readonly pages: number;
  readonly memory: MemoryPlan;
  readonly slots: ReadonlyMap<string, ParameterSlot>;
  readonly addresses: {
    readonly arena: LoweringContext['arena'];
    readonly arenaBytes: number;
    readonly images: number;
    readonly targets: number;
    readonly softTargets: number;
    readonly logits: number;
    readonly hyper: (thread: number) => number;
    readonly factors: number;
  };
  /** Order of the learning-rate factors. */
  readonly learned: readonly string[];
  readonly classes: number;
  /** Floats of a row of logits or targets. */
  readonly rowFloats: number;
  readonly imageFloats: number;
  /** Maps that hold a forward value until the end of the forward pass, in forward order. */
  readonly values: readonly { readonly node: string; readonly view: View }[];
  /** All maps that have a place. */
  readonly buffers: readonly MapBuffer[];
  /** Words with constant contents. */
  readonly tables: readonly Block[];
}

/** Throws RangeError `NOT_TRAINABLE`, `BAD_BATCH`; EnvironmentError `OUT_OF_MEMORY` when 4 GiB do not suffice. */
export function compileTraining(graph: Graph, options: TrainingOptions): CompiledTraining {
  const { batch, threads, loss } = options;
  if (!Number.isInteger(batch) || batch < Math.max(2, threads))
    throw rangeError(
      'BAD_BATCH',
      `train: batch: given ${batch}, expected a whole number of at least ${Math.max(2, threads)}`,
    );
  const training = differentiate(graph, loss);
  const learned = new Set(training.learned);
  const lowering = beginLowering(graph, training, {
    batch,
    threads,
    traits: (name) => {
      const role = graph.parameters[name]?.role;
      return { learned: learned.has(name), decays: role === 'weight' || options.decayNormAndBias };
    },
  });
  const { context } = lowering;
  context.seedWord = control.seed;
  const output = lowering.view(training.output);
  if (output.buffer.height * output.buffer.width !== 1 || !isDense(output))
    throw rangeError(
      'NOT_TRAINABLE',
      `graph "${graph.name}": output "${training.output}" must be [N, classes]`,
    );
  const quads = quadsOf(output.channels);
  const row = quads * 16;
  const [hard, soft] = [context.block(batch * row), context.block(batch * row)];
  const logSums = context.block(batch * 8);
  const sharp = context.block(batch * 8);
  let values: CompiledTraining['values'] = [];
  let forwardSteps = 0;
  lowerTraining(lowering, options.recompute, () => {
    values = training.forward
      .filter((node) => node.kind !== 'input')
      .map((node) => ({ node: node.name, view: lowering.view(node.name) }));
    forwardSteps = context.steps.length;
    const { to } = context.target(training.output, output, 0);
    lowerLoss(context, { loss, output, to, hard, soft, logSums, sharp });
  });
  const { average, clipNorm, rule } = options;
  const factors = context.block(training.learned.length * 4);
  const squares = context.threadBlock(64);
  context.phase = 'update';
  context.barrier();
  context.step(
    () => ({ key: 'finite', emit: () => emitFiniteCheck() }),
    ({ thread }) => [
      output.buffer.address + output.offset * 4,
      control.hyper + thread * hyper.bytes,
      (batch * row) / 4,
    ],
    [output],
    'once',
  );
  lowerUpdate(context, training.learned, options, factors, squares);
  const clear = clearGradients(context);
  const zeroSquares: Step = {
    ...clear,
    args: ({ thread }) => [squares.at(thread), 16],
  };
  const [firstTransform, ...transforms] = context.transforms;
  const [firstStep, ...otherSteps] = context.steps as [Step, ...Step[]];
  const steps = [
    ...context.preparations,
    clear,
    ...(clipNorm > 0 ? [zeroSquares] : []),
    ...(firstTransform ? [{ ...firstTransform, barrier: true }, ...transforms] : []),
    { ...firstStep, barrier: true },
    ...otherSteps,
  ];
  context.placeScratch();

  const arenaBytes = align(context.arenaFloats * 4);
  let end: number = control.hyper + threads * hyper.bytes;
  const place = (bytes: number): number => {
    const address = align(end);
    end = address + bytes;
    return address;
  };
  const { arena } = context;
  arena.step = arenaBytes;
  arena.weights = place(arenaBytes);
  arena.gradients = place(arenaBytes * threads);
  const beforeOptimizer = align(end);
  if (rule.kind !== 'sgd' || rule.momentum !== 0) arena.first = place(arenaBytes);
  if (rule.kind !== 'sgd') arena.second = place(arenaBytes);
  if (average) arena.average = place(arenaBytes);
  const optimizerBytes = align(end) - beforeOptimizer;
  const beforeTables = align(end);
  for (const block of context.blocks) block.address = place(block.bytes);
  const tableBytes = align(end) - beforeTables;
  const mapsStart = align(end);
  end = placeMaps(
    context.buffers.filter((buffer) => buffer.last >= 0),
    batch,
    mapsStart,
  );
  const advice = options.recompute ? '' : ' or recomputation (recompute: true, --recompute)';
  const pages = Math.ceil((end + 64) / 65536);
  if (pages > 65536)
    throw new EnvironmentError(
      'OUT_OF_MEMORY',
      `train: graph "${graph.name}" at batch ${batch} needs ${(end / 2 ** 30).toFixed(1)} GiB, and a module has at most 4; use a smaller batch${advice}`,
    );
  const { isa } = options;
  const whole: ThreadShare = { thread: 0, first: 0, count: batch };
  return {
    graph,
    options,
    module: () =>
      assemble(steps, {
        isa,
        shares: context.shares,
        pages,
        checked: options.checked ? { batch, mapsStart } : undefined,
        trial: options.trial,
      }),
    profileModule: () => assemble(steps, { isa, shares: context.shares, pages, profile: whole }),
    steps,
    shares: context.shares,
    pages,
    memory: {
      weights: arenaBytes,
      gradients: arenaBytes * threads,
      optimizer: optimizerBytes,
      maps: end - mapsStart,
      tables: tableBytes,
      peakBytes: pages * 65536,
    },
    slots: context.slots,
    addresses: {
      arena,
      arenaBytes,
      images: context.staging?.address ?? 0,
      targets: hard.address,
      softTargets: soft.address,
      logits: output.buffer.address + output.offset * 4,
      hyper: (thread) => control.hyper + thread * hyper.bytes,
      factors: factors.address,
    },
    learned: training.learned,
    classes: output.channels,
    rowFloats: quads * 4,
    imageFloats: context.imageFloats,
    values: values.filter(({ view: { buffer } }) => isKept(buffer, context.buffers, forwardSteps)),
    buffers: context.buffers.filter(({ last }) => last >= 0),
    tables: context.blocks.filter((block) => block.data !== undefined),
  };
}

/** Whether no later step of the forward pass writes another map to the buffer's place. */
function isKept(buffer: MapBuffer, all: readonly MapBuffer[], forwardSteps: number): boolean {
  return !all.some(
    (other) =>
      other !== buffer &&
      other.last >= 0 &&
      other.address === buffer.address &&
      other.first > buffer.first &&
      other.first < forwardSteps,
  );
}
