/**
 * The trainer: a compiled training step with its memory and threads. Gives images and labels in, takes losses and
 * weights out. Not the training loop (loop.ts), not the compiler; engine.ts makes one.
 *
 * Shape legend: images [N, C, H, W] planar; targets [N, classes].
 */
import { control, modes } from '../compiler/training/assemble.js';
import type { CompiledTraining, MemoryPlan } from '../compiler/training/compile-training.js';
import { hyper } from '../compiler/training/kernels/optimizer.js';
import { mapBytes, origin, strides } from '../compiler/training/maps.js';
import { EnvironmentError, rangeError } from '../errors.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import { mayWait } from '../runtime/features.js';
import { checkThreads, loseThread } from '../runtime/lost-thread.js';
import { takeViolation, violationError } from '../runtime/violation.js';
import type { NetworkThread } from '../runtime/worker.js';
import { lossValue } from './loss-value.js';
import { parameterOwners } from './parameter-owners.js';
import { TrainerMemory } from './trainer-memory.js';
import type { LayerTime, StepInput, StepResult, TrainerOptions, TrainerState } from './trainer-options.js';

export type Main = (base: number, mayWait: number) => void;

export class Trainer {
  readonly graph: Graph;
  readonly memory: MemoryPlan;
  readonly threads: number;
  readonly relaxed: boolean;
  readonly #compiled: CompiledTraining;
  readonly #options: TrainerOptions;
  /** Undefined once disposed. */
  #held: TrainerMemory | undefined;
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
    this.#held = new TrainerMemory(compiled, parts.memory);
    this.#main = parts.main;
    this.#workers = parts.workers;
    this.#mayWait = this.threads > 1 && mayWait(this.#at.words) ? 1 : 0;
    const { arena, arenaBytes, factors } = compiled.addresses;
    compiled.learned.forEach((name, i) => {
      this.#at.floats[factors / 4 + i] = options.lrScale?.(name) ?? 1;
    });
    // TensorFlow starts RMSprop's mean of squares at one
    if (compiled.options.rule.kind === 'rmsprop')
      this.#at.floats.fill(1, arena.second / 4, (arena.second + arenaBytes) / 4);
  }

  /** One step of training. Throws RangeError `INPUT_SIZE`, EnvironmentError `TRAINER_DISPOSED`, `THREAD_LOST`. */
  step(input: StepInput): StepResult {
    const { batch, rule } = this.#compiled.options;
    const { addresses, classes, shares } = this.#compiled;
    this.#at.fill('images', addresses.images, input.images, batch * this.#compiled.imageFloats);
    const labels = this.#at.putTargets(input.targets);
    if (input.teacher) this.#at.putTeacher(input.teacher);
    this.#step++;
    this.#at.words[control.seed / 4] = Math.imul(
      (this.#options.seed ?? 0) * 0x10001 + this.#step,
      0x9e3779b1,
    );
    for (const { thread } of shares) {
      const at = addresses.hyper(thread) / 4;
      this.#at.floats[at + hyper.learningRate / 4] = input.learningRate;
      this.#at.floats[at + hyper.clip / 4] = 1;
      const decay = this.#options.ema?.decay ?? 0;
      this.#at.floats[at + hyper.averageDecay / 4] = Math.min(decay, this.#step / (9 + this.#step));
      if (rule.kind === 'adamw') {
        this.#at.floats[at + hyper.correction1 / 4] = 1 / (1 - rule.beta1 ** this.#step);
        this.#at.floats[at + hyper.correction2 / 4] = 1 / Math.sqrt(1 - rule.beta2 ** this.#step);
      }
    }
    this.#run('train');
    let correct = 0;
    let loss = 0;
    for (let n = 0; n < batch; n++) {
      const logits = this.#at.row(addresses.logits, n);
      let best = 0;
      for (let c = 1; c < classes; c++) if (logits[c]! > logits[best]!) best = c;
      if (best === labels[n]) correct++;
      loss += lossValue(
        this.#compiled.options.loss,
        logits,
        this.#at.row(addresses.targets, n),
        this.#at.row(addresses.softTargets, n),
      );
    }
    return { loss: loss / batch, correct };
  }

  /**
   * Logits [count, classes] of up to `batch` images with the running statistics (inference). For many images, the
   * inference compiler is faster. Throws RangeError `INPUT_SIZE`.
   */
  evaluate(images: Float32Array): Float32Array {
    const { addresses, classes, imageFloats, options } = this.#compiled;
    const count = images.length / imageFloats;
    if (!Number.isInteger(count) || count > options.batch)
      throw rangeError(
        'INPUT_SIZE',
        `evaluate: images: given ${images.length} values, expected a multiple of ${imageFloats} and at most ${options.batch} images`,
      );
    this.#at.floats.set(images, addresses.images / 4);
    this.#at.floats.fill(
      0,
      addresses.images / 4 + images.length,
      addresses.images / 4 + options.batch * imageFloats,
    );
    this.#run('evaluate');
    const logits = new Float32Array(count * classes);
    for (let n = 0; n < count; n++) logits.set(this.#at.row(addresses.logits, n), n * classes);
    return logits;
  }

  /**
   * A forward pass in training mode that learns nothing: only the running statistics of batch norm move, by their
   * momentum. Throws RangeError `INPUT_SIZE`.
   */
  updateStatistics(images: Float32Array): void {
    const { addresses, imageFloats, options } = this.#compiled;
    this.#at.fill('images', addresses.images, images, options.batch * imageFloats);
    this.#run('statistics');
  }

  /** A copy of the weights, running statistics included; `average`: of their moving average. */
  weights(which: 'current' | 'average' = 'current'): Weights {
    const { arena } = this.#compiled.addresses;
    if (which === 'average' && arena.average === 0)
      throw rangeError('NO_AVERAGE', 'weights: no moving average is kept; create the trainer with { ema }');
    return this.#at.read(which === 'average' ? arena.average : arena.weights);
  }

  /** Sets all weights; the moving average becomes their copy. Throws RangeError `WEIGHTS_MISSING`, `SHAPE_MISMATCH`. */
  setWeights(weights: Weights): void {
    const { arena, arenaBytes } = this.#compiled.addresses;
    this.#at.write(arena.weights, weights);
    if (arena.average !== 0)
      this.#at.floats.copyWithin(arena.average / 4, arena.weights / 4, (arena.weights + arenaBytes) / 4);
  }

  /** A copy of everything a resumed run needs. */
  state(): TrainerState {
    const optimizer = new Map<string, Tensor>();
    for (const part of ['first', 'second', 'average'] as const) {
      const address = this.#compiled.addresses.arena[part];
      if (address !== 0)
        for (const [name, tensor] of this.#at.read(address)) optimizer.set(`${part}/${name}`, tensor);
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
      this.#at.write(address, new Map(own.map(([name, tensor]) => [name.slice(part.length + 1), tensor])));
    }
    this.#step = state.step;
  }

  /** Learning-rate factors of parameters from now on; 0 freezes one. Unknown names are ignored. */
  setLearningRateScale(scale: (parameter: string) => number): void {
    this.#compiled.learned.forEach((name, i) => {
      this.#at.floats[this.#compiled.addresses.factors / 4 + i] = scale(name);
    });
  }

  /**
   * The first node, in forward order, whose output holds a NaN or an infinity for the images of the last step. A step
   * with such logits does not change the weights.
   */
  firstNonFinite(): string | undefined {
    // the step has left the weights alone, so a forward pass finds the place again
    this.#run('evaluate');
    for (const { node, view } of this.#compiled.values) {
      const { pixel, row, image } = strides(view);
      const { height, width } = view.buffer;
      for (let n = 0; n < this.#compiled.options.batch; n++)
        for (let y = 0; y < height; y++)
          for (let x = 0; x < width; x++) {
            const at = (origin(view) + n * image + y * row + x * pixel) / 4;
            for (let c = 0; c < view.channels; c++)
              if (!Number.isFinite(this.#at.floats[at + c])) return node;
          }
    }
    return undefined;
  }

  /** Times every layer alone, whole batch, one thread; weights and state are put back afterwards. */
  async profile(rounds = 3): Promise<LayerTime[]> {
    const state = this.state();
    const { instance } = await WebAssembly.instantiate(this.#compiled.profileModule() as BufferSource, {
      env: { memory: this.#at.memory },
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
    const owners = parameterOwners(this.#compiled);
    const layers = new Map<string, { forward: number; backward: number }>();
    steps.forEach((step, i) => {
      if (step.program === 'evaluate' || step.node === '') return;
      const node = owners.get(step.node) ?? step.node;
      const layer = layers.get(node) ?? { forward: 0, backward: 0 };
      layers.set(node, layer);
      layer[step.phase === 'forward' || step.phase === 'loss' ? 'forward' : 'backward'] += least[i]!;
    });
    return this.graph.nodes.flatMap(({ name: node }) => {
      const times = layers.get(node);
      return times ? [{ node, ...times }] : [];
    });
  }

  /** Ends the threads and lets the memory go. */
  dispose(): void {
    if (!this.#held) return;
    if (this.#workers.length > 0) {
      Atomics.store(this.#at.words, control.stop >> 2, 1);
      Atomics.add(this.#at.words, control.epoch >> 2, 1);
      Atomics.notify(this.#at.words, control.epoch >> 2);
      for (const worker of this.#workers) worker.terminate();
    }
    this.#held = undefined;
    this.#main = undefined;
    this.#workers = [];
  }

  get #at(): TrainerMemory {
    if (!this.#held)
      throw new EnvironmentError('TRAINER_DISPOSED', 'trainer: it was disposed; create another one');
    return this.#held;
  }

  #run(mode: keyof typeof modes): void {
    this.#runUnchecked(mode);
    if (!this.#compiled.options.checked) return;
    const { batch } = this.#compiled.options;
    const violation = takeViolation(this.#at.words, control.violation);
    if (!violation) return;
    const step = this.#compiled.steps[violation.step];
    const buffers = this.#compiled.buffers.map((buffer) => ({
      name: buffer.label,
      address: buffer.address,
      bytes: batch * mapBytes(buffer),
    }));
    throw violationError(violation, `trainer: node "${step?.node}", ${step?.phase}`, buffers);
  }

  #runUnchecked(mode: keyof typeof modes): void {
    this.#at.words[control.mode / 4] = modes[mode];
    if (this.#workers.length === 0) {
      this.#main?.(0, 0);
      return;
    }
    checkThreads(this.#at.words, control, 'trainer');
    const base = Atomics.load(this.#at.words, control.counter >> 2);
    Atomics.store(this.#at.words, control.base >> 2, base);
    Atomics.add(this.#at.words, control.epoch >> 2, 1);
    Atomics.notify(this.#at.words, control.epoch >> 2);
    try {
      this.#main?.(base, this.#mayWait);
    } catch (error) {
      // the others would wait for this thread
      loseThread(this.#at.words, control);
      throw error;
    }
    checkThreads(this.#at.words, control, 'trainer');
  }
}
