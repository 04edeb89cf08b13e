/**
 * Less memory for more time: outputs of batch norm are not kept from the forward to the backward pass but made again from
 * its inputs, which are kept, just before a gradient reads them (Chen et al. 2016, with the cheapest of segments). The
 * same kernel makes them of the same numbers, so nothing changes to the bit.
 */
import type { ForwardNode } from '../../autodiff/nodes.js';
import { applyNorm } from './lower-batch-norm.js';
import { convolutionOf, isView, type Lowering } from './lowering.js';
import type { MapBuffer } from './maps.js';

/** Values that the gradient of a node reads besides gradients. */
function readBack(node: ForwardNode): readonly string[] {
  if (convolutionOf(node)) return node.inputs.slice(0, 1);
  switch (node.kind) {
    case 'maxPool':
      return [...node.inputs, node.name];
    case 'activation':
    case 'batchNormActivation':
    case 'mul':
      return node.inputs;
    case 'addRelu':
    case 'softmax':
      return [node.name];
    default:
      return [];
  }
}

/** Makes what the gradient of `node` reads, where it was not kept. `done` remembers what has been made. */
export function remake(lowering: Lowering, node: ForwardNode, done: Set<MapBuffer>): void {
  const { context, training, views, view, norms, sizes } = lowering;
  const sizeOf = (name: string): readonly [number, number, number] => sizes.get(name) ?? [1, 1, 1];
  for (const read of readBack(node)) {
    const kept = view(read).buffer;
    if (done.has(kept)) continue;
    done.add(kept);
    const makers = training.forward.filter(
      (other) => !isView(other, sizeOf) && views.get(other.name)?.buffer === kept,
    );
    const again = makers.every(
      (maker) =>
        maker.kind === 'batchNormActivation' ||
        (maker.kind === 'concat' && maker.inputs.every((part) => views.get(part)?.buffer === kept)),
    );
    if (!again) continue;
    const { label, height, width, stored, border } = kept;
    const made = context.buffer(`${label} again`, height, width, stored, border);
    done.add(made);
    for (const [name, old] of views) if (old.buffer === kept) views.set(name, { ...old, buffer: made });
    for (const { name } of makers) {
      const state = norms.get(name);
      if (state) applyNorm(context, state, view(name));
    }
  }
}
