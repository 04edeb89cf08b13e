/** The plan of ghostify as a table for people. */
import type { LayerCost } from '../../../passes/compression.js';
import type { GhostLayerPlan } from '../../../passes/ghostify/options.js';
import type { GhostPlan } from '../../../passes/ghostify/plan.js';
import { bar, grouped, outColors, table } from '../../output/terminal.js';

const ms = (value: number | undefined): string =>
  value === undefined ? '' : value >= 10 ? value.toFixed(1) : value.toPrecision(2);

/** Whether a layer takes longer after the change, by measurement where there is one. */
export function getsSlower({ before, after }: GhostLayerPlan): boolean {
  if (before.measuredMs !== undefined && after.measuredMs !== undefined)
    return after.measuredMs > before.measuredMs;
  return (after.predictedMs ?? 0) > (before.predictedMs ?? 0);
}

function what(layer: GhostLayerPlan): string {
  const { apply, settings, reason } = layer;
  if (!apply) return outColors.dim(`left: ${reason ?? 'by the plan'}`);
  const operation =
    settings.cheapOperation === 'depthwise' ? `d=${settings.cheapKernel}` : settings.cheapOperation;
  const error = layer.error === undefined ? '' : `, error ${(100 * layer.error).toPrecision(2)} %`;
  const slow = getsSlower(layer) ? outColors.yellow(' slower!') : '';
  return `ghost s=${settings.ratio} ${operation}${settings.placement === 'after' ? ' norm after' : ''}${error}${slow}`;
}

function columns(before: LayerCost, after: LayerCost | undefined, measured: boolean): string[] {
  const arrow = (text: (cost: LayerCost) => string): string[] => [text(before), after ? text(after) : ''];
  return [
    ...arrow((cost) => grouped(cost.params)),
    ...arrow((cost) => grouped(cost.macs)),
    ...arrow((cost) => ms(cost.predictedMs)),
    ...(measured ? arrow((cost) => ms(cost.measuredMs)) : []),
  ];
}

/** A row a convolution, then the totals of the network. */
export function printPlanTable(plan: GhostPlan): string {
  const { dim, bold } = outColors;
  const measured = plan.layers.some((layer) => layer.before.measuredMs !== undefined);
  const head = [
    'layer',
    'convolution',
    'params',
    'then',
    'MACs',
    'then',
    'ms, predicted',
    'then',
    ...(measured ? ['ms, measured', 'then'] : []),
    'what is done',
  ];
  const rows = plan.layers.map((layer) => [
    layer.layer,
    layer.shape.replace(/^conv2d /, ''),
    ...columns(
      layer.before,
      // of a layer that was left for a reason, what it would cost; one that the plan leaves stays as it is
      layer.apply || (layer.reason !== undefined && layer.after.macs !== layer.before.macs)
        ? layer.after
        : undefined,
      measured,
    ),
    what(layer),
  ]);
  const changed = plan.layers.filter((layer) => layer.apply).length;
  const total = [
    bold('whole network'),
    '',
    ...columns(plan.before, plan.after, measured),
    `${changed} of ${plan.layers.length} convolutions`,
  ];
  const ratio = (key: 'params' | 'macs' | 'predictedMs' | 'measuredMs'): string => {
    const [a, b] = [plan.before[key], plan.after[key]];
    return a === undefined || !b ? '' : `${(a / b).toFixed(2)}x`;
  };
  const gains = [
    '',
    '',
    '',
    ratio('params'),
    '',
    ratio('macs'),
    '',
    ratio('predictedMs'),
    ...(measured ? ['', ratio('measuredMs')] : []),
    '',
  ];
  const align = `ll${'r'.repeat(measured ? 8 : 6)}l`;
  return table([head.map((text) => dim(text)), ...rows, total, gains], align);
}

/** Reconstruction error of every changed layer, with a bar. */
export function printErrors(plan: GhostPlan): string {
  const { dim } = outColors;
  const rows = plan.layers
    .filter((layer) => layer.error !== undefined)
    .map((layer) => [
      layer.layer,
      `s=${layer.settings.ratio} d=${layer.settings.cheapKernel}`,
      `${(100 * (layer.error ?? 0)).toFixed(2)} %`,
      bar(Math.min(1, layer.error ?? 0), 20).trimEnd(),
    ]);
  return table([['layer', 'form', 'error', 'of its variance'].map((text) => dim(text)), ...rows], 'llrl');
}
