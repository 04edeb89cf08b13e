/**
 * Counts a network without running it: params and MACs in all, where most of the work is, and what a Ghost module saves.
 *
 *     node examples/profile-network.js
 */
import { createModel, profile } from 'ghostnet';

const counted = profile(createModel('ghostnet-1.0x'));
const number = (value) => value.toLocaleString('en-US');

console.log(`${counted.name}: ${number(counted.params)} params, ${number(counted.macs)} MACs`);

const heaviest = [...counted.layers].sort((a, b) => b.macs - a.macs).slice(0, 3);
for (const { name, op, macs, outputShape } of heaviest)
  console.log(`  ${name} (${op}, ${outputShape.join('x')}): ${number(macs)} MACs`);

const module = counted.ghostModules.at(-1);
console.log(`${module.name}: ${module.speedUp.toFixed(2)}x fewer MACs than the plain convolution`);

// The paper's count, table 7: 5.2 million params, 141 million MACs.
if (counted.params !== 5_182_508 || counted.macs !== 141_150_512)
  throw new Error('the counts are not the paper’s');

// Prints:
// ghostnet-1.0x: 5,182,508 params, 141,150,512 MACs
//   blocks.9.0.conv (conv2d, 1x960x7x7): 7,526,400 MACs
//   blocks.6.4.ghost1.primary_conv.0 (conv2d, 1x336x14x14): 7,375,872 MACs
//   blocks.6.4.ghost2.primary_conv.0 (conv2d, 1x56x14x14): 7,375,872 MACs
// blocks.8.3.ghost2: 1.98x fewer MACs than the plain convolution
