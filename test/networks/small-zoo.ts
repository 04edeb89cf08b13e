/**
 * Every network of the registry, small. Networks that are the same when small (widths of one family) are there once, in the
 * long form (GHOSTNET_LONG=1) the others at their own width too.
 */
import type { Graph } from '../../src/graph/graph.js';
import { toJson } from '../../src/graph/json.js';
import { hashText } from '../../src/models/random.js';
import { createModel, listModels, type ModelOptions } from '../../src/models/registry.js';
import { longForm } from '../op-cases/targets.js';

export interface SmallNetwork {
  readonly name: string;
  readonly graph: Graph;
  /** Whether its outputs are worth the reference's time: not those that only repeat another's layers (depths, searched tables). */
  readonly compared: boolean;
}

export const classes = 5;

/** The least work that still visits every kind of layer of the network. */
function small(name: string): ModelOptions {
  if (name.includes('shufflenet')) return { classes, inputSize: 32, width: 0.5 };
  if (name.includes('vgg16')) return { classes, inputSize: 32, width: 0.0625 };
  if (name.includes('cifar') || name.includes('bn-after')) return { classes, inputSize: 8 };
  if (name.startsWith('ghostnet-32')) return { classes, inputSize: 8 };
  return { classes, inputSize: 32, width: 0.25 };
}

const repeats =
  /resnet(32|44|56|110|34)|shiftresnet\d+-[369]|_g3|x1_0$|nas_(cpu|gpu)|fbnet_[ac]|regnetx_0[348]|vgg16-cifar|resnet50-s4/;
const seen = new Set<number>();
export const smallNetworks: readonly SmallNetwork[] = listModels().flatMap(({ name }) => {
  const graph = createModel(name, small(name));
  const hash = hashText(toJson({ ...graph, name: '', meta: {} }));
  const same = seen.has(hash);
  seen.add(hash);
  if (!same) return [{ name, graph, compared: longForm() || !repeats.test(name) }];
  // another width of a network that is compared: its own channels, without the reference
  return longForm() ? [{ name, graph: createModel(name, { classes, inputSize: 32 }), compared: false }] : [];
});
