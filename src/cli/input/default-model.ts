/**
 * Which network `ghostnet classify` uses when `--model` does not say, and what "default" means: the one place that
 * knows. It is the package's own, trained by `ghostnet train`; models/runs has how.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from '../../errors.js';

export interface DefaultModel {
  readonly path: string;
  /** One line for people: what it is. */
  readonly description: string;
}

/** The package's own weights, from its root. */
export const packagedWeights = 'models/ghostnet-32-cifar10.safetensors';

/** The package's own model. Throws EnvironmentError `NO_WEIGHTS`, whose message says what to do. */
export function defaultModel(): DefaultModel {
  const path = fileURLToPath(new URL(`../../../${packagedWeights}`, import.meta.url));
  if (existsSync(path))
    return { path, description: 'GhostNet-32 trained on CIFAR-10 (the package’s own weights)' };
  throw new EnvironmentError(
    'NO_WEIGHTS',
    `the package's own weights are missing (${path}); install it anew, or get others with ` +
      '"ghostnet pull ghostnet-1.0x" and add "--model ghostnet-1.0x", or train a network and add "--model FILE"',
  );
}
