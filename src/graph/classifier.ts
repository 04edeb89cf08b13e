/** What a graph must be to say what is on a picture: one picture in, one row of scores out. Runs nothing. */
import { rangeError } from '../errors.js';
import { type Graph, inputNodes, type Preprocessing } from './graph.js';
import { inferShapes } from './shapes.js';

/** ImageNet's usual preprocessing, for files that state none (torchvision's reference recipe). */
export function usualPreprocessing(height: number, width: number): Preprocessing {
  return {
    resizeShortSide: Math.round(Math.min(height, width) / 0.875),
    interpolation: 'bilinear',
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  };
}

/** Input sides and number of classes. Throws RangeError `NOT_A_CLASSIFIER`; its message ends with `who` needs what. */
export function classifierShape(
  graph: Graph,
  who = 'classify',
): { width: number; height: number; classes: number } {
  const refuse = (why: string): never => {
    throw rangeError(
      'NOT_A_CLASSIFIER',
      `${graph.name}: ${why}; ${who} needs a picture in and one row of scores out`,
    );
  };
  const [input, ...others] = inputNodes(graph);
  if (!input || others.length > 0) refuse(`it has ${others.length + (input ? 1 : 0)} inputs`);
  const [channels, height, width] = input!.shape;
  if (channels !== 3 || !height || !width) refuse(`its input is [${input!.shape.join(', ')}], not [3, H, W]`);
  const output = inferShapes(graph).get(graph.outputs[0]!) ?? [];
  const classes = output.slice(1).reduce((a, b) => a * b, 1);
  if (graph.outputs.length !== 1 || output[1] !== classes)
    refuse(`it has ${graph.outputs.length} outputs, the first of shape [${output.join(', ')}]`);
  return { width: width!, height: height!, classes };
}
