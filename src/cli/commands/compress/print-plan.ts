/** The plan of any compression pass as a table for people. */
import type { CompressionPlan, LayerCost, LayerPlan } from '../../../passes/compression.js';
import { grouped, outColors, table } from '../../output/terminal.js';

function what(row: LayerPlan): string {
  const { apply, settings, reason, error } = row;
  const words = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
  if (!apply) return outColors.dim(`left: ${reason ?? 'by the plan'}`);
  const missed = error === undefined ? '' : `, error ${(100 * error).toPrecision(2)} %`;
  return `${words.join(', ') || (reason ?? '')}${missed}`;
}

const sizeOf = ({ bytes, params }: LayerCost): number => bytes ?? params;

/**
 * A row a convolution or linear layer, then the totals of the network and how many times they shrink. Bytes stand in
 * place of params where the pass changes them.
 */
export function printCompressionPlan(plan: CompressionPlan): string {
  const { dim, bold } = outColors;
  const size = plan.before.bytes === undefined ? 'params' : 'bytes';
  const head = ['layer', 'shape', size, 'then', 'MACs', 'then', 'what is done'].map((text) => dim(text));
  const rows = plan.layers.map((row) => {
    const [sized, counted] = [sizeOf(row.before) !== sizeOf(row.after), row.before.macs !== row.after.macs];
    return [
      row.layer,
      row.shape,
      grouped(sizeOf(row.before)),
      sized || counted ? grouped(sizeOf(row.after)) : '',
      grouped(row.before.macs),
      counted || (sized && size === 'params') ? grouped(row.after.macs) : '',
      what(row),
    ];
  });
  const { before, after } = plan;
  const total = [
    bold('whole network'),
    '',
    grouped(sizeOf(before)),
    bold(grouped(sizeOf(after))),
    grouped(before.macs),
    bold(grouped(after.macs)),
    `${(sizeOf(before) / sizeOf(after)).toFixed(2)}x fewer ${size}, ${(before.macs / after.macs).toFixed(2)}x fewer MACs`,
  ];
  return table([head, ...rows, total], 'llrrrrl');
}
