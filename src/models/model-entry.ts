/**
 * What an entry of the registry is, and how families make their entries: a name, what it is, and a builder that takes
 * the options every network understands. Holds no network and no weights.
 */
import type { Graph, GraphMeta } from '../graph/graph.js';
import type { GhostOptions } from './ghost-module.js';

/** What every entry understands; absent: the network's own default. */
export interface ModelOptions {
  readonly classes?: number;
  /** Side of the square input. */
  readonly inputSize?: number;
  /** Multiplies the channels, where the network's paper has such a setting. */
  readonly width?: number;
  /** s of the Ghost modules, where the network has them. */
  readonly ratio?: number;
  /** d of the Ghost modules, where the network has them. */
  readonly cheapKernel?: number;
  readonly dropout?: number;
  readonly meta?: GraphMeta;
}

export interface ModelEntry {
  readonly name: string;
  /** One line: what it is and where it comes from. */
  readonly summary: string;
  readonly inputSize: number;
  readonly classes: number;
  /** Other names for the same network, e.g. timm's. */
  readonly aliases?: readonly string[];
  readonly build: (options: ModelOptions) => Graph;
}

/** What the builders of the ImageNet families take. */
export interface FamilyOptions extends ModelOptions {
  readonly name: string;
  /** Ghost modules instead of the ordinary convolutions (stem, squeeze-and-excite and depthwise ones stay). */
  readonly ghost?: GhostOptions | undefined;
}

/** Torchvision's evaluation: short side 256 by bilinear interpolation, centre crop, ImageNet's mean and deviation. */
export const torchvisionMeta: GraphMeta = {
  preprocessing: {
    resizeShortSide: 256,
    interpolation: 'bilinear',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  },
};

/** The ImageNet entry of a network and, with `ghostSummary`, the one of its ghost form (`ghost-` before the name). */
export function imagenetEntries(
  row: {
    readonly name: string;
    readonly summary: string;
    readonly aliases?: readonly string[];
    /** Default 224. */
    readonly inputSize?: number;
    /** Whether the ghost form is an entry too. Default true. */
    readonly ghost?: boolean;
    readonly meta?: GraphMeta;
  },
  build: (options: FamilyOptions) => Graph,
): readonly ModelEntry[] {
  const { name, summary, aliases = [], inputSize = 224, meta = torchvisionMeta } = row;
  const plain: ModelEntry = {
    name,
    summary: `${summary}, ImageNet`,
    inputSize,
    classes: 1000,
    aliases,
    build: (options) => build({ inputSize, meta, ...options, name }),
  };
  if (row.ghost === false) return [plain];
  return [
    plain,
    {
      name: `ghost-${name}`,
      summary: `${summary}, with Ghost modules, ImageNet`,
      inputSize,
      classes: 1000,
      build: (options) =>
        build({
          inputSize,
          meta,
          ...options,
          name: `ghost-${name}`,
          ghost: { ratio: options.ratio ?? 2, cheapKernel: options.cheapKernel ?? 3 },
        }),
    },
  ];
}

/** A width as torchvision writes it in names: 0.35 is `x0_35`, 1 is `x1_0`. */
export function widthSuffix(width: number): string {
  const text = Number.isInteger(width) ? width.toFixed(1) : String(width);
  return `x${text.replace('.', '_')}`;
}
