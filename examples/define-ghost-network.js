/**
 * Defines a small ghost network for 32x32 pictures, layer by layer, and compares its MACs with those of the same network
 * made of plain convolutions (ratio 1).
 *
 *     node examples/define-ghost-network.js
 */
import { GraphBuilder, ghostModule, printGraph, profile } from 'ghostnet';

/** Two Ghost modules of the given ratio (s of the paper) behind a plain first convolution. */
function network(ratio) {
  const g = new GraphBuilder(`tiny-s${ratio}`);
  let x = g.input('input', [3, 32, 32]);
  x = g.conv2d('stem', x, { outChannels: 16, kernel: 3, padding: 1 });
  x = ghostModule(g, 'ghost1', x, { outChannels: 32, kernel: 3, stride: 2, ratio, batchNorm: false });
  x = ghostModule(g, 'ghost2', x, { outChannels: 64, kernel: 3, stride: 2, ratio, batchNorm: false });
  x = g.flatten('features', g.globalAvgPool('pool', x));
  return g.build([g.linear('classifier', x, { outFeatures: 10 })]);
}

const ghost = network(2);
console.log(printGraph(ghost));

const [plainModules, ghostModules] = [network(1), ghost].map((graph) =>
  profile(graph)
    .layers.filter((layer) => layer.name.startsWith('ghost'))
    .reduce((sum, layer) => sum + layer.macs, 0),
);
const gain = plainModules / ghostModules;
console.log(
  `both modules: ${plainModules} MACs plain, ${ghostModules} as Ghost modules, ${gain.toFixed(2)}x fewer`,
);

// Equation 4 of the paper: the gain is a little below s = 2.
if (!(gain > 1.8 && gain < 2)) throw new Error(`a gain of ${gain} is not what equation 4 says`);

// Prints:
// tiny-s2
//   input                     input                                                                    [1, 3, 32, 32]
//   stem                      conv2d 3x3 p1 3→16      input                                            [1, 16, 32, 32]
//   ghost1.primary_conv.0     conv2d 3x3 s2 p1 16→16  stem                                             [1, 16, 16, 16]
//   ghost1.primary_conv.1     relu                    ghost1.primary_conv.0                            [1, 16, 16, 16]
//   ghost1.cheap_operation.0  depthwise 3x3 p1 16→16  ghost1.primary_conv.1                            [1, 16, 16, 16]
//   ghost1.cheap_operation.1  relu                    ghost1.cheap_operation.0                         [1, 16, 16, 16]
//   ghost1.concat             concat                  ghost1.primary_conv.1, ghost1.cheap_operation.1  [1, 32, 16, 16]
//   ghost2.primary_conv.0     conv2d 3x3 s2 p1 32→32  ghost1.concat                                    [1, 32, 8, 8]
//   ghost2.primary_conv.1     relu                    ghost2.primary_conv.0                            [1, 32, 8, 8]
//   ghost2.cheap_operation.0  depthwise 3x3 p1 32→32  ghost2.primary_conv.1                            [1, 32, 8, 8]
//   ghost2.cheap_operation.1  relu                    ghost2.cheap_operation.0                         [1, 32, 8, 8]
//   ghost2.concat             concat                  ghost2.primary_conv.1, ghost2.cheap_operation.1  [1, 64, 8, 8]
//   pool                      globalAvgPool           ghost2.concat                                    [1, 64, 1, 1]
//   features                  flatten                 pool                                             [1, 64]
// * classifier                linear 64→10 bias       features                                         [1, 10]
//
// both modules: 2359296 MACs plain, 1234944 as Ghost modules, 1.91x fewer
