/**
 * The settings that a configuration file or flags may give, as a schema: names, types and ranges. What they mean and how
 * they come together is config.ts.
 */
import * as v from 'valibot';
import { recipeNames } from './recipes.js';

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
export const settingsSchema = v.strictObject({
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
  limit: v.exactOptional(whole(1)),
  inputSize: v.exactOptional(whole(8)),
  width: v.exactOptional(v.pipe(v.number(), v.minValue(0.01), v.maxValue(16))),
  ratio: v.exactOptional(whole(1)),
  cheapKernel: v.exactOptional(v.picklist([1, 3, 5, 7])),
  dropout: v.exactOptional(v.pipe(share, v.maxValue(0.9))),
  recompute: v.exactOptional(v.boolean()),
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

export type Settings = v.InferOutput<typeof settingsSchema>;
