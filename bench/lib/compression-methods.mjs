/**
 * The passes as the comparison runs them: from a network with batch norm and the wanted ratio to the compressed one.
 * Soft pruning is shown where there is something to train on: without its training it is l2-norm pruning.
 */
import { channelPruning } from '../../dist/passes/channel-pruning/channel-pruning.js';
import { ghostifyPass } from '../../dist/passes/ghostify/ghostify.js';
import { l1Norm } from '../../dist/passes/l1-norm/l1-norm.js';
import { lowRank } from '../../dist/passes/low-rank/low-rank.js';
import { int8 } from '../../dist/passes/quantize/int8-pass.js';
import { slimming } from '../../dist/passes/slimming/slimming.js';
import { softPruning } from '../../dist/passes/soft-pruning/soft-pruning.js';
import { uniformWidth } from '../../dist/passes/width/width.js';

const with_ =
  (pass, more = {}) =>
  async ({ graph, weights }, { ratio, calibration }) => {
    const options = { ratio, ...more };
    const plan = await pass.plan(graph, weights, options, calibration);
    return pass.apply(graph, weights, plan, options, calibration);
  };

/** Three times a third of the fine-tuning's steps, each followed by zeroing. */
async function softly({ graph, weights }, { ratio, train }) {
  const options = {
    ratio,
    epochs: 3,
    train: async (network, current) => (await train({ graph: network, weights: current }, 1 / 3)).weights,
  };
  const plan = await softPruning.plan(graph, weights, options);
  return softPruning.apply(graph, weights, plan, options);
}

/** name: `apply`; `ratios` says which ratios exist; `except` names networks that it is not for. */
export const compressionMethods = {
  l1: { apply: with_(l1Norm) },
  slimming: { apply: with_(slimming) },
  cp: { apply: with_(channelPruning) },
  lowrank: { apply: with_(lowRank) },
  sfp: { apply: softly, trains: true },
  // a Ghost module halves at s=2; as few layers are eligible, the network's MACs fall by less
  ghost: {
    apply: with_(ghostifyPass, { recalibrate: false }),
    ratios: (ratio) => Number.isInteger(ratio),
    except: ['ghost-resnet56'],
  },
  width: { apply: with_(uniformWidth), ratios: (ratio) => ratio === 2 },
  // one size, and no floats to train on
  int8: { apply: with_(int8), ratios: (ratio) => ratio === 2, recalibrate: false },
};
