/**
 * The trainer: a compiled training step with its memory and threads. Gives images and labels in, takes losses and
 * weights out. Not the training loop (loop.ts) and not the compiler.
 *
 * Shape legend: images [N, C, H, W] planar; targets [N, classes].
 */
import type { Loss } from '../autodiff/nodes.js';
import { control } from '../compiler/training/assemble.js';
import {
  type CompiledTraining,
  compileTraining,
  type MemoryPlan,
} from '../compiler/training/compile-training.js';
import { hyper, type OptimizerRule } from '../compiler/training/kernels/optimizer.js';
import { origin, strides } from '../compiler/training/maps.js';
import { EnvironmentError, rangeError } from '../errors.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import { detectFeatures, mayWait } from '../runtime/features.js';
import { type NetworkThread, startThread } from '../runtime/worker.js';

/** How weights are updated. Defaults: SGD momentum 0.9; RMSprop decay 0.9, momentum 0.9, eps 1e-3; AdamW 0.9, 0.999, 1e-8. */
export type OptimizerOptions = (
  | { readonly kind: 'sgd'; readonly momentum?: number; readonly nesterov?: boolean }
  | { readonly kind: 'rmsprop'; readonly decay?: number; readonly momentum?: number; readonly eps?: number }
  | { readonly kind: 'adamw'; readonly beta1?: number; readonly beta2?: number; readonly eps?: number }
) & {
  readonly weightDecay?: number;
  /** Weight decay on batch norm and biases too. Default false. */
  readonly decayNormAndBias?: boolean;
};

export interface TrainerOptions {
  readonly batch: number;
  /** Default 1. */
  readonly threads?: number;
  /** Default cross-entropy. */
  readonly loss?: Loss;
  readonly optimizer: OptimizerOptions;
  /** Largest global norm of the gradient; 0 (default): no clipping. */
  readonly clipNorm?: number;
  /** Keep an exponential moving average of the weights in the compiled step. */
  readonly ema?: { readonly decay: number };
  /** Learning-rate factor by parameter name; 0: frozen. Default 1 for all. */
  readonly lrScale?: (parameter: string) => number;
  /** Of dropout. Default 0. */
  readonly seed?: number;
  /** Fused multiply-add of relaxed SIMD. Default: when the engine has it. */
  readonly relaxed?: boolean;
}

export interface StepInput {
  /** [N, C, H, W], normalised. */
  readonly images: Float32Array;
  /** Class indices [N], or target rows [N, classes] (mixup, or values for mean squared error). */
  readonly targets: Int32Array | Float32Array;
  /** Distillation: the teacher's logits [N, classes]. */
  readonly teacher?: Float32Array;
  readonly learningRate: number;
}

export interface StepResult {
  /** Mean over the batch, without weight decay. */
  readonly loss: number;
  /** Images whose largest logit is at the (largest) target. */
  readonly correct: number;
}

/** Everything that a resumed run needs for the same bits. */
export interface TrainerState {
  readonly weights: Weights;
  /** By `first/<parameter>`, `second/<parameter>` and `average/<parameter>`. */
  readonly optimizer: ReadonlyMap<string, Tensor>;
  readonly step: number;
}

/** Least milliseconds of a node's steps for the whole batch on one thread. */
export interface LayerTime {
  readonly node: string;
  readonly forward: number;
  readonly backward: number;
}

function ruleOf(optimizer: OptimizerOptions): OptimizerRule {
  switch (optimizer.kind) {
    case 'sgd':
      return { kind: 'sgd', momentum: optimizer.momentum ?? 0.9, nesterov: optimizer.nesterov ?? false };
    case 'rmsprop': {
      const { decay = 0.9, momentum = 0.9, eps = 1e-3 } = optimizer;
      return { kind: 'rmsprop', decay, momentum, eps };
    }
    case 'adamw': {
      const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8 } = optimizer;
      return { kind: 'adamw', beta1, beta2, eps };
    }
  }
}

type Main = (base: number, mayWait: number) => void;

export class Trainer {
  readonly graph: Graph;
  readonly memory: MemoryPlan;
  readonly threads: number;
  readonly relaxed: boolean;
  readonly #compiled: CompiledTraining;
  readonly #options: TrainerOptions;
  #memory: WebAssembly.Memory | undefined;
  #floats: Float32Array;
  #words: Int32Array;
  #main: Main | undefined;
  #workers: readonly NetworkThread[];
  readonly #mayWait: number;
  #step = 0;

  /** Use `createTrainer`. */
  constructor(
    compiled: CompiledTraining,
    options: TrainerOptions,
    parts: {
      readonly memory: WebAssembly.Memory;
      readonly main: Main;
      readonly workers: readonly NetworkThread[];
    },
  ) {
    this.graph = compiled.graph;
    this.memory = compiled.memory;
    this.threads = compiled.options.threads;
    this.relaxed = compiled.options.isa.relaxed;
    this.#compiled = compiled;
    this.#options = options;
    this.#memory = parts.memory;
    this.#floats = new Float32Array(parts.memory.buffer);
    this.#words = new Int32Array(parts.memory.buffer);
    this.#main = parts.main;
    this.#workers = parts.workers;
    this.#mayWait = this.threads > 1 && mayWait(this.#words) ? 1 : 0;
    const { arena, arenaBytes, factors } = compiled.addresses;
    compiled.learned.forEach((name, i) => {
      this.#floats[factors / 4 + i] = options.lrScale?.(name) ?? 1;
    });
    // TensorFlow starts RMSprop's mean of squares at one
    if (compiled.options.rule.kind === 'rmsprop')
      this.#floats.fill(1, arena.second / 4, (arena.second + arenaBytes) / 4);
  }

  /** One step of training. Throws RangeError `INPUT_SIZE`, EnvironmentError `TRAINER_DISPOSED`. */
  step(input: StepInput): StepResult {
    const { batch, rule } = this.#compiled.options;
    const { addresses, classes, shares } = this.#compiled;
    this.#alive();
    this.#fill('images', addresses.images, input.images, batch * this.#compiled.imageFloats);
    const labels = this.#putTargets(input.targets);
    if (input.teacher) this.#putTeacher(input.teacher);
    this.#step++;
    this.#words[control.seed / 4] = Math.imul((this.#options.seed ?? 0) * 0x10001 + this.#step, 0x9e3779b1);
    for (const { thread } of shares) {
      const at = addresses.hyper(thread) / 4;
      this.#floats[at + hyper.learningRate / 4] = input.learningRate;
      this.#floats[at + hyper.clip / 4] = 1;
      const decay = this.#options.ema?.decay ?? 0;
      this.#floats[at + hyper.averageDecay / 4] = Math.min(decay, this.#step / (9 + this.#step));
      if (rule.kind === 'adamw') {
        this.#floats[at + hyper.correction1 / 4] = 1 / (1 - rule.beta1 ** this.#step);
        this.#floats[at + hyper.correction2 / 4] = 1 / Math.sqrt(1 - rule.beta2 ** this.#step);
      }
    }
    this.#run(0);
    let correct = 0;
    let loss = 0;
    for (let n = 0; n < batch; n++) {
      const logits = this.#row(addresses.logits, n);
      let best = 0;
      for (let c = 1; c < classes; c++) if (logits[c]! > logits[best]!) best = c;
      if (best === labels[n]) correct++;
      loss += this.#lossOf(logits, this.#row(addresses.targets, n), this.#row(addresses.softTargets, n));
    }
    return { loss: loss / batch, correct };
  }

  /** Loss of one image in 64 bits. */
  #lossOf(logits: Float32Array, targets: Float32Array, soft: Float32Array): number {
    const { loss } = this.#compiled.options;
    switch (loss.kind) {
      case 'crossEntropy':
        return crossEntropy(logits, targets, 1);
      case 'distillation': {
        const { temperature, weight } = loss;
        // Kullback-Leibler divergence: the cross-entropy less the teacher's own entropy
        let entropy = 0;
        for (const p of soft) if (p > 0) entropy -= p * Math.log(p);
        const divergence = crossEntropy(logits, soft, 1 / temperature) - entropy;
        return (1 - weight) * crossEntropy(logits, targets, 1) + weight * temperature ** 2 * divergence;
      }
      case 'meanSquaredError': {
        let sum = 0;
        for (let c = 0; c < logits.length; c++) sum += (logits[c]! - targets[c]!) ** 2;
        return sum / logits.length;
      }
    }
  }

  /**
   * Logits [count, classes] of up to `batch` images with the running statistics (inference). For many images, the
   * inference compiler is faster. Throws RangeError `INPUT_SIZE`.
   */
  evaluate(images: Float32Array): Float32Array {
    const { addresses, classes, imageFloats, options } = this.#compiled;
    this.#alive();
    const count = images.length / imageFloats;
    if (!Number.isInteger(count) || count > options.batch)
      throw rangeError(
        'INPUT_SIZE',
        `evaluate: images: given ${images.length} values, expected a multiple of ${imageFloats} and at most ${options.batch} images`,
      );
    this.#floats.set(images, addresses.images / 4);
    this.#floats.fill(
      0,
      addresses.images / 4 + images.length,
      addresses.images / 4 + options.batch * imageFloats,
    );
    this.#run(1);
    const logits = new Float32Array(count * classes);
    for (let n = 0; n < count; n++) logits.set(this.#row(addresses.logits, n), n * classes);
    return logits;
  }

  /** A copy of the weights, running statistics included; `average`: of their moving average. */
  weights(which: 'current' | 'average' = 'current'): Weights {
    const { arena } = this.#compiled.addresses;
    if (which === 'average' && arena.average === 0)
      throw rangeError('NO_AVERAGE', 'weights: no moving average is kept; create the trainer with { ema }');
    return this.#read(which === 'average' ? arena.average : arena.weights);
  }

  /** Sets all weights; the moving average becomes their copy. Throws RangeError `WEIGHTS_MISSING`, `SHAPE_MISMATCH`. */
  setWeights(weights: Weights): void {
    const { arena, arenaBytes } = this.#compiled.addresses;
    this.#write(arena.weights, weights);
    if (arena.average !== 0)
      this.#floats.copyWithin(arena.average / 4, arena.weights / 4, (arena.weights + arenaBytes) / 4);
  }

  /** A copy of everything a resumed run needs. */
  state(): TrainerState {
    const optimizer = new Map<string, Tensor>();
    for (const part of ['first', 'second', 'average'] as const) {
      const address = this.#compiled.addresses.arena[part];
      if (address !== 0)
        for (const [name, tensor] of this.#read(address)) optimizer.set(`${part}/${name}`, tensor);
    }
    return { weights: this.weights(), optimizer, step: this.#step };
  }

  /** Goes on from a state. Throws RangeError `WEIGHTS_MISSING`, `SHAPE_MISMATCH`. */
  load(state: TrainerState): void {
    this.setWeights(state.weights);
    for (const part of ['first', 'second', 'average'] as const) {
      const address = this.#compiled.addresses.arena[part];
      if (address === 0) continue;
      const own = [...state.optimizer].filter(([name]) => name.startsWith(`${part}/`));
      this.#write(address, new Map(own.map(([name, tensor]) => [name.slice(part.length + 1), tensor])));
    }
    this.#step = state.step;
  }

  /** Learning-rate factors of parameters from now on; 0 freezes one. Unknown names are ignored. */
  setLearningRateScale(scale: (parameter: string) => number): void {
    this.#compiled.learned.forEach((name, i) => {
      this.#floats[this.#compiled.addresses.factors / 4 + i] = scale(name);
    });
  }

  /**
   * The first node, in forward order, whose output holds a NaN or an infinity for the images of the last step. A step
   * with such logits does not change the weights.
   */
  firstNonFinite(): string | undefined {
    // the step has left the weights alone, so a forward pass finds the place again
    this.#run(1);
    for (const { node, view } of this.#compiled.values) {
      const { pixel, row, image } = strides(view);
      const { height, width } = view.buffer;
      for (let n = 0; n < this.#compiled.options.batch; n++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++) {
            const at = (origin(view) + n * image + y * row + x * pixel) / 4;
            for (let c = 0; c < view.channels; c++) if (!Number.isFinite(this.#floats[at + c])) return node;
          }
    }
    return undefined;
  }

  /** Times every layer alone, whole batch, one thread; weights and state are put back afterwards. */
  async profile(rounds = 3): Promise<LayerTime[]> {
    const state = this.state();
    const { instance } = await WebAssembly.instantiate(this.#compiled.profileModule() as BufferSource, {
      env: { memory: this.#alive() },
    });
    const { steps } = this.#compiled;
    const least = steps.map(() => Number.POSITIVE_INFINITY);
    for (let round = 0; round < rounds; round++)
      steps.forEach((step, i) => {
        if (step.program === 'evaluate') return;
        const started = performance.now();
        (instance.exports[`step${i}`] as () => void)();
        least[i] = Math.min(least[i]!, performance.now() - started);
      });
    this.load(state);
    const layers = new Map<string, { forward: number; backward: number }>();
    steps.forEach((step, i) => {
      if (step.program === 'evaluate' || step.node === '') return;
      const layer = layers.get(step.node) ?? { forward: 0, backward: 0 };
      layers.set(step.node, layer);
      layer[step.phase === 'forward' || step.phase === 'loss' ? 'forward' : 'backward'] += least[i]!;
    });
    return Array.from(layers, ([node, { forward, backward }]) => ({ node, forward, backward }));
  }

  /** Ends the threads and lets the memory go. */
  dispose(): void {
    if (!this.#memory) return;
    if (this.#workers.length > 0) {
      Atomics.store(this.#words, control.stop >> 2, 1);
      Atomics.add(this.#words, control.epoch >> 2, 1);
      Atomics.notify(this.#words, control.epoch >> 2);
      for (const worker of this.#workers) worker.terminate();
    }
    this.#memory = undefined;
    this.#main = undefined;
    this.#floats = new Float32Array(0);
    this.#words = new Int32Array(0);
    this.#workers = [];
  }

  #alive(): WebAssembly.Memory {
    if (!this.#memory)
      throw new EnvironmentError('TRAINER_DISPOSED', 'trainer: it was disposed; create another one');
    return this.#memory;
  }

  #run(mode: number): void {
    this.#words[control.mode / 4] = mode;
    if (this.#workers.length === 0) {
      this.#main?.(0, 0);
      return;
    }
    const base = Atomics.load(this.#words, control.counter >> 2);
    Atomics.store(this.#words, control.base >> 2, base);
    Atomics.add(this.#words, control.epoch >> 2, 1);
    Atomics.notify(this.#words, control.epoch >> 2);
    this.#main?.(base, this.#mayWait);
  }

  #row(address: number, n: number): Float32Array {
    const { rowFloats, classes } = this.#compiled;
    const at = address / 4 + n * rowFloats;
    return this.#floats.subarray(at, at + classes);
  }

  #fill(what: string, address: number, values: Float32Array, count: number): void {
    if (values.length !== count)
      throw rangeError('INPUT_SIZE', `step: ${what}: given ${values.length} values, expected ${count}`);
    this.#floats.set(values, address / 4);
  }

  /** Writes target rows and returns the class of each image. */
  #putTargets(targets: Int32Array | Float32Array): Int32Array {
    const { classes, addresses, options } = this.#compiled;
    const { batch, loss } = options;
    const labels = new Int32Array(batch);
    const smoothing = loss.kind === 'meanSquaredError' ? 0 : (loss.labelSmoothing ?? 0);
    const expected = targets instanceof Int32Array ? batch : batch * classes;
    if (targets.length !== expected)
      throw rangeError('INPUT_SIZE', `step: targets: given ${targets.length} values, expected ${expected}`);
    for (let n = 0; n < batch; n++) {
      const row = this.#row(addresses.targets, n);
      if (targets instanceof Int32Array) {
        const label = targets[n]!;
        if (!(label >= 0 && label < classes))
          throw rangeError('BAD_LABEL', `step: targets[${n}]: given ${label}, expected 0 to ${classes - 1}`);
        row.fill(smoothing / classes);
        row[label]! += 1 - smoothing;
        labels[n] = label;
      } else {
        const given = targets.subarray(n * classes, (n + 1) * classes);
        let best = 0;
        for (let c = 0; c < classes; c++) {
          row[c] = given[c]! * (1 - smoothing) + smoothing / classes;
          if (given[c]! > given[best]!) best = c;
        }
        labels[n] = best;
      }
    }
    return labels;
  }

  #putTeacher(logits: Float32Array): void {
    const { classes, addresses, options } = this.#compiled;
    if (options.loss.kind !== 'distillation' || logits.length !== options.batch * classes)
      throw rangeError(
        'INPUT_SIZE',
        `step: teacher: given ${logits.length} values, expected ${options.batch * classes} and a trainer with the distillation loss`,
      );
    for (let n = 0; n < options.batch; n++) {
      const given = logits.subarray(n * classes, (n + 1) * classes);
      const most = Math.max(...given);
      const { temperature } = options.loss;
      const powers = Array.from(given, (l) => Math.exp((l - most) / temperature));
      const sum = powers.reduce((a, b) => a + b, 0);
      this.#row(addresses.softTargets, n).set(powers.map((p) => p / sum));
    }
  }

  #read(address: number): Weights {
    const weights = new Map<string, Tensor>();
    for (const [name, { shape }] of Object.entries(this.graph.parameters)) {
      const slot = this.#compiled.slots.get(name);
      if (!slot) continue;
      const at = address / 4 + slot.offset;
      weights.set(name, { shape, data: Float32Array.from(slot.index, (i) => this.#floats[at + i]!) });
    }
    return weights;
  }

  #write(address: number, weights: Weights): void {
    for (const [name, { index, offset }] of this.#compiled.slots) {
      const tensor = weights.get(name);
      if (!tensor)
        throw rangeError(
          'WEIGHTS_MISSING',
          `trainer: no weights for parameter "${name}"; load or initialise them`,
        );
      if (tensor.data.length !== index.length)
        throw rangeError(
          'SHAPE_MISMATCH',
          `trainer: parameter "${name}": given ${tensor.data.length} values, expected ${index.length}`,
        );
      const at = address / 4 + offset;
      for (let i = 0; i < index.length; i++) this.#floats[at + index[i]!] = tensor.data[i]!;
    }
  }
}

function crossEntropy(logits: Float32Array, targets: Float32Array, sharpness: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const logit of logits) most = Math.max(most, logit);
  if (Number.isNaN(most)) return Number.NaN;
  let sum = 0;
  for (const logit of logits) sum += Math.exp((logit - most) * sharpness);
  const log = Math.log(sum);
  let loss = 0;
  for (let c = 0; c < logits.length; c++)
    if (targets[c] !== 0) loss += targets[c]! * (log - (logits[c]! - most) * sharpness);
  return loss;
}

/**
 * Compiles the training step of a graph and starts its threads.
 * Throws RangeError `NOT_TRAINABLE`, `BAD_BATCH`, `WEIGHTS_MISSING`; EnvironmentError `NO_SIMD`, `NO_THREADS`,
 * `OUT_OF_MEMORY`, `WORKER_FAILED`.
 */
export async function createTrainer(
  graph: Graph,
  weights: Weights,
  options: TrainerOptions,
): Promise<Trainer> {
  const features = detectFeatures();
  const { threads = 1, optimizer } = options;
  if (!features.simd)
    throw new EnvironmentError('NO_SIMD', 'trainer: this engine has no WebAssembly SIMD; use a current one');
  if (threads > 1 && !features.threads.available)
    throw new EnvironmentError(
      'NO_THREADS',
      `trainer: ${threads} threads asked for, but ${features.threads.reason}; or use one thread`,
    );
  const compiled = compileTraining(graph, {
    batch: options.batch,
    threads,
    isa: { relaxed: options.relaxed ?? features.relaxed },
    loss: options.loss ?? { kind: 'crossEntropy' },
    rule: ruleOf(optimizer),
    weightDecay: optimizer.weightDecay ?? 0,
    decayNormAndBias: optimizer.decayNormAndBias ?? false,
    clipNorm: options.clipNorm ?? 0,
    average: options.ema !== undefined,
  });
  const { pages } = compiled;
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: threads > 1 });
  } catch (cause) {
    const need = `${(compiled.memory.peakBytes / 2 ** 20).toFixed(0)} MiB`;
    throw new EnvironmentError('OUT_OF_MEMORY', `trainer: ${need} are needed; use a smaller batch`, {
      cause,
    });
  }
  const words = new Int32Array(memory.buffer);
  for (const { address, data } of compiled.tables) if (data) words.set(data, address / 4);
  const module = await WebAssembly.compile(compiled.wasm as BufferSource);
  const instance = await WebAssembly.instantiate(module, { env: { memory } });
  const workers: NetworkThread[] = [];
  try {
    const starts = compiled.shares
      .slice(1)
      .map(({ thread }) =>
        startThread({ module, memory, thread, control }).then((worker) => workers.push(worker)),
      );
    await Promise.all(starts);
  } catch (error) {
    for (const worker of workers) worker.terminate();
    throw error;
  }
  const trainer = new Trainer(compiled, options, {
    memory,
    main: instance.exports['main0'] as Main,
    workers,
  });
  trainer.setWeights(weights);
  return trainer;
}
