/**
 * Channel pruning by least-squares reconstruction: channels are chosen by what the layers that read them can do
 * without (He et al. 2017 by lasso, or ThiNet's greedy choice), then those layers are refitted to say again what they
 * said. Needs calibration pictures. Every residual stream, concat and Ghost module is chosen as one, by all its readers.
 */
import { rangeError } from '../../errors.js';
import { inferShapes } from '../../graph/shapes.js';
import type { Calibration } from '../compression.js';
import { convolutionForm } from '../coupling/analyze.js';
import type { KeepCounts } from '../prune/choose.js';
import type { PruneOptions } from '../prune/options.js';
import { type PruneContext, prunePass } from '../prune/prune-pass.js';
import { filterScores, weightOf } from '../prune/scores.js';
import { reconstruct } from './reconstruct.js';
import { inputsPerOutput, Moments, type Reader, visitInputs } from './samples.js';
import { contributions, type Selection, selectionWorth } from './select.js';

export interface ChannelPruningOptions extends PruneOptions {
  /** How channels are chosen. Default `lasso`. */
  readonly selection?: Selection;
  /** Places of a picture where a layer is sampled, at most. Default 16. */
  readonly perPicture?: number;
  /** Pull of the old weights in the refit, as a share of the inputs' mean variance. Default: chosen by pictures held out. */
  readonly ridge?: number;
}

/** Above this many inputs of one output a layer is not fitted (its products would need more than a gigabyte). */
const mostInputs = 12_000;

/** Layers that can be refitted: they read channels that may go. Grouped convolutions only lose weights. */
function readersOf(
  context: PruneContext<ChannelPruningOptions>,
  changed: (group: string) => boolean,
): Reader[] {
  const names = new Set(
    context.groups.filter(({ name }) => changed(name)).flatMap(({ consumers }) => consumers),
  );
  return context.graph.nodes.filter(
    (node): node is Reader =>
      names.has(node.name) &&
      (node.kind === 'linear' || (node.kind === 'conv2d' && convolutionForm(node) === 'dense')) &&
      inputsPerOutput(node) <= mostInputs,
  );
}

function pictures(calibration: Calibration | undefined): Calibration {
  if (!calibration)
    throw rangeError(
      'NO_CALIBRATION',
      'cp: channel pruning fits weights to what layers see; give calibration pictures',
    );
  return calibration;
}

/** Worth of each unit by what the readers of its group would miss. */
async function worthForCounts(
  context: PruneContext<ChannelPruningOptions>,
  counts: KeepCounts,
): Promise<Float64Array> {
  const { graph, weights, coupling, groups, options } = context;
  const { perPicture = 16, selection = 'lasso' } = options;
  const shrinking = groups.filter(({ name, units }) => (counts.get(name) ?? units.length) < units.length);
  const names = new Set(shrinking.map(({ name }) => name));
  const readers = readersOf(context, (name) => names.has(name));
  const moments = new Map(readers.map((node) => [node.name, new Moments(inputsPerOutput(node))]));
  const shapes = inferShapes(graph);
  const outputShape = (name: string): readonly number[] => shapes.get(name) ?? [];
  if (readers.length > 0)
    await visitInputs(
      { graph, weights },
      pictures(context.calibration),
      readers,
      { perPicture, outputShape },
      (node, x) => moments.get(node.name)?.add(x),
    );
  const parts = readers.map((node) => {
    const units = coupling.units.get(node.inputs[0] as string) as Int32Array;
    const matrix = contributions(
      moments.get(node.name) as Moments,
      weightOf(weights, node.weight).data,
      units.length,
    );
    moments.delete(node.name);
    return { node, units, matrix };
  });
  const scores = filterScores(graph, weights, coupling, 'l2');
  for (const { name, units, consumers } of shrinking) {
    const size = units.length;
    const place = new Map(units.map((unit, i) => [unit, i]));
    const joint = new Float64Array(size * size);
    for (const part of parts) {
      if (!consumers.includes(part.node.name)) continue;
      const own = Array.from(part.units, (unit) => place.get(unit));
      const channels = own.flatMap((at, c) => (at === undefined ? [] : [[c, at] as const]));
      for (const [c, at] of channels)
        for (const [d, other] of channels)
          joint[at * size + other] =
            (joint[at * size + other] as number) + (part.matrix[c * own.length + d] as number);
    }
    if (joint.every((value) => value === 0)) continue;
    const worth = selectionWorth(selection, joint, size, counts.get(name) ?? size);
    units.forEach((unit, i) => {
      scores[unit] = worth[i] as number;
    });
  }
  return scores;
}

/** Throws RangeError `NO_CALIBRATION` when applied without pictures. */
export const channelPruning = prunePass<ChannelPruningOptions>({
  name: 'cp',
  summary:
    'removes what the next layers miss least and refits those (He et al. 2017; ThiNet, Luo et al. 2017)',
  scope: 'each',
  score: ({ graph, weights, coupling }) => filterScores(graph, weights, coupling, 'l2'),
  rescore: worthForCounts,
  repair(context, removed) {
    const { graph, weights, coupling, options, calibration } = context;
    const { perPicture = 16, ridge } = options;
    const touched = (name: string): boolean =>
      context.groups.some((group) => group.name === name && group.units.some((unit) => removed.has(unit)));
    return reconstruct(
      { graph, weights },
      coupling,
      removed,
      readersOf(context, touched),
      pictures(calibration),
      { perPicture, ...(ridge === undefined ? {} : { ridge }) },
    );
  },
});
