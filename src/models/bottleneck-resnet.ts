/**
 * The frame of a ResNet-50 whose bottlenecks are not the ordinary ones: stem, four stages of blocks with a projection in
 * the first of each, pooling and classifier. What is inside a block, and under which names, the network says.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { convUnit, type UnitNames } from './conv-unit.js';
import type { FamilyOptions } from './model-entry.js';
import { resNetRows } from './resnet-imagenet.js';

/** Where a block stands. */
export interface BottleneckPlace {
  /** Of the four stages, from 0. */
  readonly stage: number;
  /** In its stage, from 0. */
  readonly block: number;
  /** In the whole network, from 0. */
  readonly index: number;
  readonly stride: 1 | 2;
}

/** A 1x1 or larger convolution with batch norm and, unless `relu` is false, a ReLU; `at` names it (`conv1`, `bn1`). */
export type BottleneckConv = (
  x: string,
  at: string,
  unit: { readonly outChannels: number; readonly kernel?: number; readonly stride?: number },
  relu?: boolean,
) => string;

export interface BottleneckResNet {
  readonly stemChannels: number;
  readonly stemNames: UnitNames;
  readonly outChannels: (stage: number) => number;
  readonly blockName: (place: BottleneckPlace) => string;
  /** From the block's input to what is added to the shortcut. */
  readonly body: (
    g: GraphBuilder,
    x: string,
    block: BottleneckPlace & { readonly name: string; readonly out: number; readonly conv: BottleneckConv },
  ) => string;
}

/** Input `input` [3, H, W]; output `fc` [N, classes]. */
export function bottleneckResNet50(options: FamilyOptions, network: BottleneckResNet): Graph {
  const { classes = 1000, inputSize = 224 } = options;
  const g = new GraphBuilder(options.name);
  let x = g.input('input', [3, inputSize, inputSize]);
  x = convUnit(g, x, {
    outChannels: network.stemChannels,
    kernel: 7,
    stride: 2,
    activation: 'relu',
    names: network.stemNames,
  });
  x = g.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  let index = 0;
  resNetRows[50].depths.forEach((depth, stage) => {
    const out = network.outChannels(stage);
    for (let block = 0; block < depth; block++) {
      const place: BottleneckPlace = { stage, block, index, stride: stage > 0 && block === 0 ? 2 : 1 };
      const name = network.blockName(place);
      const conv: BottleneckConv = (y, at, unit, relu = true) =>
        convUnit(g, y, {
          ...unit,
          activation: relu ? 'relu' : null,
          names: [`${name}.conv${at}`, `${name}.bn${at}`, `${name}.bn${at}.relu`],
        });
      const y = network.body(g, x, { ...place, name, out, conv });
      const shortcut =
        block > 0
          ? x
          : convUnit(g, x, {
              outChannels: out,
              stride: place.stride,
              activation: null,
              names: [`${name}.downsample.0`, `${name}.downsample.1`, ''],
            });
      x = g.activation(`${name}.relu`, g.add(`${name}.add`, y, shortcut), 'relu');
      index++;
    }
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  return g.build([g.linear('fc', x, { outFeatures: classes })], options.meta ?? {});
}
