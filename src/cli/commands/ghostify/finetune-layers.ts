/**
 * Fine-tuning layer by layer with the old network as teacher: each layer is changed and its new module trained alone,
 * while everything else stays as it is.
 */
import type { Graph, Weights } from '../../../graph/graph.js';
import type { Calibration } from '../../../passes/compression.js';
import { applyGhostify } from '../../../passes/ghostify/apply.js';
import type { GhostifyOptions } from '../../../passes/ghostify/options.js';
import { type GhostPlan, withTotals } from '../../../passes/ghostify/plan.js';
import { type TrainingRecipe, trainNetwork } from '../../../train/node/train-network.js';
import { openTrainingData, type TrainingData } from '../../../train/node/training-data.js';
import { onInterrupt } from '../../output/interrupt.js';
import {
  distillation,
  type FinetuneOptions,
  keptSide,
  type TuningData,
  tuningRecipe,
} from './finetune-recipe.js';

export interface Trained {
  readonly graph: Graph;
  readonly weights: Weights;
}

export interface LayerwiseOptions extends FinetuneOptions {
  /** One line a layer and an epoch, for people. */
  readonly say: (line: string) => void;
}

async function train(
  student: Trained,
  old: Trained,
  data: TrainingData,
  recipe: TrainingRecipe,
  say: (line: string) => void,
): Promise<{ weights: Weights; interrupted: boolean }> {
  const stop = new AbortController();
  const release = onInterrupt(() => stop.abort());
  try {
    const result = await trainNetwork({
      ...student,
      teacher: { ...old, ...distillation },
      data,
      recipe,
      signal: stop.signal,
      onEpoch: (row) =>
        say(
          `epoch ${row.epoch}: loss ${row.trainLoss.toFixed(3)}, validation ${(100 * (row.validationAccuracy ?? 0)).toFixed(2)} %`,
        ),
    });
    return { weights: result.weights, interrupted: result.state === 'interrupted' };
  } finally {
    release();
  }
}

/** Changes and trains one layer after the other. Ctrl-C leaves the layers that are not done as they were. */
export async function finetuneLayers(
  old: Trained,
  plan: GhostPlan,
  pass: GhostifyOptions,
  calibration: Calibration | undefined,
  about: TuningData,
  options: LayerwiseOptions,
): Promise<Trained & { readonly plan: GhostPlan }> {
  const { say, seed } = options;
  const data = await openTrainingData(options.data, {
    keepSide: keptSide(old.graph),
    fraction: about.validation,
    seed,
    badPictures: 'skip',
  });
  const recipe = tuningRecipe(options, about);
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
    say(`${layer.layer}:`);
    const { weights, interrupted } = await train(changed, old, data, { ...recipe, freeze: others }, say);
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
