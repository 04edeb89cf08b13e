/**
 * What every compression pass has in common: it plans first, layer by layer, with what each layer costs before and
 * after; the plan prints as a table, goes to JSON and back (perhaps edited in between), and is then applied to graph
 * and weights. The passes themselves are beside this file; how a plan is measured is the caller's affair.
 */
import { FormatError, rangeError } from '../errors.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import type { QuantizedRunner } from './quantize/bias-correction.js';
import type { QuantizedNetwork } from './quantize/network.js';

/** Pictures with which a pass learns what the feature maps hold. */
export interface Calibration {
  /** How many pictures `run` goes through. */
  readonly count: number;
  /**
   * Runs `graph` with `weights` on all pictures, batch after batch, and hands `visit` the values of the named nodes,
   * each [N, C, H, W] or [N, C]. The tensors are only good during the call.
   */
  run(
    graph: Graph,
    weights: Weights,
    nodes: readonly string[],
    visit: (values: ReadonlyMap<string, Tensor>) => void,
  ): Promise<void>;
  /** An engine for a quantised network, one picture at a time. */
  open(network: QuantizedNetwork): Promise<QuantizedRunner>;
}

/** What a layer, or a whole network, costs for one picture. */
export interface LayerCost {
  /** Learned numbers, batch norm's scale and shift included. */
  readonly params: number;
  /** Multiply-accumulates of convolutions and linear layers. */
  readonly macs: number;
  /** Of the stored weights, for passes that change them and not the counts. */
  readonly bytes?: number;
  /** Milliseconds that a model of the machine predicts. */
  readonly predictedMs?: number;
  /** Milliseconds measured on this machine. */
  readonly measuredMs?: number;
}

export type Setting = number | string | boolean;

export interface LayerPlan<Settings = Readonly<Record<string, Setting>>> {
  /** The node that the layer is named after. */
  readonly layer: string;
  /** In a few words, for people: `3x3 s2 64→128`. */
  readonly shape: string;
  /** Whether the pass changes the layer; to be edited. */
  readonly apply: boolean;
  /** How it changes it, in the terms of the pass; to be edited. */
  readonly settings: Settings;
  /** Why the layer is left alone, or what to know about it. */
  readonly reason?: string;
  readonly before: LayerCost;
  /** If applied; for a layer that cannot be changed the same as `before`. */
  readonly after: LayerCost;
  /** Once applied: mean squared error of the layer's output over the variance of the old output; 0 is exact. */
  readonly error?: number;
}

export interface CompressionPlan<Settings = Readonly<Record<string, Setting>>> {
  /** The pass that made it. */
  readonly pass: string;
  /** The network that it is for. */
  readonly network: string;
  readonly layers: readonly LayerPlan<Settings>[];
  /** The whole network. */
  readonly before: LayerCost;
  readonly after: LayerCost;
}

export interface CompressionResult<Settings = Readonly<Record<string, Setting>>> {
  readonly graph: Graph;
  readonly weights: Weights;
  /** Integers that take the place of graph and weights, which then are the floats they were made of. */
  readonly quantized?: QuantizedNetwork;
  /** The plan as applied, with errors filled in where they were measured. */
  readonly plan: CompressionPlan<Settings>;
}

/** A compression pass: pure, plans and applies. `Options` are the pass's own; all have defaults. */
export interface CompressionPass<Options, Settings = Readonly<Record<string, Setting>>> {
  /** One word, as on the command line. */
  readonly name: string;
  /** One line with its source. */
  readonly summary: string;
  plan(
    graph: Graph,
    weights: Weights,
    options?: Options,
    calibration?: Calibration,
  ): Promise<CompressionPlan<Settings>>;
  /**
   * The plan after it was edited: which layers it changes, and what these and the network then cost. Throws like `apply`.
   */
  recount(
    graph: Graph,
    weights: Weights,
    plan: CompressionPlan<Settings>,
    options?: Options,
    calibration?: Calibration,
  ): Promise<CompressionPlan<Settings>>;
  /** Throws RangeError `PLAN_MISFIT` when the plan is for another graph or has settings that cannot be. */
  apply(
    graph: Graph,
    weights: Weights,
    plan: CompressionPlan<Settings>,
    options?: Options,
    calibration?: Calibration,
  ): Promise<CompressionResult<Settings>>;
}

/** The plan as JSON text to be edited. */
export function planToJson(plan: CompressionPlan): string {
  return `${JSON.stringify(plan, null, 2)}\n`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function isCost(value: unknown): boolean {
  return isRecord(value) && ['params', 'macs'].every((key) => Number.isFinite(value[key]));
}

/** A plan read from (edited) JSON. `source` names it in errors. Throws FormatError `PLAN_JSON`. */
export function planFromJson(text: string, source = 'plan'): CompressionPlan {
  const fail = (what: string): never => {
    throw new FormatError('PLAN_JSON', `${source}: ${what}; write one with --save-plan and edit that`);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FormatError('PLAN_JSON', `${source}: not JSON: ${(cause as Error).message}`, { cause });
  }
  if (!isRecord(value)) return fail('expected an object');
  for (const key of ['pass', 'network'])
    if (typeof value[key] !== 'string') fail(`"${key}": expected a text`);
  for (const key of ['before', 'after']) if (!isCost(value[key])) fail(`"${key}": expected { params, macs }`);
  if (!Array.isArray(value['layers'])) return fail('"layers": expected a list');
  for (const [i, layer] of (value['layers'] as unknown[]).entries()) {
    const at = `layers[${i}]`;
    if (!isRecord(layer)) return fail(`${at}: expected an object`);
    if (typeof layer['layer'] !== 'string') fail(`${at}.layer: expected the name of a layer`);
    if (typeof layer['apply'] !== 'boolean') fail(`${at}.apply: expected true or false`);
    if (!isRecord(layer['settings'])) fail(`${at}.settings: expected an object`);
    if (!isCost(layer['before']) || !isCost(layer['after'])) fail(`${at}: expected before and after`);
  }
  return value as unknown as CompressionPlan;
}

/** Throws RangeError `PLAN_MISFIT` unless the plan is of `pass` and names layers of `graph`. */
export function checkPlan(plan: CompressionPlan<unknown>, pass: string, graph: Graph): void {
  const fail = (what: string): never => {
    throw rangeError('PLAN_MISFIT', `plan for "${plan.network}": ${what}`);
  };
  if (plan.pass !== pass) fail(`it is a plan of the pass "${plan.pass}", not of "${pass}"`);
  const names = new Set(graph.nodes.map((node) => node.name));
  for (const { layer } of plan.layers)
    if (!names.has(layer))
      fail(`its layer "${layer}" is not in "${graph.name}"; is the plan for this model?`);
}
