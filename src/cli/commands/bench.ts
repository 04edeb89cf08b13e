/**
 * `ghostnet bench`: how fast a network runs here, alone or against other runtimes. All runtimes take turns in one
 * process on the same input and the same weights; their answers are compared before anything is timed.
 */
import { cpus, totalmem } from 'node:os';
import type { Graph, Weights } from '../../graph/graph.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import type { RunnableModel } from '../input/load-runnable.js';
import { type NetworkFlags, networkOptions, withNetworkOptions } from '../input/network-options.js';
import { list, wholeNumber } from '../input/options.js';
import { benchInput } from '../measure/bench-input.js';
import type { Peer } from '../measure/peers/peer.js';
import { codeOf, oneLine, UsageError, warn } from '../output/report-error.js';
import { milliseconds, note, outColors, print, printJson, table } from '../output/terminal.js';

/** One row of the `--json` output. */
export interface BenchRow {
  readonly runtime: string;
  readonly network: string;
  readonly precision: string;
  readonly threads: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly rounds: number;
}

interface BenchOptions extends NetworkFlags {
  readonly network?: string;
  readonly against: readonly string[];
  readonly threads: number;
  readonly precision?: readonly string[];
  readonly rounds: number;
  readonly json?: boolean;
}

interface Contestant {
  readonly runtime: string;
  readonly precision: string;
  readonly run: () => unknown;
  readonly output: () => Promise<Float32Array>;
  readonly dispose: () => unknown;
}

/** Precisions that this package's own runtime has. */
export const precisions: readonly string[] = ['f32', 'int8'];

export const registerBench: Register = (program, act) => {
  const command = program
    .command('bench')
    .description('measure how fast a network runs on this machine, alone or against other runtimes')
    .argument('<name|file>', 'a network by name (with random weights: the time is the same) or a model file')
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)');
  withNetworkOptions(command)
    .option(
      '--against <list>',
      'other runtimes, with commas: onnxruntime-web, onnxruntime-node, litert, tfjs-wasm',
      list,
      [],
    )
    .option('--threads <n>', 'threads for every runtime', wholeNumber(1, 64), 1)
    .option(
      '--precision <list>',
      `precisions of our runtime, with commas: ${precisions.join(', ')} (default: the file's)`,
      list,
    )
    .option('--rounds <n>', 'rounds in which the runtimes take turns', wholeNumber(1), 20)
    .option(
      '--json',
      'print { machine, rows: [{ runtime, network, precision, threads, medianMs, p90Ms, rounds }] }',
    )
    .addHelpText(
      'after',
      `
Our runtime is named "ghostnet" in the rows. In each round every runtime runs for about 100 ms; medianMs is the median of
the rounds' medians, p90Ms the 90th percentile of all runs. Other runtimes are installed with npm into the cache folder
when they are first asked for, and run the same folded network: onnxruntime as an ONNX file, LiteRT as a TFLite file, tfjs by its
fused operations. int8 is calibrated on noise: the time is the same as with pictures, the answers differ from f32 by the rounding.

Examples:
  ghostnet bench ghostnet-1.0x
  ghostnet bench ghostnet-1.0x --against onnxruntime-web --threads 2
  ghostnet bench ghostnet-1.0x --precision f32,int8
  ghostnet bench mobilenet_v2 --width 0.9
  ghostnet bench model.safetensors --rounds 50 --json > bench.json`,
    )
    .action(act(benchCommand));
};

async function benchCommand(name: string, options: BenchOptions): Promise<number> {
  const { peers } = await import('../measure/peers/index.js');
  for (const precision of options.precision ?? [])
    if (!precisions.includes(precision))
      throw new UsageError(`--precision: ${precision} is not known; expected ${precisions.join(', ')}`);
  const against = options.against.map((wanted) => {
    const peer = peers.find((known) => known.name === wanted);
    if (!peer)
      throw new UsageError(
        `--against: ${wanted} is not known; expected ${peers.map((p) => p.name).join(', ')}`,
      );
    return peer;
  });
  const { loadRunnableOrRandom } = await import('../input/load-runnable.js');
  const model = await loadRunnableOrRandom(name, options.network, await networkOptions(name, options));
  const { graph, content } = model;
  if (content.precision === 'int8' && (against.length > 0 || options.precision?.includes('f32')))
    throw new UsageError(
      `${name} is an int8 file, which only our runtime runs: bench the file that it was made of, with --precision f32,int8`,
    );
  const contestants: Contestant[] = [];
  let failed = 0;
  try {
    for (const precision of options.precision ?? [content.precision])
      contestants.push(await ours(model, precision, options.threads));
    for (const peer of against) {
      if (content.precision === 'int8') break;
      try {
        contestants.push(await theirs(peer, graph, content.weights, options.threads));
      } catch (error) {
        failed++;
        warn(`${peer.name} is left out: [${codeOf(error)}] ${oneLine(error)}`);
      }
    }
    await compareAnswers(contestants);
    const rows = await time(contestants, graph.name, options);
    if (options.json) printJson({ machine: machine(), rows });
    else printRows(rows);
  } finally {
    for (const contestant of contestants) await contestant.dispose();
  }
  return failed === 0 ? exitCodes.ok : exitCodes.someFailed;
}

async function ours(model: RunnableModel, precision: string, threads: number): Promise<Contestant> {
  const { openRunnable } = await import('../input/load-runnable.js');
  const { inputNodes } = await import('../../graph/graph.js');
  const { quantize } = await import('../../quantize-network.js');
  const { graph, content } = model;
  const input = benchInput(inputNodes(graph)[0]!.shape);
  let chosen = content;
  if (precision === 'int8' && content.precision === 'f32') {
    const { network: quantized } = await quantize(graph, content.weights, { calibration: [input] });
    chosen = { precision: 'int8', quantized };
  }
  const network = await openRunnable({ graph, content: chosen }, { threads });
  await network.warmUp();
  return {
    runtime: 'ghostnet',
    precision,
    run: () => network.run(input),
    output: async () => (await network.run(input)).slice(),
    dispose: () => network.dispose(),
  };
}

async function theirs(peer: Peer, graph: Graph, weights: Weights, threads: number): Promise<Contestant> {
  const { installPeer } = await import('../measure/peers/peer.js');
  const { cacheFolder } = await import('../../formats/node/cache-folder.js');
  const { foldForInference } = await import('../../passes/fold-for-inference.js');
  const { exportOnnx } = await import('../../formats/onnx/export.js');
  const { inputNodes } = await import('../../graph/graph.js');
  const { inferShapes } = await import('../../graph/shapes.js');
  const load = await installPeer(peer, cacheFolder(), note);
  const folded = foldForInference(graph, weights);
  const inputShape = [1, ...inputNodes(graph)[0]!.shape];
  const outputShape = inferShapes(folded.graph).get(folded.graph.outputs[0]!) ?? [];
  const runner = await peer.create(load, {
    ...folded,
    onnx: exportOnnx(folded.graph, folded.weights, { batch: 1 }),
    inputShape,
    outputShape,
    threads,
  });
  const input = benchInput(inputShape);
  return {
    runtime: peer.name,
    precision: 'f32',
    run: () => runner.run(input),
    output: () => runner.run(input),
    dispose: () => runner.dispose(),
  };
}

/** Warms everybody up and says aloud when a runtime computes something else than ours; int8 rounds, so it may. */
async function compareAnswers(contestants: readonly Contestant[]): Promise<void> {
  const own = contestants.find(({ precision }) => precision === 'f32') ?? contestants[0]!;
  const others = contestants.filter((contestant) => contestant !== own);
  const expected = await own.output();
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  for (const other of others) {
    const got = await other.output();
    if (other.precision === 'int8') continue;
    const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
    if (!(worst <= 1e-3 * scale) || got.length !== expected.length)
      warn(
        `${other.runtime} gives another answer than ghostnet (largest difference ${worst}, values up to ${scale})`,
      );
  }
}

async function time(
  contestants: readonly Contestant[],
  network: string,
  options: BenchOptions,
): Promise<BenchRow[]> {
  const { measure } = await import('../measure/measure.js');
  const { progress } = await import('../output/progress.js');
  const line = progress(`measuring ${network}`, options.rounds);
  const timings = await measure(contestants, { rounds: options.rounds, sliceMs: 100, onRound: line.update });
  line.stop();
  const digits = (value: number): number => Number(value.toFixed(4));
  return contestants.map(({ runtime, precision }, index) => {
    const { medianMs, p90Ms, rounds } = timings[index]!;
    const { threads } = options;
    return { runtime, network, precision, threads, medianMs: digits(medianMs), p90Ms: digits(p90Ms), rounds };
  });
}

/** What the rows were measured on. */
export function machine(): Record<string, string | number> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGB: Math.round(totalmem() / 1e9),
    os: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    v8: process.versions.v8,
  };
}

function printRows(rows: readonly BenchRow[]): void {
  const { dim, bold } = outColors;
  const own = rows[0]!.medianMs;
  const head = ['runtime', 'network', 'precision', 'threads', 'median', 'p90', 'to ghostnet'].map((text) =>
    dim(text),
  );
  const lines = rows.map((row) => [
    bold(row.runtime),
    row.network,
    row.precision,
    String(row.threads),
    milliseconds(row.medianMs),
    milliseconds(row.p90Ms),
    `${(row.medianMs / own).toFixed(2)}x`,
  ]);
  const { cpu, cores, node } = machine();
  print(table([head, ...lines], 'lllrrrr'));
  print(dim(`${rows[0]!.rounds} rounds; ${cpu}, ${cores} cores, Node ${node}`));
}
