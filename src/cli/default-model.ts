/**
 * Which network `ghostnet classify` uses when `--model` does not say: the one place that knows.
 * First the package's own trained weights; in a checkout without them, trained weights beside it.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from '../errors.js';

export interface DefaultModel {
  readonly path: string;
  /** The network by name, for a file that holds weights only. */
  readonly network?: string;
  /** One line for people: what it is. */
  readonly description: string;
}

const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

/** The package's own weights, from its root. */
export const packagedWeights = 'weights/ghostnet-32-cifar10.safetensors';

/** Trained weights beside a checkout, from the shared data folder (GHOSTNET_DATA, or ../shared/data). */
const besideCheckout = 'models/ghost-resnet56-cifar10/gr_multistep.safetensors';

/** All places that are looked at, best first. */
export function defaultModelPlaces(): readonly DefaultModel[] {
  const shared = resolve(process.env['GHOSTNET_DATA'] || join(packageRoot, '..', 'shared', 'data'));
  return [
    {
      path: join(packageRoot, packagedWeights),
      description: 'GhostNet-32 trained on CIFAR-10 (the package’s own weights)',
    },
    {
      path: join(shared, besideCheckout),
      network: 'ghost-resnet56-bn-after',
      description: 'Ghost-ResNet-56 trained on CIFAR-10',
    },
  ];
}

/**
 * The first place that has weights. Throws EnvironmentError `NO_WEIGHTS`, whose message says what to do.
 */
export function defaultModel(): DefaultModel {
  const found = defaultModelPlaces().find((place) => existsSync(place.path));
  if (found) return found;
  throw new EnvironmentError(
    'NO_WEIGHTS',
    'no trained weights are here: neither the package’s own nor others beside it; get some with ' +
      '"ghostnet pull ghostnet-1.0x" and add "--model ghostnet-1.0x", or train a network and add "--model FILE"',
  );
}
