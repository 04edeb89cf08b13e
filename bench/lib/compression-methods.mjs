/**
 * The passes as the comparison runs them: from a network with batch norm and the wanted ratio to the compressed one.
 * Soft pruning is left out: without its training it is l2-norm pruning.
 */
import { channelPruning } from '../../dist/passes/channel-pruning/channel-pruning.js';
import { ghostifyPass } from '../../dist/passes/ghostify/ghostify.js';
import { l1Norm } from '../../dist/passes/l1-norm/l1-norm.js';
import { lowRank } from '../../dist/passes/low-rank/low-rank.js';
import { slimming } from '../../dist/passes/slimming/slimming.js';
import { uniformWidth } from '../../dist/passes/width/width.js';

const with_ =
  (pass, more = {}) =>
  async ({ graph, weights }, { ratio, calibration }) => {
    const options = { ratio, ...more };
    const plan = await pass.plan(graph, weights, options, calibration);
    return pass.apply(graph, weights, plan, options, calibration);
  };

/** name: `apply`; `ratios` says which ratios exist; `except` names networks that it is not for. */
export const compressionMethods = {
  l1: { apply: with_(l1Norm) },
  slimming: { apply: with_(slimming) },
  cp: { apply: with_(channelPruning) },
  lowrank: { apply: with_(lowRank) },
  // a Ghost module halves at s=2; as few layers are eligible, the network's MACs fall by less
  ghost: {
    apply: with_(ghostifyPass, { recalibrate: false }),
    ratios: (ratio) => Number.isInteger(ratio),
    except: ['ghost-resnet56'],
  },
  width: { apply: with_(uniformWidth), ratios: (ratio) => ratio === 2 },
};
