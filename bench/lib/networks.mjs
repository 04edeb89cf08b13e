/** The networks of the benchmark table: those of the package's registry, in the order of the table. */
import { createModel, initializeWeights } from '../../dist/index.js';

export const networkNames = [
  'ghostnet-0.5x',
  'ghostnet-1.0x',
  'ghostnet-1.3x',
  'mobilenet_v2',
  'mobilenet_v3_large',
  'resnet50',
  'ghost-resnet50-s2',
  'ghost-resnet50-s4',
  'vgg16-cifar',
  'ghost-vgg16-cifar',
];

/** [name, graph, weights] of each; `only` names some. */
export function* benchNetworks(only) {
  for (const name of networkNames) {
    if (only && !only.includes(name)) continue;
    const graph = createModel(name);
    yield [name, graph, initializeWeights(graph, 1)];
  }
}
