/**
 * The configuration of a run: a YAML or JSON file, checked key by key, with the line and column of each mistake; laid
 * over a recipe, and under the command line's flags. Reads text, not files; starts nothing.
 */
import * as v from 'valibot';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { FormatError } from '../errors.js';
import { defaultRecipe, type Recipe, recipe, recipeNames } from './recipes.js';

const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const positive = v.pipe(v.number(), v.gtValue(0));
const notNegative = v.pipe(v.number(), v.minValue(0));
const whole = (least: number) => v.pipe(v.number(), v.integer(), v.minValue(least));
const range = v.pipe(v.tuple([positive, positive]), v.readonly());

const schedule = v.variant('kind', [
  v.strictObject({ kind: v.literal('constant'), warmup: v.exactOptional(notNegative) }),
  v.strictObject({
    kind: v.literal('step'),
    every: whole(1),
    factor: v.exactOptional(positive),
    warmup: v.exactOptional(notNegative),
  }),
  v.strictObject({
    kind: v.literal('multiStep'),
    milestones: v.array(whole(1)),
    factor: v.exactOptional(positive),
    warmup: v.exactOptional(notNegative),
  }),
  v.strictObject({
    kind: v.literal('cosine'),
    final: v.exactOptional(share),
    warmup: v.exactOptional(notNegative),
  }),
  v.strictObject({
    kind: v.literal('linear'),
    final: v.exactOptional(share),
    warmup: v.exactOptional(notNegative),
  }),
  v.strictObject({ kind: v.literal('oneCycle'), up: v.exactOptional(share), final: v.exactOptional(share) }),
]);

const decay = {
  weightDecay: v.exactOptional(notNegative),
  decayNormAndBias: v.exactOptional(v.boolean()),
};
const optimizer = v.variant('kind', [
  v.strictObject({
    kind: v.literal('sgd'),
    momentum: v.exactOptional(share),
    nesterov: v.exactOptional(v.boolean()),
    ...decay,
  }),
  v.strictObject({
    kind: v.literal('rmsprop'),
    decay: v.exactOptional(share),
    momentum: v.exactOptional(share),
    eps: v.exactOptional(positive),
    ...decay,
  }),
  v.strictObject({
    kind: v.literal('adamw'),
    beta1: v.exactOptional(share),
    beta2: v.exactOptional(share),
    eps: v.exactOptional(positive),
    ...decay,
  }),
]);

const augment = v.strictObject({
  crop: v.exactOptional(
    v.variant('kind', [
      v.strictObject({
        kind: v.literal('pad'),
        padding: whole(0),
        fill: v.exactOptional(v.picklist(['reflect', 'zero'])),
      }),
      v.strictObject({
        kind: v.literal('resized'),
        scale: v.exactOptional(range),
        ratio: v.exactOptional(range),
      }),
    ]),
  ),
  flip: v.exactOptional(v.picklist(['none', 'random', 'alternating'])),
  colorJitter: v.exactOptional(
    v.strictObject({
      brightness: v.exactOptional(share),
      contrast: v.exactOptional(share),
      saturation: v.exactOptional(share),
    }),
  ),
  monochrome: v.exactOptional(share),
  soften: v.exactOptional(share),
  randAugment: v.exactOptional(
    v.strictObject({ operations: whole(0), magnitude: v.pipe(v.number(), v.minValue(0), v.maxValue(10)) }),
  ),
  cutout: v.exactOptional(whole(0)),
  mixup: v.exactOptional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1))),
});

/** The settings a file or flags may give; all optional. */
const settings = v.strictObject({
  network: v.exactOptional(v.string()),
  data: v.exactOptional(v.string()),
  out: v.exactOptional(v.string()),
  recipe: v.exactOptional(v.picklist(recipeNames)),
  epochs: v.exactOptional(whole(1)),
  batch: v.exactOptional(whole(2)),
  learningRate: v.exactOptional(positive),
  schedule: v.exactOptional(schedule),
  optimizer: v.exactOptional(optimizer),
  labelSmoothing: v.exactOptional(v.pipe(share, v.maxValue(0.9))),
  ema: v.exactOptional(v.pipe(share, v.ltValue(1))),
  clipNorm: v.exactOptional(notNegative),
  augment: v.exactOptional(augment),
  seed: v.exactOptional(whole(0)),
  threads: v.exactOptional(whole(1)),
  workers: v.exactOptional(whole(0)),
  validation: v.exactOptional(v.pipe(v.number(), v.minValue(0), v.maxValue(0.9))),
  inputSize: v.exactOptional(whole(8)),
  ratio: v.exactOptional(whole(1)),
  cheapKernel: v.exactOptional(v.picklist([1, 3, 5, 7])),
  dropout: v.exactOptional(v.pipe(share, v.maxValue(0.9))),
  dtype: v.exactOptional(v.picklist(['f32', 'f16'])),
  from: v.exactOptional(v.string()),
  freeze: v.exactOptional(v.array(v.string())),
  learningRates: v.exactOptional(v.array(v.strictObject({ match: v.string(), factor: notNegative }))),
  teacher: v.exactOptional(
    v.strictObject({
      model: v.string(),
      temperature: v.exactOptional(positive),
      weight: v.exactOptional(share),
    }),
  ),
  badPictures: v.exactOptional(v.picklist(['stop', 'skip'])),
});

export type Settings = v.InferOutput<typeof settings>;

/** A complete run: nothing is left to be guessed. */
export interface RunConfig extends Omit<Recipe, 'summary'> {
  readonly network: string;
  readonly data: string;
  readonly out: string;
  readonly recipe: string;
  readonly seed: number;
  readonly threads: number;
  /** Threads that decode and augment. */
  readonly workers: number;
  /** Share of the training pictures that is put aside to choose the epoch; 0 only for data with its own split. */
  readonly validation: number;
  readonly inputSize?: number;
  readonly ratio?: number;
  readonly cheapKernel?: number;
  readonly dropout?: number;
  /** Of the model file. */
  readonly dtype: 'f32' | 'f16';
  /** Model file to start from. */
  readonly from?: string;
  /** Patterns of parameter names (`*` matches any text) that stay as they are. */
  readonly freeze: readonly string[];
  /** Factors on the learning rate by pattern; the last match counts. */
  readonly learningRates: readonly { readonly match: string; readonly factor: number }[];
  readonly teacher?: { readonly model: string; readonly temperature: number; readonly weight: number };
  readonly badPictures: 'stop' | 'skip';
}

type Path = readonly (string | number)[];

function describe(path: Path): string {
  return path.length === 0 ? 'the file' : path.join('.');
}

/**
 * Reads a configuration file's text (YAML, of which JSON is a part). `file` names it in errors.
 * Throws FormatError `CONFIG_SYNTAX` or `CONFIG_INVALID` with line and column of every mistake.
 */
export function parseConfig(text: string, file: string): Settings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const where = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const [syntax] = document.errors;
  if (syntax) throw new FormatError('CONFIG_SYNTAX', `${where(syntax.pos[0])}: ${syntax.message}`);
  const parsed = v.safeParse(settings, document.toJS() ?? {});
  if (parsed.success) return parsed.output;
  const locate = (path: Path): number => {
    for (let length = path.length; length > 0; length--) {
      const node = document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return node.range[0];
    }
    return 0;
  };
  const messages = parsed.issues.map((issue) => {
    const path = (issue.path ?? []).map((item) => item.key as string | number);
    const unknown = issue.type === 'strict_object' && issue.expected === 'never';
    const missing = issue.received === 'undefined';
    const known =
      unknown && path.length === 1 ? `; known settings: ${Object.keys(settings.entries).join(', ')}` : '';
    const what = unknown
      ? `unknown setting "${describe(path)}"${known}`
      : `${describe(path)}: given ${missing ? 'nothing' : issue.received}, expected ${issue.expected ?? issue.message}`;
    return `${where(locate(path))}: ${what}`;
  });
  throw new FormatError('CONFIG_INVALID', messages.join('\n'));
}

/** Throws FormatError `CONFIG_INVALID` for settings that do not come from a file (flags). */
export function checkSettings(value: unknown, source: string): Settings {
  const parsed = v.safeParse(settings, value);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const path = (issue.path ?? []).map((item) => String(item.key)).join('.');
  throw new FormatError(
    'CONFIG_INVALID',
    `${source}: ${path}: given ${issue.received}, expected ${issue.expected ?? issue.message}`,
  );
}

/**
 * A whole configuration: the recipe, over it the file's settings, over those the flags'. Nested settings (schedule,
 * optimiser, augmentation) replace the recipe's as a whole. Throws FormatError `CONFIG_INVALID` when network, data or out are missing.
 */
export function resolveConfig(
  file: Settings,
  flags: Settings,
  defaults: {
    readonly data: 'cifar10' | 'folder';
    readonly threads: number;
    /** Whether the network is a trained one, from a file. */
    readonly trained?: boolean;
  },
): RunConfig {
  const given = { ...file, ...flags };
  const name =
    given.recipe ?? defaultRecipe(defaults.data, defaults.trained === true || given.from !== undefined);
  const { summary: _, ...base } = recipe(name);
  const need = (key: 'network' | 'data' | 'out'): string => {
    const value = given[key];
    if (value === undefined)
      throw new FormatError(
        'CONFIG_INVALID',
        `training: "${key}" is missing; give it in the file or as a flag`,
      );
    return value;
  };
  const { teacher, ...rest } = given;
  return {
    seed: 1,
    threads: defaults.threads,
    workers: 1,
    validation: defaults.data === 'cifar10' ? 0.05 : 0.2,
    freeze: [],
    learningRates: [],
    badPictures: 'stop',
    dtype: 'f32',
    ...base,
    ...rest,
    recipe: name,
    network: need('network'),
    data: need('data'),
    out: need('out'),
    ...(teacher
      ? {
          teacher: {
            model: teacher.model,
            temperature: teacher.temperature ?? 4,
            weight: teacher.weight ?? 0.7,
          },
        }
      : {}),
  };
}

/** Whether `name` fits a pattern in which `*` stands for any text. */
export function matchesPattern(name: string, pattern: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

/**
 * The learning-rate factor of each parameter: 0 where `freeze` matches, else the last match of `learningRates`, else 1.
 * Throws FormatError `CONFIG_INVALID` for a pattern that matches no parameter.
 */
export function learningRateFactors(
  parameters: readonly string[],
  config: Pick<RunConfig, 'freeze' | 'learningRates'>,
): ReadonlyMap<string, number> {
  const rules = [...config.learningRates, ...config.freeze.map((match) => ({ match, factor: 0 }))];
  const factors = new Map(parameters.map((name) => [name, 1]));
  for (const { match, factor } of rules) {
    const hits = parameters.filter((name) => matchesPattern(name, match));
    if (hits.length === 0)
      throw new FormatError(
        'CONFIG_INVALID',
        `pattern "${match}" matches no parameter; names are like ${parameters.slice(0, 3).join(', ')}`,
      );
    for (const name of hits) factors.set(name, factor);
  }
  return factors;
}
