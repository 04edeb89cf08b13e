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
