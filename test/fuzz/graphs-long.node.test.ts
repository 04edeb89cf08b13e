/**
 * The long form of the differential fuzzer, started by `npm run fuzz -- graphs`: many graphs in all modes and in
 * onnxruntime-node. GHOSTNET_FUZZ_FROM and GHOSTNET_FUZZ_GRAPHS choose the seeds, GHOSTNET_FUZZ_HARD=1 the graphs with
 * many hard activations; with GHOSTNET_FUZZ_OUT the counts are
 * kept in that file after every twenty graphs, and a file that is there is gone on with. In the suite it runs on the
 * first 100 graphs in onnxruntime-node and one mode of ours.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Peer } from './differential.js';
import { fuzzGraph } from './fuzz-graph.js';
import { emptyTally, hunt, type Tally } from './hunt.js';
import { allModes, longModes } from './modes.js';
import { onnxruntimePeer } from './onnxruntime.js';

const asked = process.env['GHOSTNET_FUZZ_GRAPHS'];
const long = asked !== undefined || process.env['GHOSTNET_LONG'] === '1';
const graphs = Number(asked ?? (long ? 2000 : 100));
const from = Number(process.env['GHOSTNET_FUZZ_FROM'] ?? 0);
const hard = process.env['GHOSTNET_FUZZ_HARD'] === '1';
const out = process.env['GHOSTNET_FUZZ_OUT'] ?? '';
const perSave = 20;

/** A hunt as a file: what ran, where, and what it found. */
interface Outcome {
  readonly command: string;
  readonly engine: string;
  readonly from: number;
  /** First seed that has not been judged. */
  next: number;
  seconds: number;
  readonly tally: Tally;
}

function begin(): Outcome {
  const engine = `Node ${process.versions.node}, V8 ${process.versions.v8}, ${process.platform} ${process.arch}`;
  if (out !== '' && existsSync(out)) {
    const earlier = JSON.parse(readFileSync(out, 'utf8')) as Outcome;
    if (earlier.engine === engine && earlier.from === from && earlier.command.includes('--hard') === hard)
      return earlier;
  }
  const options = `${hard ? ' --hard' : ''}${from > 0 ? ` --from ${from}` : ''}`;
  const command = `npm run fuzz -- graphs${options} --count ${graphs}`;
  return { command, engine, from, next: from, seconds: 0, tally: emptyTally() };
}

function save(outcome: Outcome): void {
  if (out === '') return;
  writeFileSync(`${out}.tmp`, `${JSON.stringify(outcome, null, 1)}\n`);
  renameSync(`${out}.tmp`, out);
}

async function findPeers(): Promise<readonly Peer[]> {
  try {
    return [await onnxruntimePeer()];
  } catch (error) {
    console.warn(`SKIPPED: onnxruntime-node: ${(error as Error).message}`);
    return [];
  }
}

describe('random graphs in onnxruntime-node', () => {
  it(`${graphs} seeds from ${from}`, { timeout: long ? 24 * 3600_000 : 300_000 }, async (context) => {
    const peers = await findPeers();
    if (!long && peers.length === 0) return context.skip('onnxruntime-node cannot be installed');
    const modesOf = (seed: number) => (long ? longModes(seed) : allModes.slice(0, 1));
    const outcome = begin();
    // a file that cannot be written is found out now, not after an hour
    save(outcome);
    const reports: string[] = [];
    while (outcome.next < from + graphs) {
      const started = performance.now();
      const report = await hunt(outcome.tally, fuzzGraph(outcome.next, hard), modesOf(outcome.next), peers);
      outcome.seconds += (performance.now() - started) / 1000;
      outcome.next++;
      if (report !== undefined) {
        reports.push(report);
        if (long) console.error(report);
      }
      if (outcome.next % perSave === 0 || outcome.next === from + graphs) save(outcome);
      if (long && outcome.next % perSave === 0)
        console.log(
          `${outcome.next - from} graphs, ${outcome.tally.found.length} failures, ${outcome.seconds.toFixed(0)} s`,
        );
    }
    expect(reports.join('\n\n')).toBe('');
    expect(outcome.tally.found).toEqual([]);
  });

  it('a graph at which onnxruntime itself crashes does not end the hunt', async (context) => {
    const peers = await findPeers();
    if (peers.length === 0) return context.skip('onnxruntime-node cannot be installed');
    const tally = emptyTally();
    for (const seed of [20269, 0]) await hunt(tally, fuzzGraph(seed), [], peers);
    expect(tally.found).toEqual([]);
    expect(tally.modes[peers[0]!.name]).toBe(2);
  });
});
