/**
 * The Ghost module (section 3.1, figure 1b, equations 2 and 3): a primary convolution makes m = ceil(n/s) intrinsic
 * maps, a cheap linear operation makes s-1 ghosts of each, both are concatenated and cut to n channels.
 * Node and parameter names are those of the official code (`primary_conv.0`, `cheap_operation.0`, ...), so its
 * checkpoints load as they are. Builds nodes only; bottlenecks and networks are elsewhere.
 */
import { rangeError } from '../errors.js';
import type { GraphBuilder, Pad, Size } from '../graph/builder.js';
import type { CheapOperation } from '../graph/graph.js';
import type { ActivationName, Pair } from '../graph/nodes.js';

/** s and d of every Ghost module of a network. */
export interface GhostOptions {
  readonly ratio: number;
  /** Default 3. */
  readonly cheapKernel?: number;
}

export interface GhostModuleOptions {
  readonly outChannels: number;
  /** k of the primary convolution. Default 1. */
  readonly kernel?: number;
  /** s of the paper, a whole number of at least 1; 1 is the plain convolution. Default 2. */
  readonly ratio?: number;
  /** d of the paper: 1, 3, 5 or 7. Default 3. */
  readonly cheapKernel?: number;
  /** Of the primary convolution. Default 1. */
  readonly stride?: Size;
  /** Of the primary convolution. Default `same`. */
  readonly padding?: Pad | 'same';
  /** Of the primary convolution. Default 1. */
  readonly dilation?: Size;
  /** Biases in both convolutions. Default false. */
  readonly bias?: boolean;
  /** Batch norm after both halves. Default true. */
  readonly batchNorm?: boolean;
  /** Activation after both halves; null for none. Default 'relu'. */
  readonly activation?: ActivationName | null;
  /** m, when it is more than ceil(n / s): at most n. */
  readonly intrinsicChannels?: number;
  /** Of both batch norms. Defaults 1e-5 and 0.1. */
  readonly norm?: { readonly eps?: number; readonly momentum?: number };
  /** The linear operation that makes ghosts. Default 'depthwise'. */
  readonly cheapOperation?: CheapOperation;
  /** Names of the two convolutions inside the module. Default `primary_conv.0` and `cheap_operation.0`. */
  readonly names?: readonly [primary: string, cheap: string];
}

/** The 2x2 Haar analysis filters LL, LH, HL, HH, orthonormal (each of norm 1), row-major. */
export const haarFilters: readonly (readonly number[])[] = [
  [0.5, 0.5, 0.5, 0.5],
  [0.5, 0.5, -0.5, -0.5],
  [0.5, -0.5, 0.5, -0.5],
  [0.5, -0.5, -0.5, 0.5],
];

/** The [dy, dx] of ghost map j for a d x d neighbourhood: all its positions in turn, the centre last. */
export function shiftOffset(j: number, cheapKernel: number): Pair {
  const radius = cheapKernel >> 1;
  const positions: Pair[] = [];
  for (let dy = -radius; dy <= radius; dy++)
    for (let dx = -radius; dx <= radius; dx++) if (dy !== 0 || dx !== 0) positions.push([dy, dx]);
  positions.push([0, 0]);
  return positions[j % positions.length] as Pair;
}

/** Channels a module computes: m intrinsic and m*(s-1) ghosts, at least `outChannels` in all. */
export function ghostChannels(outChannels: number, ratio: number): { intrinsic: number; ghosts: number } {
  const intrinsic = Math.ceil(outChannels / ratio);
  return { intrinsic, ghosts: intrinsic * (ratio - 1) };
}

function check(name: string, options: GhostModuleOptions): void {
  const { ratio = 2, cheapKernel = 3, kernel = 1, outChannels } = options;
  const fail = (argument: string, given: unknown, expected: string): never => {
    throw rangeError(
      'BAD_GHOST_MODULE',
      `Ghost module "${name}": ${argument}: given ${given}, expected ${expected}`,
    );
  };
  if (!Number.isInteger(outChannels) || outChannels < 1)
    fail('outChannels', outChannels, 'a whole number of at least 1');
  if (!Number.isInteger(ratio) || ratio < 1) fail('ratio', ratio, 'a whole number of at least 1');
  if (![1, 3, 5, 7].includes(cheapKernel)) fail('cheapKernel', cheapKernel, '1, 3, 5 or 7');
  if (!Number.isInteger(kernel) || kernel < 1) fail('kernel', kernel, 'a whole number of at least 1');
  const least = Math.ceil(outChannels / ratio);
  const { intrinsicChannels = least } = options;
  if (!Number.isInteger(intrinsicChannels) || intrinsicChannels < least || intrinsicChannels > outChannels)
    fail('intrinsicChannels', intrinsicChannels, `a whole number from ${least} to ${outChannels}`);
}

/**
 * Adds a Ghost module on [N, C, H, W]; returns the node of its output, [N, outChannels, H', W'].
 * Throws RangeError `BAD_GHOST_MODULE`.
 */
export function ghostModule(g: GraphBuilder, name: string, x: string, options: GhostModuleOptions): string {
  check(name, options);
  const { outChannels, ratio = 2, cheapKernel = 3, kernel = 1, bias = false, batchNorm = true } = options;
  const cheapOperation = options.cheapOperation ?? 'depthwise';
  const activation = options.activation === undefined ? 'relu' : options.activation;
  const intrinsic = options.intrinsicChannels ?? ghostChannels(outChannels, ratio).intrinsic;
  const ghosts = intrinsic * (ratio - 1);
  const [primaryName, cheapName] = options.names ?? ['primary_conv.0', 'cheap_operation.0'];
  const before = g.nodeNames.length;

  const finish = (prefix: string, node: string, from: number): string => {
    let y = node;
    if (batchNorm) y = g.batchNorm(`${prefix}.${from}`, y, options.norm);
    if (activation) y = g.activation(`${prefix}.${from + (batchNorm ? 1 : 0)}`, y, activation);
    return y;
  };

  const primary = finish(
    `${name}.primary_conv`,
    g.conv2d(`${name}.${primaryName}`, x, {
      outChannels: intrinsic,
      kernel,
      stride: options.stride ?? 1,
      padding: options.padding ?? 'same',
      dilation: options.dilation ?? 1,
      bias,
    }),
    1,
  );
  let output = primary;
  if (ghosts > 0) {
    const cheap = `${name}.cheap_operation`;
    const raw = cheapNode(g, `${name}.${cheapName}`, primary, {
      cheapOperation,
      ghosts,
      ratio,
      cheapKernel,
      bias,
    });
    const half = cheapOperation === 'identity' ? raw : finish(cheap, raw, 1);
    output = g.concat(`${name}.concat`, [primary, half]);
  }
  if (intrinsic + ghosts > outChannels) output = g.slice(`${name}.slice`, output, 0, outChannels);

  g.recordGhostModule({
    name,
    input: x,
    output,
    nodes: g.nodeNames.slice(before),
    inChannels: g.channels(x),
    outChannels,
    intrinsicChannels: intrinsic,
    ratio,
    kernel,
    cheapKernel,
    cheapOperation,
  });
  return output;
}

/** The linear operation on the m intrinsic maps; channel i*(s-1)+j of its output is ghost j of intrinsic map i. */
function cheapNode(
  g: GraphBuilder,
  name: string,
  primary: string,
  options: {
    readonly cheapOperation: CheapOperation;
    readonly ghosts: number;
    readonly ratio: number;
    readonly cheapKernel: number;
    readonly bias: boolean;
  },
): string {
  const { cheapOperation, ghosts, ratio, cheapKernel, bias } = options;
  const intrinsic = g.channels(primary);
  const perMap = ratio - 1;
  const common = { outChannels: ghosts, groups: intrinsic };
  switch (cheapOperation) {
    case 'depthwise':
      return g.conv2d(name, primary, { ...common, kernel: cheapKernel, padding: 'same', bias });
    case 'affine':
      // y = a x + b for each ghost: a 1x1 depthwise convolution with bias
      return g.conv2d(name, primary, { ...common, kernel: 1, bias: true });
    case 'haar':
      // undecimated: stride 1, the window reaches one pixel right and down
      return g.conv2d(name, primary, { ...common, kernel: 2, padding: [0, 0, 1, 1], constant: true });
    case 'identity':
      return perMap === 1
        ? g.identity(name, primary)
        : interleave(g, name, Array<string>(perMap).fill(primary), intrinsic);
    case 'shift': {
      const offset = (j: number): Pair => shiftOffset(j, cheapKernel);
      if (perMap === 1)
        return g.shift(
          name,
          primary,
          Array.from({ length: intrinsic }, (_, i) => offset(i)),
        );
      const copies = Array.from({ length: perMap }, (_, j) =>
        g.shift(
          `${name}.${j}`,
          primary,
          Array.from({ length: intrinsic }, (_, i) => offset(i * perMap + j)),
        ),
      );
      return interleave(g, name, copies, intrinsic);
    }
  }
}

/** Copies j = 0.. of all maps, reordered so that the ghosts of one intrinsic map stand together. */
function interleave(g: GraphBuilder, name: string, copies: readonly string[], intrinsic: number): string {
  const all = g.concat(`${name}.copies`, copies);
  return intrinsic === 1 ? all : g.shuffle(name, all, copies.length);
}
