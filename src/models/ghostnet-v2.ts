/**
 * GhostNetV2 (Tang et al. 2022): GhostNet whose first Ghost module of a bottleneck, from the third bottleneck on, is
 * gated by DFC attention: a map at half resolution through a 1x1, a 1x5 and a 5x1 convolution, squashed and enlarged.
 * GhostNetV3 (Liu et al. 2024) is this network trained with parallel branches; `branches` builds those, the pass
 * `foldBranches` sums them. Names are the official code's.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { ghostModule } from './ghost-module.js';
import { ghostNetStages, imagenetPreprocessing, makeDivisible, squeezeExcite } from './ghostnet.js';
import { branchedDepthwise, branchedGhostModule } from './ghostnet-v3.js';
import { type FamilyOptions, imagenetEntries, type ModelEntry } from './model-entry.js';

export interface GhostNetV2Options extends FamilyOptions {
  /** Parallel branches as GhostNetV3 trains them. Default false. */
  readonly branches?: boolean;
}

/** [N, C, h, w] to [N, C, H, W] by nearest neighbour, as `interpolate` rounds: enlarge by H/gcd, keep every h/gcd-th. */
function nearest(g: GraphBuilder, name: string, x: string, size: readonly [number, number]): string {
  const [, , h = 1, w = 1] = g.shape(x);
  const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
  const [down, across] = [gcd(h, size[0]), gcd(w, size[1])];
  const up = g.upsample(`${name}.upsample`, x, [size[0] / down, size[1] / across]);
  if (h === down && w === across) return up;
  return g.avgPool(`${name}.sample`, up, { kernel: 1, stride: [h / down, w / across] });
}

/** DFC attention (section 3.2 of the V2 paper): the gate [N, outChannels, H, W] for the maps of a Ghost module of `x`. */
function dfcAttention(g: GraphBuilder, name: string, x: string, outChannels: number): string {
  const [, , height = 1, width = 1] = g.shape(x);
  const pooled = height > 1 && width > 1 ? g.avgPool(`${name}.avg_pool`, x, { kernel: 2 }) : x;
  let y = g.batchNorm(`${name}.1`, g.conv2d(`${name}.0`, pooled, { outChannels }));
  const common = { outChannels, groups: outChannels, padding: 'same' } as const;
  y = g.batchNorm(`${name}.3`, g.conv2d(`${name}.2`, y, { ...common, kernel: [1, 5] }));
  y = g.batchNorm(`${name}.5`, g.conv2d(`${name}.4`, y, { ...common, kernel: [5, 1] }));
  return nearest(g, name, g.activation(`${name}.gate_fn`, y, 'sigmoid'), [height, width]);
}

/** Input `input` [3, H, W]; output `classifier` [N, classes]. Width multiplies all channels but the head's 1280. */
export function ghostNetV2(options: GhostNetV2Options): Graph {
  const { width = 1, classes = 1000, inputSize = 224, dropout = 0.2, branches = false } = options;
  const { ratio = 2, cheapKernel = 3 } = options;
  const g = new GraphBuilder(options.name);
  const ghost = (name: string, x: string, outChannels: number, relu: boolean): string => {
    const module = { outChannels, ratio, cheapKernel, activation: relu ? ('relu' as const) : null };
    return branches ? branchedGhostModule(g, name, x, module) : ghostModule(g, name, x, module);
  };
  let x = g.input('input', [3, inputSize, inputSize]);
  const stem = makeDivisible(16 * width);
  x = g.conv2d('conv_stem', x, { outChannels: stem, kernel: 3, stride: 2, padding: 1 });
  x = g.activation('act1', g.batchNorm('bn1', x), 'relu');
  let layer = 0;
  ghostNetStages.forEach((rows, stage) => {
    rows.forEach(([kernel, expanded, channels, se, stride], i) => {
      const name = `blocks.${stage}.${i}`;
      const inChannels = g.channels(x);
      const out = makeDivisible(channels * width);
      const middle = makeDivisible(expanded * width);
      let y = ghost(`${name}.ghost1`, x, middle, true);
      if (layer++ > 1)
        y = g.mul(`${name}.ghost1.attention`, y, dfcAttention(g, `${name}.ghost1.short_conv`, x, middle));
      const depthwise = { kernel, stride, padding: 'same' } as const;
      if (stride > 1 && branches) y = branchedDepthwise(g, name, y, { kernel, stride });
      else if (stride > 1) {
        y = g.conv2d(`${name}.conv_dw`, y, { ...depthwise, outChannels: middle, groups: middle });
        y = g.batchNorm(`${name}.bn_dw`, y);
      }
      if (se > 0) y = squeezeExcite(g, `${name}.se`, y, se);
      y = ghost(`${name}.ghost2`, y, out, false);
      let shortcut = x;
      if (stride !== 1 || inChannels !== out) {
        const s = `${name}.shortcut`;
        shortcut = g.conv2d(`${s}.0`, x, { ...depthwise, outChannels: inChannels, groups: inChannels });
        shortcut = g.conv2d(`${s}.2`, g.batchNorm(`${s}.1`, shortcut), { outChannels: out });
        shortcut = g.batchNorm(`${s}.3`, shortcut);
      }
      x = g.add(`${name}.add`, y, shortcut);
    });
  });
  const last = `blocks.${ghostNetStages.length}.0`;
  x = g.conv2d(`${last}.conv`, x, { outChannels: makeDivisible(960 * width) });
  x = g.activation(`${last}.act1`, g.batchNorm(`${last}.bn1`, x), 'relu');
  x = g.conv2d('conv_head', g.globalAvgPool('global_pool', x), { outChannels: 1280, bias: true });
  x = g.flatten('flatten', g.activation('act2', x, 'relu'));
  if (dropout > 0) x = g.dropout('dropout', x, dropout);
  return g.build([g.linear('classifier', x, { outFeatures: classes })], options.meta ?? {});
}

const meta = { preprocessing: imagenetPreprocessing };

export const ghostNetV2Entries: readonly ModelEntry[] = [1, 1.3, 1.6].flatMap((width) => [
  ...imagenetEntries(
    {
      name: `ghostnetv2-${width.toFixed(1)}x`,
      summary: `GhostNetV2 ${width.toFixed(1)}x with DFC attention (Tang et al. 2022)`,
      aliases: [`ghostnetv2_${Math.round(width * 100)}`],
      ghost: false,
      meta,
    },
    (options) => ghostNetV2({ width, ...options }),
  ),
  ...imagenetEntries(
    {
      name: `ghostnetv3-${width.toFixed(1)}x`,
      summary: `GhostNetV3 ${width.toFixed(1)}x as trained, with parallel branches (Liu et al. 2024)`,
      aliases: [`ghostnetv3_${Math.round(width * 100)}`],
      ghost: false,
      meta,
    },
    (options) => ghostNetV2({ width, ...options, branches: true }),
  ),
]);
