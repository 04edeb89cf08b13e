/**
 * A trainer's memory by meaning: images, targets and logits, and the arenas of weights and moments in the layout of the
 * kernels. Runs nothing.
 *
 * Shape legend: rows [N, classes], padded to quads.
 */
import type { CompiledTraining } from '../compiler/training/compile-training.js';
import { rangeError } from '../errors.js';
import type { Tensor, Weights } from '../graph/graph.js';

export class TrainerMemory {
  readonly memory: WebAssembly.Memory;
  readonly floats: Float32Array;
  readonly words: Int32Array;
  readonly #compiled: CompiledTraining;

  constructor(compiled: CompiledTraining, memory: WebAssembly.Memory) {
    this.#compiled = compiled;
    this.memory = memory;
    this.floats = new Float32Array(memory.buffer);
    this.words = new Int32Array(memory.buffer);
  }

  /** The logical values of image n's row of logits or targets. */
  row(address: number, n: number): Float32Array {
    const { rowFloats, classes } = this.#compiled;
    const at = address / 4 + n * rowFloats;
    return this.floats.subarray(at, at + classes);
  }

  /** Throws RangeError `INPUT_SIZE` for another count. */
  fill(what: string, address: number, values: Float32Array, count: number): void {
    if (values.length !== count)
      throw rangeError('INPUT_SIZE', `step: ${what}: given ${values.length} values, expected ${count}`);
    this.floats.set(values, address / 4);
  }

  /** Writes target rows and returns the class of each image. Throws RangeError `INPUT_SIZE`, `BAD_LABEL`. */
  putTargets(targets: Int32Array | Float32Array): Int32Array {
    const { classes, addresses, options } = this.#compiled;
    const { batch, loss } = options;
    const labels = new Int32Array(batch);
    const smoothing = loss.kind === 'meanSquaredError' ? 0 : (loss.labelSmoothing ?? 0);
    const expected = targets instanceof Int32Array ? batch : batch * classes;
    if (targets.length !== expected)
      throw rangeError('INPUT_SIZE', `step: targets: given ${targets.length} values, expected ${expected}`);
    for (let n = 0; n < batch; n++) {
      const row = this.row(addresses.targets, n);
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

  /** Soft targets of a teacher's logits [N, classes]. Throws RangeError `INPUT_SIZE`. */
  putTeacher(logits: Float32Array): void {
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
      this.row(addresses.softTargets, n).set(powers.map((p) => p / sum));
    }
  }

  /** Logical values of the arena at an address. */
  read(address: number): Weights {
    const weights = new Map<string, Tensor>();
    for (const [name, { shape }] of Object.entries(this.#compiled.graph.parameters)) {
      const slot = this.#compiled.slots.get(name);
      if (!slot) continue;
      const { index, offset } = slot;
      const at = address / 4 + offset;
      // a plain loop: there are millions of them, at every checkpoint and validation
      const data = new Float32Array(index.length);
      for (let i = 0; i < index.length; i++) data[i] = this.floats[at + index[i]!]!;
      weights.set(name, { shape, data });
    }
    return weights;
  }

  /** Throws RangeError `WEIGHTS_MISSING`, `SHAPE_MISMATCH`. */
  write(address: number, weights: Weights): void {
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
      for (let i = 0; i < index.length; i++) this.floats[at + index[i]!] = tensor.data[i]!;
    }
  }
}
