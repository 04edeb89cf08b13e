/** Where the output of an operation with a residual goes, and the residual's operand. */
import type { Operation } from '../passes/fuse.js';
import { planeBytes, quadSpan, type View } from './layout.js';
import type { LoweringContext } from './lowering-context.js';
import { none, type Operand } from './program.js';
import type { Size } from './storage.js';

/** Where an output goes: over its residual when nothing reads that later, else to a fresh place. */
export function placeOutput(
  context: LoweringContext,
  operation: Operation,
  size: Size,
  layout: Int32Array,
  quads: number,
  reads: readonly View[],
): { readonly out: View; readonly residual: View | null } {
  let residual: View | null = null;
  if (operation.residual !== null)
    residual = context.conform(operation.residual, context.view(operation.residual), layout);
  // logits of int8 networks are floats, their residual is not
  const fits =
    residual !== null && spanLength(residual) === quads && planeBytes(residual) === planeBytes(size);
  if (residual && fits && context.storage.canOverwrite(residual, operation, reads))
    return { out: context.storage.overwrite(residual, operation.output), residual };
  return { out: context.storage.place(operation.output, size, layout, quads), residual };
}

export function spanLength(view: View): number {
  const { first, end } = quadSpan(view.positions);
  return end - first;
}

export function residualOperand(context: LoweringContext, residual: View | null, firstQuad: number): Operand {
  if (!residual) return none;
  return context.quads(residual, 'read', quadSpan(residual.positions).first + firstQuad);
}
