/**
 * A hunt: many graphs judged one after the other, counted by mode, op and kernel; a failing graph is made small and kept
 * with its seed. What is counted is what docs/trust.md and test/fuzz/outcomes show.
 */
import { toJson } from '../../src/graph/json.js';
import type { OpCase } from '../op-cases/op-case.js';
import { describeCase, shrink } from '../op-cases/shrink.js';
import { judge, type Peer } from './differential.js';
import type { Mode } from './modes.js';

export interface Found {
  readonly seed: number;
  readonly mode: string;
  readonly what: string;
  /** The graph made small, as JSON, with what is needed to repeat it. */
  readonly small: { readonly graph: string; readonly batch: number; readonly what: string };
}

/** Counts of a hunt; plain JSON. */
export interface Tally {
  graphs: number;
  nodes: number;
  /** Graphs by mode or peer that ran them. */
  readonly modes: Record<string, number>;
  /** Nodes by kind. */
  readonly ops: Record<string, number>;
  /** Graphs by kernel that some mode of theirs called. */
  readonly kernels: Record<string, number>;
  /** Largest relative error by mode or peer. */
  readonly errors: Record<string, number>;
  /** Graphs without an int8 form, by the code of the refusal. */
  readonly refused: Record<string, number>;
  readonly found: Found[];
}

export function emptyTally(): Tally {
  return {
    graphs: 0,
    nodes: 0,
    modes: {},
    ops: {},
    kernels: {},
    errors: {},
    refused: {},
    found: [],
  };
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/** Judges one graph and adds it to the tally; gives the report of a failure, for people, or undefined. */
export async function hunt(
  tally: Tally,
  opCase: OpCase,
  modes: readonly Mode[],
  peers: readonly Peer[] = [],
): Promise<string | undefined> {
  const verdict = await judge(opCase, modes, peers);
  tally.graphs++;
  tally.nodes += opCase.graph.nodes.length;
  for (const name of verdict.ran) count(tally.modes, name);
  for (const { kind } of opCase.graph.nodes) count(tally.ops, kind);
  for (const kernel of verdict.kernels) count(tally.kernels, kernel);
  for (const [name, error] of verdict.errors) tally.errors[name] = Math.max(tally.errors[name] ?? 0, error);
  if (verdict.notQuantizable !== '') count(tally.refused, verdict.notQuantizable);
  const [first] = verdict.failures;
  if (!first) return undefined;
  // what fails is repeated alone, with the mode that it must agree with
  const wrong = modes.find(({ name }) => name === first.mode);
  const needed = wrong
    ? modes.filter(
        ({ name, family, threads }) => name === wrong.name || (family === wrong.family && threads === 1),
      )
    : [];
  const other = peers.filter(({ name }) => name === first.mode);
  const whatOf = async (candidate: OpCase): Promise<string | undefined> =>
    (await judge(candidate, needed, other)).failures[0]?.what;
  const small = await shrink(opCase, async (candidate) => (await whatOf(candidate)) !== undefined);
  const what = (await whatOf(small)) ?? 'passes when run again';
  tally.found.push({
    seed: opCase.seed,
    mode: first.mode,
    what: first.what,
    small: { graph: toJson(small.graph), batch: small.batch, what },
  });
  const all = verdict.failures.map((failure) => `${failure.mode}: ${failure.what}`).join('\n');
  return `seed ${opCase.seed}: ${all}\n${describeCase(opCase)}\nmade small: ${what}\n${describeCase(small)}`;
}
