/**
 * Fits the tensors of a foreign checkpoint to a graph's parameters. The graphs bear the names of the official GhostNet
 * checkpoint, which timm's `ghostnet_*` and torchvision's ResNets share with them; what is left are the prefixes that
 * wrappers add and the spellings of other ports. Names decide, never order or shape: a wrong guess would run.
 */
import { FormatError } from '../errors.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';

/** What did not fit, in full; the message lists the first few of each. */
export class WeightsMismatchError extends FormatError {
  /** Parameters that the file does not have. */
  readonly missing: readonly string[];
  /** Tensors of the file that no parameter takes. */
  readonly unexpected: readonly string[];
  /** Parameters whose tensor has another shape. */
  readonly misshaped: readonly Misshaped[];

  constructor(
    message: string,
    lists: { missing: readonly string[]; unexpected: readonly string[]; misshaped: readonly Misshaped[] },
  ) {
    super('WEIGHTS_MISMATCH', message);
    this.missing = lists.missing;
    this.unexpected = lists.unexpected;
    this.misshaped = lists.misshaped;
  }
}

export interface Misshaped {
  readonly name: string;
  readonly given: readonly number[];
  readonly expected: readonly number[];
}

export interface LoadWeightsOptions {
  /** Leaves out what the graph does not have, e.g. the classifier when a backbone is loaded. Default false. */
  readonly ignoreUnexpected?: boolean;
}

/** Prefixes that training wrappers put before every name: DataParallel, Lightning, torch.compile, timm's EMA. */
const wrappers = ['module.', 'model.', '_orig_mod.', 'net.', 'backbone.'];

/** Other ports' names of parts, as [ours, theirs]. */
const otherSpellings: readonly (readonly [ours: RegExp, theirs: string])[] = [
  [/\.primary_conv\.0\./, '.primary_conv.conv.'],
  [/\.primary_conv\.1\./, '.primary_conv.bn.'],
  [/\.cheap_operation\.0\./, '.cheap_operation.conv.'],
  [/\.cheap_operation\.1\./, '.cheap_operation.bn.'],
  [/\.cheap_operation\./, '.cheap_operations.'],
  [/\.se\.conv_reduce\./, '.se.fc1.'],
  [/\.se\.conv_expand\./, '.se.fc2.'],
  [/^conv_stem\./, 'conv1.'],
  ...['classifier', 'fc', 'linear'].flatMap((ours) =>
    ['classifier', 'classifier.1', 'fc', 'linear', 'head', 'head.fc']
      .filter((theirs) => theirs !== ours)
      .map((theirs) => [new RegExp(`^${ours}\\.(?=(weight|bias)$)`), `${theirs}.`] as const),
  ),
];

/** All names that a parameter may have in a file, ours first. */
function spellings(name: string): readonly string[] {
  return [
    name,
    ...otherSpellings.filter(([ours]) => ours.test(name)).map(([ours, theirs]) => name.replace(ours, theirs)),
  ];
}

/** Names in a checkpoint that no network needs: batch norm's counters. */
function isIgnored(name: string): boolean {
  return name === 'num_batches_tracked' || name.endsWith('.num_batches_tracked');
}

/** Takes off prefixes that every name of the file has and no parameter of the graph. */
function stripWrappers(graph: Graph, tensors: ReadonlyMap<string, Tensor>): ReadonlyMap<string, Tensor> {
  let current = new Map([...tensors].filter(([name]) => !isIgnored(name)));
  const parameters = Object.keys(graph.parameters);
  for (;;) {
    const names = [...current.keys()];
    const prefix = wrappers.find(
      (candidate) =>
        names.length > 0 &&
        names.every((name) => name.startsWith(candidate)) &&
        !parameters.some((name) => name.startsWith(candidate)),
    );
    if (prefix === undefined) return current;
    current = new Map([...current].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
  }
}

/** Shapes that hold the same numbers in the same order: [N, C] for a 1x1 convolution [N, C, 1, 1] and back. */
function sameNumbers(given: readonly number[], expected: readonly number[]): boolean {
  const trim = (shape: readonly number[]): string =>
    shape.slice(0, Math.max(1, shape.findLastIndex((size) => size !== 1) + 1)).join();
  return trim(given) === trim(expected);
}

/**
 * Weights for every parameter of the graph, from tensors under the graph's own names or another port's.
 * Throws WeightsMismatchError `WEIGHTS_MISMATCH`: one error that lists what is missing, unexpected and mis-shaped.
 */
export function loadWeights(
  graph: Graph,
  tensors: ReadonlyMap<string, Tensor>,
  options: LoadWeightsOptions = {},
): Weights {
  const given = stripWrappers(graph, tensors);
  const used = new Set<string>();
  const missing: string[] = [];
  const misshaped: Misshaped[] = [];
  const weights = new Map<string, Tensor>();
  for (const [name, { shape }] of Object.entries(graph.parameters)) {
    const found = spellings(name).find((spelling) => given.has(spelling) && !used.has(spelling));
    const tensor = found === undefined ? undefined : given.get(found);
    if (found === undefined || !tensor) {
      missing.push(name);
      continue;
    }
    used.add(found);
    if (sameNumbers(tensor.shape, shape)) weights.set(name, { shape, data: tensor.data });
    else misshaped.push({ name, given: tensor.shape, expected: shape });
  }
  const unexpected = options.ignoreUnexpected ? [] : [...given.keys()].filter((name) => !used.has(name));
  if (missing.length + misshaped.length + unexpected.length === 0) return weights;
  throw new WeightsMismatchError(
    `weights do not fit network "${graph.name}": ${describe(graph, { missing, unexpected, misshaped })}`,
    { missing, unexpected, misshaped },
  );
}

function describe(
  graph: Graph,
  lists: Pick<WeightsMismatchError, 'missing' | 'unexpected' | 'misshaped'>,
): string {
  const { missing, unexpected, misshaped } = lists;
  const all = Object.keys(graph.parameters).length;
  const shapeOf = (name: string): string => `[${graph.parameters[name]?.shape.join(', ')}]`;
  const parts = [
    listed(
      'missing',
      missing.map((name) => `${name} ${shapeOf(name)}`),
    ),
    listed('unexpected', unexpected),
    listed(
      'mis-shaped',
      misshaped.map(
        (item) => `${item.name}: given [${item.given.join(', ')}], expected [${item.expected.join(', ')}]`,
      ),
    ),
    missing.length === all ? 'no name fits, so the file is of another network; name the right one' : '',
    classCount(graph, misshaped),
  ];
  return parts.filter((part) => part !== '').join('; ');
}

/** The usual reason said in words: the classifier has another number of classes. */
function classCount(graph: Graph, misshaped: readonly Misshaped[]): string {
  const last = graph.nodes.findLast((node) => node.kind === 'linear');
  const head = misshaped.find(({ name }) => last?.kind === 'linear' && name === last.weight);
  if (!head || head.given[1] !== head.expected[1]) return '';
  return `the file has ${head.given[0]} classes and the network ${head.expected[0]}: build the network with classes: ${head.given[0]}`;
}

function listed(title: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const more = names.length > 6 ? ` and ${names.length - 6} more` : '';
  return `${title}: ${names
    .slice(0, 6)
    .map((name) => name.slice(0, 200))
    .join(', ')}${more}`;
}
