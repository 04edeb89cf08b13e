/** The plan of any compression pass as a table for people. */
import type { CompressionPlan, LayerPlan } from '../../passes/compression.js';
import { grouped, outColors, table } from '../terminal.js';

function what(row: LayerPlan): string {
  const { apply, settings, reason, error } = row;
  const words = Object.entries(settings).map(([key, value]) => `${key} ${value}`);
  if (!apply) return outColors.dim(`left: ${reason ?? 'by the plan'}`);
  const missed = error === undefined ? '' : `, error ${(100 * error).toPrecision(2)} %`;
  return `${words.join(', ') || (reason ?? '')}${missed}`;
}

/** A row a convolution or linear layer, then the totals of the network and how many times they shrink. */
export function printCompressionPlan(plan: CompressionPlan): string {
  const { dim, bold } = outColors;
  const head = ['layer', 'shape', 'params', 'then', 'MACs', 'then', 'what is done'].map((text) => dim(text));
  const rows = plan.layers.map((row) => {
    const changed = row.before.macs !== row.after.macs || row.before.params !== row.after.params;
    return [
      row.layer,
      row.shape,
      grouped(row.before.params),
      changed ? grouped(row.after.params) : '',
      grouped(row.before.macs),
      changed ? grouped(row.after.macs) : '',
      what(row),
    ];
  });
  const { before, after } = plan;
  const total = [
    bold('whole network'),
    '',
    grouped(before.params),
    bold(grouped(after.params)),
    grouped(before.macs),
    bold(grouped(after.macs)),
    `${(before.params / after.params).toFixed(2)}x fewer params, ${(before.macs / after.macs).toFixed(2)}x fewer MACs`,
  ];
  return table([head, ...rows, total], 'llrrrrl');
}
