/** The old and the new network on the same pictures: first answers, accuracy where labels are known, and time. */
import type { Graph, Weights } from '../../graph/graph.js';
import type { Calibration } from '../../passes/compression.js';
import { outColors, table } from '../output/terminal.js';
import { type Answers, agreement, answersOf, outputError } from './answers.js';

export interface Comparison {
  readonly pictures: number;
  /** Share of pictures with the same first answer as before. */
  readonly agreement: number;
  /** Relative squared error of the outputs. */
  readonly outputError: number;
  readonly accuracyBefore?: number;
  readonly accuracyAfter?: number;
}

export async function compareModels(
  old: { readonly graph: Graph; readonly weights: Weights },
  now: { readonly graph: Graph; readonly weights: Weights },
  pictures: { readonly calibration: Calibration; readonly labels?: readonly number[] },
): Promise<Comparison> {
  const before = await answersOf(old.graph, old.weights, pictures.calibration);
  return compareAnswers(
    before,
    await answersOf(now.graph, now.weights, pictures.calibration),
    pictures.labels,
  );
}

export function compareAnswers(
  before: Answers,
  after: Answers,
  labels: readonly number[] | undefined,
): Comparison {
  return {
    pictures: before.first.length,
    agreement: agreement(before.first, after.first),
    outputError: outputError(before, after),
    ...(labels
      ? {
          accuracyBefore: agreement(before.first, labels),
          accuracyAfter: agreement(after.first, labels),
        }
      : {}),
  };
}

const share = (value: number): string => `${(100 * value).toFixed(2)} %`;

export function printComparison(compared: Comparison): string {
  const { bold } = outColors;
  const rows = [
    ['pictures', String(compared.pictures)],
    ['same first answer as before', bold(share(compared.agreement))],
    ['squared error of the outputs', share(compared.outputError)],
  ];
  if (compared.accuracyBefore !== undefined && compared.accuracyAfter !== undefined)
    rows.push(
      ['accuracy before', share(compared.accuracyBefore)],
      ['accuracy after', bold(share(compared.accuracyAfter))],
    );
  return table(rows, 'lr');
}
