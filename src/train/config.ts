/**
 * The configuration of a run: a YAML or JSON file, checked key by key (settings.ts), with the line and column of each
 * mistake; laid over a recipe, and under the command line's flags. Reads text, not files; starts nothing.
 */
import * as v from 'valibot';
import { isNode, LineCounter, parseDocument } from 'yaml';
import { FormatError } from '../errors.js';
import { defaultRecipe, type Recipe, recipe } from './recipes.js';
import { type Settings, settingsSchema } from './settings.js';

export type { Settings };

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
  /** Train on at most so many pictures, as many of each class; validation is what it is without. Absent: on all. */
  readonly limit?: number;
  readonly inputSize?: number;
  /** Multiplies the channels of a network by name. */
  readonly width?: number;
  readonly ratio?: number;
  readonly cheapKernel?: number;
  readonly dropout?: number;
  /** Outputs of batch norm are made again in the backward pass, not kept: less memory, the same bits. */
  readonly recompute?: boolean;
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

/** The settings that a group has, for the error about one that it has not; '' for groups of several kinds. */
function knownSettings(group: Path): string {
  let entries: Readonly<Record<string, unknown>> | undefined = settingsSchema.entries;
  for (const name of group) {
    const setting = entries?.[name] as { wrapped?: { entries?: typeof entries } } | undefined;
    entries = setting?.wrapped?.entries;
  }
  return entries ? `; known settings: ${Object.keys(entries).join(', ')}` : '';
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
  const value: unknown = document.toJS() ?? {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw new FormatError(
      'CONFIG_INVALID',
      `${where(0)}: given ${Array.isArray(value) ? 'a list' : typeof value}, expected settings by name, e.g. "network: ghostnet-32"`,
    );
  const parsed = v.safeParse(settingsSchema, value);
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
    const known = unknown ? knownSettings(path.slice(0, -1)) : '';
    const what = unknown
      ? `unknown setting "${describe(path)}"${known}`
      : `${describe(path)}: given ${missing ? 'nothing' : issue.received}, expected ${issue.expected ?? issue.message}`;
    return `${where(locate(path))}: ${what}`;
  });
  throw new FormatError('CONFIG_INVALID', messages.join('\n'));
}

/** Throws FormatError `CONFIG_INVALID` for settings that do not come from a file (flags). */
export function checkSettings(value: unknown, source: string): Settings {
  const parsed = v.safeParse(settingsSchema, value);
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
