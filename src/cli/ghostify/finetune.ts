/**
 * Fine-tuning of a ghostified network with the old one as teacher, on the training engine: the whole network at once, or
 * layer by layer, each new module alone while everything else stays as it is.
 */
import type { Graph, Weights } from '../../graph/graph.js';
import { inputNodes } from '../../graph/graph.js';
import type { Calibration } from '../../passes/compression.js';
import { applyGhostify } from '../../passes/ghostify/apply.js';
import type { GhostifyOptions } from '../../passes/ghostify/options.js';
import { type GhostPlan, withTotals } from '../../passes/ghostify/plan.js';
import { type TrainingRecipe, trainNetwork } from '../../train/node/train-network.js';
import { openTrainingData, type TrainingData } from '../../train/node/training-data.js';
import { onInterrupt } from '../interrupt.js';

export interface Trained {
  readonly graph: Graph;
  readonly weights: Weights;
}

export interface FinetuneOptions {
  /** Class folders, or CIFAR-10. */
  readonly data: string;
  /** With `layerwise`: of each layer. */
  readonly epochs: number;
  readonly threads: number;
  readonly learningRate: number;
  /** One line a step or an epoch, for people. */
  readonly say: (line: string) => void;
}

/** What the old network taught (Hinton et al. 2015): temperature and share of the loss. */
const distillation = { temperature: 4, weight: 0.7 } as const;

function recipe(options: FinetuneOptions, data: TrainingData): TrainingRecipe {
  return {
    epochs: options.epochs,
    batch: Math.min(128, data.train.length),
    learningRate: options.learningRate,
    schedule: { kind: 'oneCycle', up: 0.2 },
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 5e-4 },
    labelSmoothing: 0.1,
    ema: 0.99,
    clipNorm: 0,
    augment:
      data.kind === 'cifar10'
        ? { crop: { kind: 'pad', padding: 2 }, flip: 'alternating' }
        : { crop: { kind: 'resized', scale: [0.35, 1] }, flip: 'random' },
    seed: 1,
    threads: options.threads,
    workers: 1,
    freeze: [],
    learningRates: [],
  };
}

function openData(student: Graph, path: string): Promise<TrainingData> {
  const side = inputNodes(student)[0]?.shape[1] ?? 32;
  return openTrainingData(path, {
    keepSide: Math.round(side * 1.15),
    fraction: 0.02,
    seed: 1,
    badPictures: 'skip',
  });
}

async function train(
  student: Trained,
  old: Trained,
  data: TrainingData,
  options: FinetuneOptions,
  freeze: readonly string[],
): Promise<{ weights: Weights; interrupted: boolean }> {
  const stop = new AbortController();
  const release = onInterrupt(() => stop.abort());
  try {
    const result = await trainNetwork({
      ...student,
      teacher: { ...old, ...distillation },
      data,
      recipe: { ...recipe(options, data), freeze },
      signal: stop.signal,
      onEpoch: (row) =>
        options.say(
          `epoch ${row.epoch}: loss ${row.trainLoss.toFixed(3)}, validation ${(100 * (row.validationAccuracy ?? 0)).toFixed(2)} %`,
        ),
    });
    return { weights: result.weights, interrupted: result.state === 'interrupted' };
  } finally {
    release();
  }
}

/** Trains all of `student`. Ctrl-C ends it after the step; what was learned by the best epoch so far is kept. */
export async function finetuneWhole(
  student: Trained,
  old: Trained,
  options: FinetuneOptions,
): Promise<Weights> {
  const data = await openData(student.graph, options.data);
  return (await train(student, old, data, options, [])).weights;
}

/** Changes and trains one layer after the other. Ctrl-C leaves the layers that are not done as they were. */
export async function finetuneLayers(
  old: Trained,
  plan: GhostPlan,
  pass: GhostifyOptions,
  calibration: Calibration | undefined,
  options: FinetuneOptions,
): Promise<Trained & { readonly plan: GhostPlan }> {
  const data = await openData(old.graph, options.data);
  const layers = [...plan.layers];
  let current: Trained = old;
  for (const [index, layer] of plan.layers.entries()) {
    if (!layer.apply) continue;
    const single = { ...plan, layers: [layer] };
    const changed = await applyGhostify(current.graph, current.weights, single, pass, calibration);
    layers[index] = changed.plan.layers[0] ?? layer;
    const module = changed.graph.ghostModules.find((one) => one.name === layer.layer);
    const own = new Set(module?.nodes ?? []);
    const learned = new Set(changed.graph.nodes.filter((node) => own.has(node.name)).flatMap(parametersOf));
    const others = Object.entries(changed.graph.parameters)
      .filter(([name, { role }]) => !learned.has(name) && role !== 'statistic' && role !== 'constant')
      .map(([name]) => name);
    options.say(`${layer.layer}:`);
    const { weights, interrupted } = await train(changed, old, data, options, others);
    current = { graph: changed.graph, weights };
    if (interrupted) {
      const rest = layers.map((one, i) =>
        i > index ? { ...one, apply: false, reason: 'interrupted' } : one,
      );
      return { ...current, plan: withTotals(old.graph, { ...plan, layers: rest }) };
    }
  }
  return { ...current, plan: { ...plan, layers } };
}

function parametersOf(node: Graph['nodes'][number]): readonly string[] {
  switch (node.kind) {
    case 'conv2d':
      return node.bias === undefined ? [node.weight] : [node.weight, node.bias];
    case 'batchNorm':
      return [node.scale, node.shift];
    default:
      return [];
  }
}
