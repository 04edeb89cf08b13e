/**
 * What can be said of an operation from its attributes alone: the values that are supported whatever the inputs are. Kept
 * apart from the readers, so that operations behind something unsupported, whose inputs have no known shape, are checked
 * too. Also which operators that are not supported keep their input's shape, so that one can go on behind them.
 */
import { type Operation, Unsupported } from '../operation.js';

type Rule = (op: Operation) => void;

const text =
  (name: string, supported: string): Rule =>
  (op) =>
    op.only(name, op.text(name, supported), supported);
const whole =
  (name: string, supported: number): Rule =>
  (op) =>
    op.only(name, op.int(name, supported), supported);

const noDilation: Rule = (op) => {
  const dilations = op.ints('dilations');
  if (dilations?.some((value) => value !== 1))
    throw new Unsupported(`is [${dilations.join(', ')}], only 1 is supported`, 'dilations');
};

const enlarging: readonly Rule[] = [
  text('mode', 'nearest'),
  whole('antialias', 0),
  text('keep_aspect_ratio_policy', 'stretch'),
];

const rules: ReadonlyMap<string, readonly Rule[]> = new Map(
  Object.entries<readonly Rule[]>({
    AveragePool: [noDilation],
    BatchNormalization: [whole('training_mode', 0), whole('spatial', 1)],
    MaxPool: [noDilation, whole('storage_order', 0)],
    Pad: [text('mode', 'constant')],
    ReduceMean: [whole('noop_with_empty_axes', 0)],
    Resize: enlarging,
    Upsample: enlarging,
  }),
);

/** Throws `Unsupported` when an attribute has a value that is never supported. */
export function checkAttributes(op: Operation): void {
  for (const rule of rules.get(op.file.op) ?? []) rule(op);
}

/** Operators that are not supported and give a value of their input's shape. */
export const keepsShape: ReadonlySet<string> = new Set([
  'Abs',
  'Celu',
  'Elu',
  'Erf',
  'Exp',
  'Gelu',
  'GroupNormalization',
  'InstanceNormalization',
  'LRN',
  'LayerNormalization',
  'LeakyRelu',
  'LogSoftmax',
  'Mish',
  'PRelu',
  'Selu',
  'Softplus',
  'Softsign',
  'Tanh',
  'ThresholdedRelu',
]);
