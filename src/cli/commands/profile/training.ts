/**
 * `ghostnet profile --training`: milliseconds of every layer in a training step, forward and backward, on one thread, and
 * the memory of the step. Pictures are noise: times do not depend on them. Counts without times are in profile.ts.
 */
import type { Graph, Weights } from '../../../graph/graph.js';
import { Random } from '../../../models/random.js';
import { createTrainer, type LayerTime } from '../../../train/engine.js';
import { byteSize, milliseconds, outColors, print, table } from '../../output/terminal.js';

export interface TrainingProfile {
  readonly name: string;
  readonly batch: number;
  readonly layers: readonly (LayerTime & { readonly op: string })[];
  readonly forwardMs: number;
  readonly backwardMs: number;
  /** A whole step with its update, all layers in their usual order. */
  readonly stepMs: number;
  readonly peakBytes: number;
  readonly relaxed: boolean;
}

/** Least of three times of each layer and step, after a warm-up. Throws what `createTrainer` throws. */
export async function profileTraining(
  graph: Graph,
  weights: Weights,
  options: { readonly batch: number; readonly recompute: boolean },
): Promise<TrainingProfile> {
  const { batch, recompute } = options;
  const trainer = await createTrainer(graph, weights, {
    batch,
    recompute,
    threads: 1,
    optimizer: { kind: 'sgd', momentum: 0.9 },
  });
  try {
    const input = graph.nodes.find((node) => node.kind === 'input');
    const random = new Random(1);
    const images = Float32Array.from({ length: batch * (input?.shape.reduce((a, b) => a * b, 1) ?? 0) }, () =>
      random.normal(),
    );
    const data = { images, targets: new Int32Array(batch), learningRate: 0 };
    let stepMs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 5; i++) {
      const started = performance.now();
      trainer.step(data);
      stepMs = Math.min(stepMs, performance.now() - started);
    }
    const ops = new Map(graph.nodes.map((node) => [node.name, node.kind]));
    const layers = (await trainer.profile()).map((layer) => ({ ...layer, op: ops.get(layer.node) ?? '' }));
    const sum = (of: 'forward' | 'backward') => layers.reduce((total, layer) => total + layer[of], 0);
    return {
      name: graph.name,
      batch,
      layers,
      forwardMs: sum('forward'),
      backwardMs: sum('backward'),
      stepMs,
      peakBytes: trainer.memory.peakBytes,
      relaxed: trainer.relaxed,
    };
  } finally {
    trainer.dispose();
  }
}

export function printTrainingProfile(measured: TrainingProfile): void {
  const { dim, bold } = outColors;
  const { batch, layers, forwardMs, backwardMs, stepMs, peakBytes } = measured;
  const all = forwardMs + backwardMs;
  const rows = layers.map(({ node, op, forward, backward }) => [
    node,
    op,
    `${forward.toFixed(3)} ms`,
    `${backward.toFixed(3)} ms`,
    `${((100 * (forward + backward)) / all).toFixed(1)} %`,
  ]);
  print(bold(`${measured.name}, a training step of ${batch} pictures, one thread`));
  print();
  const head = ['layer', 'op', 'forward', 'backward', 'of all'].map((text) => dim(text));
  print(table([head, ...rows], 'llrrr'));
  print();
  const totals = [
    ['forward', milliseconds(forwardMs)],
    ['backward', milliseconds(backwardMs)],
    ['a whole step', bold(milliseconds(stepMs))],
    ['memory', byteSize(peakBytes)],
  ];
  print(table(totals, 'lr'));
  print(
    dim('batch norm counts for the activation that it is fused with; layers one by one, the step as usual'),
  );
}
