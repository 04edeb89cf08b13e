/**
 * Post-training quantisation: from a graph, its weights and the statistics of its values to a quantised network and a
 * plan that says each value's range and noise. Pure; pictures are run by whoever calibrates (src/quantize-network.ts),
 * and biases are corrected afterwards (bias-correction.ts).
 */
import type { Graph, Weights } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import { eliminateDeadNodes } from '../eliminate-dead-nodes.js';
import { foldForInference } from '../fold-for-inference.js';
import type { Operation } from '../fuse.js';
import { filterUnits } from './arithmetic.js';
import { equalise } from './equalise.js';
import { quantizeFilter, realFilter } from './filters.js';
import {
  classValues,
  cuts,
  type Granularity,
  leastRanges,
  mergeStatistics,
  sharedHalves,
} from './granularity.js';
import type { QuantizedNetwork, ScaleRun } from './network.js';
import { filterNode, floatValues, int8Operations, keepsScales, operationsOf } from './operations.js';
import { chooseRun, enliven, type RangeMethod, signalToNoise, tailReach } from './ranges.js';
import { resolveScales } from './scales.js';
import type { ValueStatistics } from './statistics.js';

export interface QuantizeOptions {
  /** How ranges are chosen. Default 'tail'. */
  readonly ranges?: RangeMethod;
  /** Other ways for the outputs of single layers, by the name of the convolution or linear layer. */
  readonly rangesOf?: ReadonlyMap<string, RangeMethod>;
  /** What has a range of its own. Default 'equalised'. */
  readonly granularity?: Granularity;
}

/** One value of the plan. */
export interface QuantizationStep {
  readonly value: string;
  readonly kind: string;
  readonly runs: readonly ScaleRun[];
  /** Signal to noise of storing the value in its steps, in decibels; of a Ghost module the worse half's. */
  readonly sqnr: number;
}

export interface QuantizationResult {
  readonly network: QuantizedNetwork;
  readonly plan: readonly QuantizationStep[];
}

/** What is quantised: the graph with branches and batch norm folded and dead nodes gone. */
export interface Prepared {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly outputNames: readonly string[];
  /** Values whose statistics are needed. */
  readonly observed: readonly string[];
}

export function prepareQuantization(graph: Graph, weights: Weights): Prepared {
  const folded = foldForInference(graph, weights);
  const clean = eliminateDeadNodes(folded.graph, folded.weights);
  const operations = operationsOf(int8Operations(clean.graph));
  const observed = operations.map(({ output }) => output);
  return { graph: clean.graph, weights: clean.weights, outputNames: graph.outputs, observed };
}

/**
 * `statistics` has an entry for each of `prepared.observed`. Throws RangeError `NOT_QUANTIZABLE`.
 */
export function quantizePrepared(
  prepared: Prepared,
  statistics: ReadonlyMap<string, ValueStatistics>,
  options: QuantizeOptions = {},
): QuantizationResult {
  const { ranges = 'tail', granularity = 'equalised' } = options;
  const { graph, weights, outputNames } = prepared;
  const shapes = inferShapes(graph);
  const fused = int8Operations(graph);
  const floats = floatValues(graph, fused, shapes);
  const operations = operationsOf(fused);
  const shared = granularity === 'tensor' ? sharedHalves(graph) : new Map<string, readonly string[]>();
  const classes = classValues(graph, fused, shapes);
  const parts = new Map<string, readonly number[]>();
  const values = new Map<string, readonly ScaleRun[]>();

  for (const operation of operations) {
    const { output, activation } = operation;
    const own = statistics.get(output);
    if (!own || floats.has(output) || keepsScales(operation)) continue;
    const partners = (shared.get(output) ?? [output]).flatMap((name) => statistics.get(name) ?? []);
    const joint = mergeStatistics(partners);
    const halves = cuts(operation, own.min.length, 'half');
    const edges = cuts(operation, own.min.length, granularity);
    const wanted = options.rangesOf?.get(filterNode(operation)?.name ?? '') ?? ranges;
    const how = wanted === 'tail' && (classes.has(output) || endsAtMost(operation, own)) ? 'minmax' : wanted;
    const least =
      granularity === 'equalised'
        ? leastRanges(own, halves, how, classes.has(output) ? 1 : undefined)
        : undefined;
    const picked = edges.slice(1).map((end, i): ScaleRun => {
      const from = edges[i] as number;
      if (partners.length > 1)
        return { ...chooseRun(joint, 0, joint.min.length, activation, how), channels: end - from };
      return chooseRun(own, from, end, activation, how, least?.[from]);
    });
    const runs = enliven(picked);
    values.set(output, runs);
    parts.set(output, halves);
  }

  const chosen = granularity === 'equalised' ? equalise(prepared, values, fused, shapes) : values;
  const scales = resolveScales({ graph, values: chosen }, fused, shapes);
  const filters = new Map<string, ReturnType<typeof quantizeFilter>>();
  for (const operation of operations) {
    const node = filterNode(operation);
    const filter = realFilter(operation, weights);
    const x = node && scales.get(node.inputs[0] as string);
    if (!node || !filter || !x) continue;
    const out = floats.has(operation.output) ? undefined : scales.get(operation.output);
    // a Ghost module's end: its filter makes the last channels
    const steps = out?.scale.slice(-filter.outputs);
    const units = steps && filterUnits(operation.activation, steps, operation.residual !== null);
    filters.set(node.name, quantizeFilter(filter, x, units));
  }
  const plan = operations.flatMap((operation): QuantizationStep[] => {
    const value = operation.output;
    const [runs, own, edges] = [chosen.get(value), statistics.get(value), parts.get(value)];
    if (!runs || !own || !edges) return [];
    const noises = edges.slice(1).map((end, i) => signalToNoise(own, runs, edges[i] as number, end));
    return [{ value, kind: kindOf(operation), runs, sqnr: Math.min(...noises) }];
  });
  const used = new Set(
    operations.flatMap(({ affine }) =>
      affine ? [affine.scale, affine.shift, affine.mean, affine.variance] : [],
    ),
  );
  const kept = new Map([...weights].filter(([name]) => used.has(name)));
  return { network: { graph, outputNames, weights: kept, filters, values: chosen }, plan };
}

/** Whether no new picture can bring greater values, or values that pile up at the greatest would be cut off. */
function endsAtMost({ root, activation }: Operation, { count }: ValueStatistics): boolean {
  if (root.kind === 'node' && root.node.kind === 'input') return true;
  if (activation === 'relu6') return tailReach(count) < 1;
  return activation === 'hardSigmoid' || activation === 'sigmoid';
}

function kindOf({ root }: Operation): string {
  return root.kind === 'node' ? root.node.kind : root.kind;
}

/** The plan as text: one line a value, its range and noise; halves of a Ghost module side by side. */
export function printQuantizationPlan(plan: readonly QuantizationStep[]): string {
  const real = (value: number): string => value.toPrecision(3);
  return plan
    .map(({ value, kind, runs, sqnr }) => {
      const shown = runs
        .slice(0, 2)
        .map(({ scale, zeroPoint }) => `[${real(-zeroPoint * scale)}, ${real((127 - zeroPoint) * scale)}]`);
      const more = runs.length > 2 ? ` and ${runs.length - 2} more` : '';
      return `${value} (${kind}): ${shown.join(' | ')}${more}, ${sqnr.toFixed(1)} dB`;
    })
    .join('\n');
}
