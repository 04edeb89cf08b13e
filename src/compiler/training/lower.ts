/**
 * Training graph to steps over memory: forward nodes in order, the loss, then the gradients in reverse. Decides where
 * values live (both halves of a concatenation in one buffer) and which borders they need.
 */
import type { TrainingGraph } from '../../autodiff/nodes.js';
import type { Graph } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import { LoweringContext } from './context.js';
import type { TraitsOf } from './convolution-weights.js';
import type { NormState } from './lower-batch-norm.js';
import { gradientBorder } from './lower-convolution-gradient.js';
import { lowerForward } from './lower-forward.js';
import { lowerGradient } from './lower-gradient.js';
import { convolutionOf, isView, type Lowering } from './lowering.js';
import type { MapBuffer, View } from './maps.js';
import { remake } from './recompute.js';

/** Creates the state of a lowering: views and borders are decided, nothing is emitted. */
export function beginLowering(
  graph: Graph,
  training: TrainingGraph,
  options: { readonly batch: number; readonly threads: number; readonly traits: TraitsOf },
): Lowering {
  const context = new LoweringContext(options.batch, options.threads);
  const shapes = inferShapes(graph, { batch: 1 });
  const sizes = new Map<string, readonly [number, number, number]>();
  for (const [name, [, c = 1, h = 1, w = 1]] of shapes) sizes.set(name, [c, h, w]);
  const sizeOf = (name: string): readonly [number, number, number] => sizes.get(name) ?? [1, 1, 1];

  const borders = new Map<string, number>();
  const gradientBorders = new Map<string, number>();
  const raise = (map: Map<string, number>, name: string, border: number): void => {
    map.set(name, Math.max(map.get(name) ?? 0, border));
  };
  // where a value is part of another's buffer: concatenations, and readers that only rename
  const placed = new Map<string, { readonly root: string; readonly offset: number }>();
  for (const node of training.forward) {
    const [x = ''] = node.inputs;
    const conv = convolutionOf(node);
    if (conv) raise(borders, x, Math.max(...conv.padding));
    if (node.kind === 'concat') {
      let offset = 0;
      for (const part of node.inputs) {
        const producer = training.forward.find(({ name }) => name === part);
        const own = producer && !isView(producer, sizeOf) && producer.kind !== 'input';
        if (own && offset % 4 === 0 && !placed.has(part)) placed.set(part, { root: node.name, offset });
        offset += sizeOf(part)[0];
      }
      // channels after an odd part would not begin on a quad
      let at = 0;
      for (const part of node.inputs) {
        const end = at + sizeOf(part)[0];
        const last = end === sizeOf(node.name)[0];
        if (end % 4 !== 0 && !last && placed.get(part)?.root === node.name) placed.delete(part);
        at = end;
      }
    }
    if (isView(node, sizeOf))
      placed.set(node.name, { root: x, offset: node.kind === 'slice' ? node.start : 0 });
  }
  const rootOf = (name: string): string => {
    const place = placed.get(name);
    return place ? rootOf(place.root) : name;
  };
  const rootBorders = new Map<string, number>();
  for (const [name, border] of borders) raise(rootBorders, rootOf(name), border);

  const views = new Map<string, View>();
  const view = (name: string): View => {
    const known = views.get(name);
    if (known) return known;
    const [channels, height, width] = sizeOf(name);
    const place = placed.get(name);
    let made: View;
    if (place) {
      const root = view(place.root);
      made = { buffer: root.buffer, offset: root.offset + place.offset, channels };
    } else {
      const buffer = context.buffer(name, height, width, channels, rootBorders.get(name) ?? 0);
      made = { buffer, offset: 0, channels };
    }
    views.set(name, made);
    return made;
  };

  for (const node of training.forward) {
    const conv = convolutionOf(node);
    const [x = ''] = node.inputs;
    if (conv) raise(gradientBorders, node.name, gradientBorder(conv, view(x), view(node.name)));
    else if (['concat', 'add', 'addRelu', 'identity'].includes(node.kind))
      for (const input of node.inputs) raise(gradientBorders, node.name, gradientBorders.get(input) ?? 0);
  }
  const norms = new Map<string, NormState>();
  return { context, graph, training, traits: options.traits, sizes, views, gradientBorders, norms, view };
}

/**
 * Emits all forward and backward steps. `onLoss` emits the loss between them; `recompute`: outputs of batch norm are not
 * kept for the backward pass.
 */
export function lowerTraining(lowering: Lowering, recompute: boolean, onLoss: () => void): void {
  const { context, training } = lowering;
  context.phase = 'forward';
  for (const node of training.forward) {
    context.node = node.name;
    lowerForward(lowering, node);
  }
  context.program = 'train';
  context.phase = 'loss';
  context.node = training.output;
  onLoss();
  context.phase = 'backward';
  context.barrier();
  const remade = new Set<MapBuffer>();
  for (const gradient of training.backward) {
    context.node = gradient.of.name;
    if (recompute) remake(lowering, gradient.of, remade);
    lowerGradient(lowering, gradient);
    context.release(gradient.of.name);
  }
}
