/** THE op-case table: every op with odd shapes, strides, paddings, groups and remainders. All targets run all of it. */
import { convolutionCases } from './convolution-cases.js';
import { ghostCases } from './ghost-cases.js';
import { groupedCases } from './grouped-cases.js';
import { hardCases } from './hard-cases.js';
import { mapCases } from './map-cases.js';
import type { OpCase } from './op-case.js';
import { windowCases } from './window-cases.js';
import { winogradCases } from './winograd-cases.js';

export const opCases: readonly OpCase[] = [
  ...convolutionCases,
  ...groupedCases,
  ...mapCases,
  ...windowCases,
  ...ghostCases,
  ...winogradCases,
  ...hardCases,
];
