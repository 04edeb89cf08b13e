/**
 * Measures a plan on this machine: each layer is compiled alone, as it is and as the Ghost module it would become (with
 * what follows them), and both run in turns. Layers of the same form are measured once.
 */
import { createNetwork } from '../../../create-network.js';
import { GraphBuilder } from '../../../graph/builder.js';
import { type Graph, nodeParameters } from '../../../graph/graph.js';
import { inferShapes } from '../../../graph/shapes.js';
import { initializeWeights } from '../../../models/initialize.js';
import type { LayerCost } from '../../../passes/compression.js';
import type { GhostLayerPlan } from '../../../passes/ghostify/options.js';
import { costAfter, type GhostPlan } from '../../../passes/ghostify/plan.js';
import { rewrite } from '../../../passes/ghostify/rewrite.js';
import { findUnits, type Unit } from '../../../passes/ghostify/units.js';
import { measure } from '../../measure/measure.js';

/** The unit alone on an input of its own. */
function alone(graph: Graph, unit: Unit, inputShape: readonly number[]): Graph {
  const g = new GraphBuilder(unit.conv.name);
  let x = g.input('input', inputShape);
  for (const node of [unit.conv, unit.norm, unit.activation]) {
    if (!node) continue;
    const parameters = Object.fromEntries(
      nodeParameters(node).map((name) => [name, graph.parameters[name] as Graph['parameters'][string]]),
    );
    x = g.addNode({ ...node, inputs: [x] }, parameters);
  }
  return g.build([x]);
}

/** Whether the plan knows a Ghost module for the layer. */
function canChange({ apply, before, after }: GhostLayerPlan): boolean {
  return apply || after.macs !== before.macs;
}

/** Milliseconds of the graphs, taking turns. */
async function timeInTurns(graphs: readonly Graph[], threads: number): Promise<number[]> {
  const networks = [];
  try {
    for (const graph of graphs) {
      const network = await createNetwork(graph, initializeWeights(graph, 1), { threads });
      networks.push(network);
      await network.warmUp();
      network.inputView().fill(0.5);
    }
    const timings = await measure(
      networks.map((network) => ({ run: () => network.execute() })),
      { rounds: 7, sliceMs: 6 },
    );
    return timings.map(({ leastMs }) => leastMs);
  } finally {
    for (const network of networks) network.dispose();
  }
}

/**
 * The plan with measured times of all convolutions, of those that could be changed in both forms. Those that got slower
 * are left alone unless `allowSlower`. The caller counts totals anew.
 */
export async function measurePlan(
  graph: Graph,
  plan: GhostPlan,
  options: {
    readonly threads: number;
    readonly allowSlower: boolean;
    readonly onLayer?: (done: number) => void;
  },
): Promise<GhostPlan> {
  const units = new Map(findUnits(graph, { minChannels: 2 }).map((unit) => [unit.conv.name, unit]));
  const shapes = inferShapes(graph);
  const known = new Map<string, readonly number[]>();
  const layers: GhostLayerPlan[] = [];
  for (const [index, layer] of plan.layers.entries()) {
    options.onLayer?.(index);
    const unit = units.get(layer.layer);
    if (!unit) {
      layers.push(layer);
      continue;
    }
    const changes = unit.reason === undefined && canChange(layer);
    const inputShape = (shapes.get(unit.conv.inputs[0] as string) ?? []).slice(1);
    const { name: _, inputs: __, weight: ___, bias, ...form } = unit.conv;
    const key = JSON.stringify([
      form,
      bias !== undefined,
      inputShape,
      unit.norm !== undefined,
      unit.activation?.function,
      changes && layer.settings,
    ]);
    let times = known.get(key);
    if (!times) {
      const plain = alone(graph, unit, inputShape);
      const own = findUnits(plain, { minChannels: 2 })[0] as Unit;
      const module = new Map([[own.conv.name, { unit: own, settings: layer.settings }]]);
      const forms = changes ? [plain, rewrite(plain, module)] : [plain];
      times = await timeInTurns(forms, options.threads);
      known.set(key, times);
    }
    const [before = 0, after = 0] = times;
    if (!changes) {
      const same = (cost: LayerCost): LayerCost => ({ ...cost, measuredMs: before });
      layers.push({ ...layer, before: same(layer.before), after: same(layer.after) });
      continue;
    }
    const slower = after >= before;
    layers.push({
      ...layer,
      before: { ...layer.before, measuredMs: before },
      after: { ...costAfter(unit, layer.settings), measuredMs: after },
      ...(slower
        ? { apply: layer.apply && options.allowSlower, reason: 'measured slower as a Ghost module' }
        : {}),
    });
  }
  return { ...plan, layers };
}
