/**
 * Training recipes by name: everything about a run but the network, the data and where it goes. A recipe is data;
 * a configuration file and flags override single settings (config.ts).
 */
import type { AugmentOptions } from '../data/augment.js';
import { rangeError } from '../errors.js';
import type { Schedule } from './schedule.js';

export type OptimizerConfig =
  | {
      readonly kind: 'sgd';
      readonly momentum?: number;
      readonly nesterov?: boolean;
      readonly weightDecay?: number;
      /** Weight decay on batch norm and biases too. Default false. */
      readonly decayNormAndBias?: boolean;
    }
  | {
      readonly kind: 'rmsprop';
      readonly decay?: number;
      readonly momentum?: number;
      readonly eps?: number;
      readonly weightDecay?: number;
      readonly decayNormAndBias?: boolean;
    }
  | {
      readonly kind: 'adamw';
      readonly beta1?: number;
      readonly beta2?: number;
      readonly eps?: number;
      readonly weightDecay?: number;
      readonly decayNormAndBias?: boolean;
    };

export interface Recipe {
  readonly summary: string;
  readonly epochs: number;
  readonly batch: number;
  /** The schedule's peak. */
  readonly learningRate: number;
  readonly schedule: Schedule;
  readonly optimizer: OptimizerConfig;
  readonly labelSmoothing: number;
  /** Decay of the moving average of the weights per step; 0: none. */
  readonly ema: number;
  /** Largest global norm of the gradient; 0: no clipping. */
  readonly clipNorm: number;
  readonly augment: AugmentOptions;
}

const sgd = { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 } as const;

export const recipes = {
  'cifar-fast': {
    summary: '16 epochs of one-cycle SGD for 32x32 pictures: most of the accuracy in little time',
    epochs: 16,
    batch: 128,
    learningRate: 0.2,
    schedule: { kind: 'oneCycle', up: 0.2 },
    optimizer: sgd,
    labelSmoothing: 0.1,
    ema: 0.998,
    clipNorm: 0,
    augment: { crop: { kind: 'pad', padding: 3 }, flip: 'alternating', cutout: 8 },
  },
  'cifar-photo': {
    summary:
      'as cifar-fast, 18 epochs, and some pictures without colours or softened, as old photographs are',
    epochs: 18,
    batch: 128,
    learningRate: 0.2,
    schedule: { kind: 'oneCycle', up: 0.2 },
    optimizer: sgd,
    labelSmoothing: 0.1,
    ema: 0.995,
    clipNorm: 0,
    augment: {
      crop: { kind: 'pad', padding: 3 },
      flip: 'alternating',
      colorJitter: { brightness: 0.15, contrast: 0.15 },
      monochrome: 0.1,
      soften: 0.05,
    },
  },
  'cifar-30': {
    summary: '30 epochs of one-cycle SGD for 32x32 pictures',
    epochs: 30,
    batch: 128,
    learningRate: 0.2,
    schedule: { kind: 'oneCycle', up: 0.25 },
    optimizer: sgd,
    labelSmoothing: 0.05,
    ema: 0,
    clipNorm: 0,
    augment: { crop: { kind: 'pad', padding: 4 }, flip: 'alternating', cutout: 8 },
  },
  'paper-cifar': {
    summary: 'the paper’s CIFAR-10 training (section 4.1.2): 400 epochs, 0.1, a tenth at 200, 300 and 375',
    epochs: 400,
    batch: 128,
    learningRate: 0.1,
    schedule: { kind: 'multiStep', milestones: [200, 300, 375] },
    optimizer: { kind: 'sgd', momentum: 0.9, weightDecay: 1e-4, decayNormAndBias: true },
    labelSmoothing: 0,
    ema: 0,
    clipNorm: 0,
    augment: { crop: { kind: 'pad', padding: 4, fill: 'zero' }, flip: 'random' },
  },
  'paper-imagenet': {
    summary: 'GhostNet on ImageNet as its author describes it: 360 epochs, 0.4 with batch 1024, cosine',
    epochs: 360,
    batch: 1024,
    learningRate: 0.4,
    schedule: { kind: 'cosine', warmup: 5 },
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 4e-5 },
    labelSmoothing: 0.1,
    ema: 0.9999,
    clipNorm: 0,
    augment: {
      crop: { kind: 'resized', scale: [0.08, 1] },
      flip: 'random',
      colorJitter: { brightness: 0.4, contrast: 0.4, saturation: 0.4 },
    },
  },
  'fine-tune': {
    summary: 'a few hundred photographs on top of trained weights: AdamW with cosine, strong crops',
    epochs: 15,
    batch: 16,
    learningRate: 0.002,
    schedule: { kind: 'cosine', warmup: 1 },
    optimizer: { kind: 'adamw', weightDecay: 0.01 },
    labelSmoothing: 0.1,
    ema: 0,
    clipNorm: 1,
    augment: {
      crop: { kind: 'resized', scale: [0.5, 1] },
      flip: 'random',
      colorJitter: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
    },
  },
  folder: {
    summary: 'a folder of photographs from fresh weights: 60 epochs of one-cycle SGD, random resized crops',
    epochs: 60,
    batch: 64,
    learningRate: 0.1,
    schedule: { kind: 'oneCycle', up: 0.2 },
    optimizer: sgd,
    labelSmoothing: 0.1,
    ema: 0.99,
    clipNorm: 0,
    augment: {
      crop: { kind: 'resized' },
      flip: 'random',
      colorJitter: { brightness: 0.2, contrast: 0.2, saturation: 0.2 },
    },
  },
} as const satisfies Readonly<Record<string, Recipe>>;

export type RecipeName = keyof typeof recipes;

/** Names of all recipes. */
export const recipeNames = Object.keys(recipes) as readonly RecipeName[];

/** A recipe by name. Throws RangeError `UNKNOWN_RECIPE` with the names there are. */
export function recipe(name: string): Recipe {
  if (Object.hasOwn(recipes, name)) return recipes[name as RecipeName];
  throw rangeError(
    'UNKNOWN_RECIPE',
    `recipe "${name}" is not known; expected one of ${recipeNames.join(', ')}`,
  );
}

/** The recipe for a kind of data when none is named. */
export function defaultRecipe(data: 'cifar10' | 'folder', fineTuning: boolean): RecipeName {
  if (fineTuning) return 'fine-tune';
  return data === 'cifar10' ? 'cifar-fast' : 'folder';
}
