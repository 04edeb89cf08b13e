/**
 * G-Ghost-RegNet (Han et al. 2022, "GhostNets on heterogeneous devices"): RegNetX whose long stages compute half of
 * the channels through all blocks and the other half cheaply from the first one, corrected by a mix of what the blocks
 * in between say. Names are the official code's.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit } from './conv-unit.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';

/** Blocks and channels of the four stages, channels a group. */
export const gGhostRegNetRows = {
  '002': { depths: [1, 1, 4, 7], widths: [24, 56, 152, 368], groupWidth: 8 },
  '004': { depths: [1, 2, 7, 12], widths: [32, 64, 160, 384], groupWidth: 16 },
  '032': { depths: [2, 6, 15, 2], widths: [96, 192, 432, 1008], groupWidth: 48 },
  '040': { depths: [2, 5, 14, 2], widths: [80, 240, 560, 1360], groupWidth: 40 },
  '080': { depths: [2, 5, 15, 1], widths: [80, 240, 720, 1920], groupWidth: 120 },
  '160': { depths: [2, 6, 13, 1], widths: [256, 512, 896, 2048], groupWidth: 128 },
} as const;

export interface GGhostRegNetOptions extends FamilyOptions {
  readonly variant: keyof typeof gGhostRegNetRows;
}

/** RegNet's X block; `shortcut`: a convolution, the first channels of the input, or the input. */
function block(
  g: GraphBuilder,
  name: string,
  x: string,
  options: {
    readonly out: number;
    readonly stride?: number;
    readonly groupWidth: number;
    readonly shortcut: 'conv' | 'none';
  },
): string {
  const { out, stride = 1, groupWidth } = options;
  const conv = (y: string, at: number, kernel: number, s: number, groups: number, relu: boolean): string =>
    convUnit(g, y, {
      outChannels: out,
      kernel,
      stride: s,
      groups,
      activation: relu ? 'relu' : null,
      names: [`${name}.conv${at}`, `${name}.bn${at}`, `${name}.bn${at}.relu`],
    });
  let y = conv(x, 1, 1, 1, 1, true);
  y = conv(y, 2, 3, stride, Math.floor(out / Math.min(out, groupWidth)), true);
  y = conv(y, 3, 1, 1, 1, false);
  const short =
    options.shortcut === 'conv'
      ? convUnit(g, x, {
          outChannels: out,
          stride,
          activation: null,
          names: [`${name}.downsample.0`, `${name}.downsample.1`, ''],
        })
      : x;
  return g.activation(`${name}.relu`, g.add(`${name}.add`, y, short), 'relu');
}

/** A stage whose later blocks are partly cheap (figure 5 of that paper). */
function ghostStage(
  g: GraphBuilder,
  name: string,
  x: string,
  options: { readonly out: number; readonly blocks: number; readonly groupWidth: number },
): string {
  const { out, blocks, groupWidth } = options;
  const base = block(g, `${name}.base`, x, { out, stride: 2, groupWidth, shortcut: 'conv' });
  const narrow = Math.floor(groupWidth * 0.75);
  const raw = Math.floor((out * 0.5) / narrow) * narrow;
  const cheap = out - raw;
  const maps = [base];
  let e = g.slice(`${name}.raw`, base, 0, raw);
  for (let i = 0; i < blocks - 2; i++) {
    e = block(g, `${name}.layers.${i}`, e, { out: raw, groupWidth: narrow, shortcut: 'none' });
    maps.push(e);
  }
  // the mean of a concatenation is the concatenation of the means
  let mix = g.concat(
    `${name}.merge.concat`,
    maps.map((map, i) => g.globalAvgPool(`${name}.merge.0.${i}`, map)),
  );
  mix = convUnit(g, mix, {
    outChannels: cheap,
    activation: 'relu',
    names: [`${name}.merge.1`, `${name}.merge.2`, `${name}.merge.3`],
  });
  mix = convUnit(g, mix, {
    outChannels: cheap,
    activation: null,
    names: [`${name}.merge.4`, `${name}.merge.5`, ''],
  });
  let c = g.slice(`${name}.rest`, base, raw, out);
  c = convUnit(g, c, {
    outChannels: cheap,
    activation: null,
    names: [`${name}.cheap.0`, `${name}.cheap.1`, ''],
  });
  // a sum that is broadcast over the pixels: the vector is enlarged to the map's size
  const [, , h = 1, w = 1] = g.shape(c);
  c = g.add(`${name}.cheap.add`, c, g.upsample(`${name}.merge.spread`, mix, [h, w]));
  c = g.activation(`${name}.cheap_relu`, c, 'relu');
  return block(g, `${name}.end`, g.concat(`${name}.concat`, [e, c]), { out, groupWidth, shortcut: 'none' });
}

/**
 * Input `input` [3, H, W] of a fixed size (a vector is spread over maps); output `fc` [N, classes]. Width multiplies
 * the channels of the stages, rounded to whole groups, at least two.
 */
export function gGhostRegNet(options: GGhostRegNetOptions): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2 } = options;
  const { depths, widths, groupWidth } = gGhostRegNetRows[options.variant];
  const scaled = (channels: number): number =>
    width === 1 ? channels : Math.max(2, Math.round((channels * width) / groupWidth)) * groupWidth;
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: 32,
    kernel: 3,
    stride: 2,
    activation: 'relu',
    names: ['conv1', 'bn1', 'relu'],
  });
  depths.forEach((blocks, stage) => {
    const name = `layer${stage + 1}`;
    const out = scaled(widths[stage] ?? 0);
    if (stage > 0 && blocks > 2) {
      x = ghostStage(g, name, x, { out, blocks, groupWidth });
      return;
    }
    for (let i = 0; i < blocks; i++)
      x = block(g, `${name}.${i}`, x, {
        out,
        stride: i === 0 ? 2 : 1,
        groupWidth,
        shortcut: i === 0 ? 'conv' : 'none',
      });
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}

export const gGhostRegNetEntries: readonly ModelEntry[] = (
  ['002', '032', '040', '080', '160'] as const
).flatMap((variant) =>
  imagenetEntries(
    {
      name: `g_ghost_regnetx_${variant}`,
      summary: `G-Ghost-RegNetX ${Number(variant) / 10} GF (Han et al. 2022)`,
      ghost: false,
    },
    (options) => gGhostRegNet({ ...options, variant }),
  ),
);
