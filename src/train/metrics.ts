/**
 * How good predictions are: top-1, top-5, per class, confusion, calibration, and the pictures that went worst.
 * Takes logits and labels; runs no network.
 */
import { rangeError } from '../errors.js';

export interface ClassResult {
  readonly name: string;
  readonly count: number;
  /** Share of its pictures that are classified right (recall); null without pictures. */
  readonly accuracy: number | null;
  /** Share of the predictions of this class that are right; null when it is never predicted. */
  readonly precision: number | null;
}

/** A picture that the network is sure about, and wrong; or the least right one. */
export interface WorstPicture {
  /** Index in the order of evaluation. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the predicted class. */
  readonly confidence: number;
  /** Cross-entropy of the right class, nats. */
  readonly loss: number;
}

/** Shares are fractions in 0..1. */
export interface Evaluation {
  readonly count: number;
  readonly top1: number;
  /** Top-k with k = min(5, classes). */
  readonly top5: number;
  /** Mean cross-entropy, nats. */
  readonly loss: number;
  readonly perClass: readonly ClassResult[];
  /** confusion[label][predicted], counts. */
  readonly confusion: readonly (readonly number[])[];
  /** Expected calibration error over 15 bins of equal width (Guo et al. 2017). */
  readonly ece: number;
  readonly worst: readonly WorstPicture[];
}

const bins = 15;

/** All that an `Evaluator` has counted; plain JSON. */
export interface EvaluatorState {
  readonly confusion: readonly (readonly number[])[];
  /** Pictures, right ones and summed confidence of each bin. */
  readonly bins: readonly (readonly [count: number, right: number, confidence: number])[];
  readonly worst: readonly WorstPicture[];
  readonly count: number;
  readonly right: number;
  readonly rightTop: number;
  readonly loss: number;
}

/** Gathers predictions batch by batch. */
export class Evaluator {
  readonly #classes: readonly string[];
  readonly #keepWorst: number;
  readonly #confusion: number[][];
  readonly #binCount = new Float64Array(bins);
  readonly #binRight = new Float64Array(bins);
  readonly #binConfidence = new Float64Array(bins);
  #worst: WorstPicture[] = [];
  #count = 0;
  #right = 0;
  #rightTop = 0;
  #loss = 0;

  /**
   * `classes` are the names by index; the `keepWorst` pictures of highest loss are kept (default 24). With `start` it
   * goes on from another one's state. Throws RangeError `EVALUATION` for the state of other classes.
   */
  constructor(classes: readonly string[], keepWorst = 24, start?: EvaluatorState) {
    this.#classes = classes;
    this.#keepWorst = keepWorst;
    this.#confusion = classes.map((_, label) => classes.map((__, c) => start?.confusion[label]?.[c] ?? 0));
    if (!start) return;
    if (start.confusion.length !== classes.length)
      throw rangeError(
        'EVALUATION',
        `evaluate: the state is of ${start.confusion.length} classes, expected ${classes.length}`,
      );
    start.bins.forEach(([count, right, confidence], bin) => {
      this.#binCount[bin] = count;
      this.#binRight[bin] = right;
      this.#binConfidence[bin] = confidence;
    });
    this.#worst = [...start.worst];
    this.#count = start.count;
    this.#right = start.right;
    this.#rightTop = start.rightTop;
    this.#loss = start.loss;
  }

  /** What was counted so far. */
  state(): EvaluatorState {
    this.#trim();
    return {
      confusion: this.#confusion.map((row) => [...row]),
      bins: Array.from(this.#binCount, (count, bin) => [
        count,
        this.#binRight[bin]!,
        this.#binConfidence[bin]!,
      ]),
      worst: [...this.#worst],
      count: this.#count,
      right: this.#right,
      rightTop: this.#rightTop,
      loss: this.#loss,
    };
  }

  /**
   * Adds `count` pictures: logits [count, classes] row by row, labels [count], and their places in the order of
   * evaluation (default: one after the other). Throws RangeError `EVALUATION`.
   */
  add(logits: Float32Array, labels: ArrayLike<number>, count: number, places?: ArrayLike<number>): void {
    const classes = this.#classes.length;
    if (logits.length < count * classes)
      throw rangeError(
        'EVALUATION',
        `evaluate: ${logits.length} logits for ${count} pictures of ${classes} classes; does the network have another number of classes?`,
      );
    for (let i = 0; i < count; i++)
      this.#addOne(
        logits.subarray(i * classes, (i + 1) * classes),
        labels[i] ?? -1,
        places?.[i] ?? this.#count,
      );
  }

  #addOne(row: Float32Array, label: number, index: number): void {
    const classes = row.length;
    if (!(label >= 0 && label < classes))
      throw rangeError(
        'EVALUATION',
        `evaluate: picture ${this.#count} has the label ${label}, expected 0 to ${classes - 1}`,
      );
    let predicted = 0;
    for (let c = 1; c < classes; c++) if (row[c]! > row[predicted]!) predicted = c;
    const top = row[predicted]!;
    let sum = 0;
    let above = 0;
    for (let c = 0; c < classes; c++) {
      sum += Math.exp(row[c]! - top);
      if (row[c]! > row[label]! || (row[c]! === row[label]! && c < label)) above++;
    }
    const confidence = 1 / sum;
    const loss = Math.log(sum) - (row[label]! - top);
    const right = predicted === label;
    this.#confusion[label]![predicted]! += 1;
    this.#right += right ? 1 : 0;
    this.#rightTop += above < 5 ? 1 : 0;
    this.#loss += loss;
    const bin = Math.min(bins - 1, Math.floor(confidence * bins));
    this.#binCount[bin]! += 1;
    this.#binRight[bin]! += right ? 1 : 0;
    this.#binConfidence[bin]! += confidence;
    this.#worst.push({ index, label, predicted, confidence, loss });
    this.#count++;
    if (this.#worst.length > 4 * this.#keepWorst + 64) this.#trim();
  }

  #trim(): void {
    this.#worst = this.#worst.sort((a, b) => b.loss - a.loss || a.index - b.index).slice(0, this.#keepWorst);
  }

  /** The numbers so far. Throws RangeError `EVALUATION` without any picture. */
  result(): Evaluation {
    const count = this.#count;
    if (count === 0) throw rangeError('EVALUATION', 'evaluate: there are no pictures; is the folder empty?');
    this.#trim();
    const confusion = this.#confusion.map((row) => [...row]);
    const perClass = this.#classes.map((name, c): ClassResult => {
      const of = confusion[c]!.reduce((a, b) => a + b, 0);
      const predicted = confusion.reduce((sum, row) => sum + row[c]!, 0);
      const right = confusion[c]![c]!;
      return {
        name,
        count: of,
        accuracy: of === 0 ? null : right / of,
        precision: predicted === 0 ? null : right / predicted,
      };
    });
    let ece = 0;
    for (let bin = 0; bin < bins; bin++)
      ece += Math.abs(this.#binRight[bin]! - this.#binConfidence[bin]!) / count;
    return {
      count,
      top1: this.#right / count,
      top5: this.#rightTop / count,
      loss: this.#loss / count,
      perClass,
      confusion,
      ece,
      worst: this.#worst,
    };
  }
}
