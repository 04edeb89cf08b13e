/**
 * The networks that torchvision lacks and that have layers of their own, compared with modules written in PyTorch from
 * their papers (test/goldens/papers.py) under random weights.
 */
import { createModel } from '../../src/models/registry.js';
import type { ZooCase } from './zoo-cases.js';

const sizes: readonly (readonly [model: string, inputSize: number])[] = [
  ['ghostnetv2-1.0x', 64],
  ['ghostnetv3-1.0x', 64],
  ['g_ghost_regnetx_002', 64],
  ['g_ghost_regnetx_032', 32],
  ['fe_net_x1_0', 64],
  ['versatile_v1_resnet50', 32],
  ['versatile_v2_resnet50', 32],
  ['metapruning_resnet50_x0_5', 32],
  ['shiftresnet50-3', 32],
  ['shiftresnet20-3-cifar', 32],
];

export const paperCases: readonly ZooCase[] = [
  ...sizes.map(([model, inputSize]) => ({
    name: model,
    build: () => createModel(model, { classes: 10, inputSize }),
  })),
  {
    // maps of odd sizes: the gate's half resolution is no whole fraction
    name: 'ghostnetv2 width 0.5 75x75',
    build: () => createModel('ghostnetv2-1.0x', { classes: 10, inputSize: 75, width: 0.5 }),
  },
].map((row, i) => ({
  ...row,
  batch: 1,
  seed: 80 + i,
  ...(row.name.startsWith('ghostnetv3') ? { normScale: 0.5 } : {}),
}));
