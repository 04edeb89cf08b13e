/**
 * Fits the tensors of a foreign checkpoint to a graph's parameters: official GhostNet checkpoints (whose names the
 * graphs have), timm's and torchvision's, with the prefixes that wrappers add.
 */
import { FormatError } from '../errors.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';

/** Prefixes that training wrappers put before every name. */
const wrappers = ['module.', 'model.', '_orig_mod.'];

/** Names in a checkpoint that no network needs. */
function isIgnored(name: string): boolean {
  return name.endsWith('.num_batches_tracked') || name === 'num_batches_tracked';
}

/** Other spellings of one parameter name, tried in order. */
function spellings(name: string): readonly string[] {
  return [
    name,
    // timm before 0.9 and other ports
    name
      .replace(/\.primary_conv\.0\./, '.primary_conv.conv.')
      .replace(/\.primary_conv\.1\./, '.primary_conv.bn.'),
    name.replace(/^conv_stem\./, 'conv1.'),
    name.replace(/\.se\.conv_reduce\./, '.se.fc1.').replace(/\.se\.conv_expand\./, '.se.fc2.'),
    name.replace(/\.cheap_operation\./, '.cheap_operations.'),
    name.replace(/^classifier\./, 'fc.'),
  ];
}

function stripWrappers(tensors: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  let current = new Map([...tensors].filter(([name]) => !isIgnored(name)));
  for (;;) {
    const prefix = wrappers.find(
      (candidate) => current.size > 0 && [...current.keys()].every((name) => name.startsWith(candidate)),
    );
    if (prefix === undefined) return current;
    current = new Map([...current].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  }
}

/** Shapes that hold the same numbers in the same order: [N, C] for a 1x1 convolution [N, C, 1, 1] and back. */
function sameNumbers(given: readonly number[], expected: readonly number[]): boolean {
  const trim = (shape: readonly number[]): string => {
    const end = shape.findLastIndex((size) => size !== 1) + 1;
    return shape.slice(0, Math.max(1, end)).join();
  };
  return trim(given) === trim(expected);
}

function list(names: readonly string[]): string {
  return names.length > 6 ? `${names.slice(0, 6).join(', ')} and ${names.length - 6} more` : names.join(', ');
}

/**
 * Weights for every parameter of the graph. Throws FormatError `WEIGHTS_MISMATCH`: one error that lists what is
 * missing, unexpected and mis-shaped.
 */
export function loadWeights(graph: Graph, tensors: ReadonlyMap<string, Tensor>): Weights {
  const given = stripWrappers(tensors);
  const used = new Set<string>();
  const missing: string[] = [];
  const misshaped: string[] = [];
  const weights = new Map<string, Tensor>();
  let classes: [given: number, expected: number] | undefined;
  for (const [name, { shape, role }] of Object.entries(graph.parameters)) {
    const found = spellings(name).find((spelling) => given.has(spelling));
    const tensor = found === undefined ? undefined : given.get(found);
    if (found === undefined || !tensor) {
      missing.push(`${name} [${shape.join(', ')}]`);
      continue;
    }
    used.add(found);
    if (!sameNumbers(tensor.shape, shape)) {
      misshaped.push(`${name}: given [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]`);
      const last = graph.nodes.at(-1);
      if (last?.kind === 'linear' && last.weight === name && role === 'weight')
        classes = [tensor.shape[0] ?? 0, shape[0] ?? 0];
      continue;
    }
    weights.set(name, { shape, data: tensor.data });
  }
  const unexpected = [...given.keys()].filter((name) => !used.has(name));
  if (missing.length + misshaped.length + unexpected.length === 0) return weights;
  const parts = [
    missing.length > 0 ? `missing: ${list(missing)}` : '',
    unexpected.length > 0 ? `unexpected: ${list(unexpected)}` : '',
    misshaped.length > 0 ? `mis-shaped: ${list(misshaped)}` : '',
    classes
      ? `the file has ${classes[0]} classes and the network ${classes[1]}: build the network with classes: ${classes[0]}`
      : '',
  ].filter((part) => part !== '');
  throw new FormatError(
    'WEIGHTS_MISMATCH',
    `weights do not fit network "${graph.name}": ${parts.join('; ')}`,
  );
}
