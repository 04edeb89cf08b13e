/**
 * A public variant of Ghost-ResNet-56 for CIFAR-10: inside a Ghost module there is neither batch norm nor ReLU, one
 * batch norm follows the concatenation, and the shortcut of a stage's first block is a Ghost module too.
 * It differs from the paper's module; it is here because trained weights of this form exist. Names are theirs.
 */
import { GraphBuilder } from '../graph/builder.js';
import type { Graph, GraphMeta } from '../graph/graph.js';
import { ghostModule } from './ghost-module.js';

/** The labels of CIFAR-10, in the official order. */
export const cifar10Labels = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const;

/** Input `input` [3, 32, 32]; output `linear` [N, classes]; 439,914 params for ten classes. */
export function ghostResNet56BnAfter(
  options: { readonly classes?: number; readonly meta?: GraphMeta } = {},
): Graph {
  const g = new GraphBuilder('ghost-resnet56-bn-after');
  const ghost = (name: string, x: string, outChannels: number, kernel: number, stride: number): string =>
    ghostModule(g, name, x, {
      outChannels,
      kernel,
      stride,
      batchNorm: false,
      activation: null,
      names: ['primary_conv', 'cheap_operations'],
    });
  let x = g.input('input', [3, 32, 32]);
  x = g.activation('relu', g.batchNorm('bn1', ghost('conv1', x, 16, 3, 1)), 'relu');
  [16, 32, 64].forEach((channels, stage) => {
    for (let block = 0; block < 9; block++) {
      const name = `layer${stage + 1}.${block}`;
      const stride = stage > 0 && block === 0 ? 2 : 1;
      let y = ghost(`${name}.conv1`, x, channels, 3, stride);
      y = g.activation(`${name}.relu1`, g.batchNorm(`${name}.bn1`, y), 'relu');
      y = g.batchNorm(`${name}.bn2`, ghost(`${name}.conv2`, y, channels, 3, 1));
      let shortcut = x;
      if (stride > 1)
        shortcut = g.batchNorm(`${name}.shortcut.1`, ghost(`${name}.shortcut.0`, x, channels, 1, stride));
      x = g.activation(`${name}.relu2`, g.add(`${name}.add`, y, shortcut), 'relu');
    }
  });
  x = g.flatten('flatten', g.globalAvgPool('avgpool', x));
  return g.build([g.linear('linear', x, { outFeatures: options.classes ?? 10 })], options.meta ?? {});
}
