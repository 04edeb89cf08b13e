/**
 * `ghostnet build`: a network as a folder that any web page, bundler or server can use: compiled modules, weights, a
 * loader without dependencies, types, a web component and a demo page.
 */
import { gzipSync } from 'node:zlib';
import { InvalidArgumentError } from 'commander';
import type { Graph, Weights } from '../../graph/graph.js';
import type { QuantizedNetwork } from '../../passes/quantize/network.js';
import type { Shipped } from '../../ship/build.js';
import { type ShipPrecision, shipPrecisions } from '../../ship/precisions.js';
import type { Register } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { wholeNumber } from '../input/options.js';
import {
  noteUsualPreprocessing,
  preprocessingHelp,
  withPreprocessing,
} from '../input/preprocessing-option.js';
import { onInterrupt } from '../output/interrupt.js';
import { UsageError } from '../output/report-error.js';
import { byteSize, outColors, print, printJson, table } from '../output/terminal.js';

interface BuildOptions {
  readonly out: string;
  readonly network?: string;
  readonly preprocessing?: string;
  readonly precision?: ShipPrecision;
  readonly calibrate?: string;
  readonly inlineWeights?: boolean;
  readonly threads: number;
  readonly serve?: number | true;
  readonly json?: boolean;
}

/** Pictures that --calibrate takes at most. */
const calibrationPictures = 128;

function precision(text: string): string {
  if (!(shipPrecisions as readonly string[]).includes(text))
    throw new InvalidArgumentError(`Expected ${shipPrecisions.join(', ')}.`);
  return text;
}

export const registerBuild: Register = (program, act) => {
  program
    .command('build')
    .description(
      'make a folder that web pages and servers can use: modules, weights, loader, component, page',
    )
    .argument(
      '[name|file]',
      'a model file, or a network by name (its pulled weights are used); "default" or nothing: the default network',
    )
    .requiredOption(
      '--out <folder>',
      'where to write; an earlier build there is replaced, anything else is not',
    )
    .option('--network <name>', 'the network of a model file that holds weights only (.pth and such)')
    .option('--preprocessing <file>', preprocessingHelp)
    .option(
      '--precision <f32|f16|int8>',
      'how weights are stored: f16 halves the download, int8 quarters it and computes so (default: f16, or as the file)',
      precision,
    )
    .option('--calibrate <pictures>', 'for --precision int8: a folder of pictures, or CIFAR-10')
    .option('--inline-weights', 'put modules and weights into model.js: one file, nothing to fetch')
    .option('--threads <n>', 'also make modules for n threads, for isolated pages', wholeNumber(1, 32), 1)
    .option('--serve [port]', 'then serve the folder on this machine and say where', wholeNumber(0, 65535))
    .option('--json', 'print { out, name, id, precision, files: [{ name, bytes, gzip }] }')
    .addHelpText(
      'after',
      `
The folder needs nothing else: import { classify } from './model.js', or <ghost-classifier src="./model.js">. Networks are
compiled here and now, not in the page, so a content security policy needs no more than 'wasm-unsafe-eval'.
Pages are served by any web server; opening index.html as a file does not work, because browsers load no modules so.

Examples:
  ghostnet build --out site --serve
  ghostnet build model.safetensors --out web/public/model
  ghostnet build ghostnet-1.0x --out model --precision f32 --threads 4
  ghostnet build model.safetensors --out src/model --inline-weights
  ghostnet build model.safetensors --out model --precision int8 --calibrate photos/`,
    )
    .action(act(buildCommand));
};

async function buildCommand(nameOrFile: string | undefined, options: BuildOptions): Promise<number> {
  const { imagenetLabels } = await import('../../data/imagenet-labels.js');
  const { classifierShape } = await import('../../graph/classifier.js');
  const { checkShipFolder, writeShippedModel } = await import('../../ship/node/write-folder.js');
  await checkShipFolder(options.out);
  const { graph, weights, description } = await openNetwork(nameOrFile, options);
  const { classes } = classifierShape(graph, 'build');
  const shipped = await writeShippedModel(options.out, graph, weights, {
    ...(options.precision === undefined ? {} : { precision: options.precision }),
    inlineWeights: options.inlineWeights === true,
    threads: options.threads,
    ...(classes === imagenetLabels.length ? { labels: imagenetLabels } : {}),
  });
  if (options.json) printJson(report(options.out, shipped));
  else printReport(options.out, description, shipped);
  if (options.serve === undefined) return exitCodes.ok;
  return serve(options.out, options.serve === true ? 0 : options.serve);
}

/** What is built: float weights, an int8 file as it is, or float weights made int8 here. */
async function openNetwork(
  nameOrFile: string | undefined,
  options: BuildOptions,
): Promise<{ graph: Graph; weights: Weights | QuantizedNetwork; description: string }> {
  const { loadRunnable } = await import('../input/load-runnable.js');
  const { precision, calibrate } = options;
  if (calibrate !== undefined && precision !== 'int8')
    throw new UsageError('--calibrate sets the ranges of integers: it needs --precision int8');
  const loaded = await loadRunnable(nameOrFile === 'default' ? undefined : nameOrFile, options.network);
  const model = await withPreprocessing(loaded, options.preprocessing);
  const { graph, description, content } = model;
  if (content.precision === 'int8') {
    if (calibrate !== undefined)
      throw new UsageError(`--calibrate: ${nameOrFile} is an int8 file, whose ranges are set already`);
    if (precision !== undefined && precision !== 'int8')
      throw new UsageError(
        `--precision ${precision}: ${nameOrFile} is an int8 file; take the file it was made of`,
      );
    const weights = await withPreprocessing(content.quantized, options.preprocessing);
    return { graph, weights, description };
  }
  if (precision !== 'int8') return { graph, weights: content.weights, description };
  if (calibrate === undefined)
    throw new UsageError(
      '--precision int8 needs --calibrate <pictures>, which set the ranges of the integers',
    );
  const { readInputs } = await import('../input/picture-inputs.js');
  const { quantize } = await import('../../quantize-network.js');
  noteUsualPreprocessing(model);
  const { inputs } = await readInputs(calibrate, graph, calibrationPictures, false);
  const { quantizeProgress } = await import('../output/quantize-progress.js');
  const line = quantizeProgress(inputs.length);
  const { network } = await quantize(graph, content.weights, { calibration: inputs, ...line }).finally(
    line.stop,
  );
  return { graph: network.graph, weights: network, description: `${description}, in int8` };
}

function report(out: string, { manifest, files }: Shipped): object {
  const sizes = [...files].map(([name, content]) => ({
    name,
    bytes: Buffer.byteLength(content),
    gzip: gzipSync(content).length,
  }));
  const { name, id, precision } = manifest;
  return { out, name, id, precision, files: sizes };
}

function printReport(out: string, description: string, { manifest, files }: Shipped): void {
  const { bold, dim } = outColors;
  const what: Record<string, string> = {
    'model.weights': `weights, ${manifest.precision}`,
    'model.relaxed.weights': 'weights, int8, for relaxed SIMD',
    'model.simd.weights': 'weights, int8, for SIMD',
    'model.js': 'loader: classify(picture)',
    'model.d.ts': 'types',
    'model.thread.js': 'worker of the threads',
    'ghost-classifier.js': '<ghost-classifier>',
    'index.html': 'demo page',
    'demo.js': '',
    'demo.css': '',
    'package.json': 'makes the folder a package',
  };
  const rows = [...files].map(([name, content]) => [
    bold(name),
    dim(what[name] ?? `module, ${name.includes('relaxed') ? 'relaxed SIMD' : 'SIMD'}`),
    byteSize(Buffer.byteLength(content)),
    byteSize(gzipSync(content).length),
  ]);
  print(table([['file', '', 'bytes', 'gzip'].map((text) => dim(text)), ...rows], 'llrr'));
  print();
  print(`${out}: ${description}`);
  print(
    dim(
      `see it: any web server, or "ghostnet build ... --serve"; use it: import { classify } from './model.js'`,
    ),
  );
}

/** Serves until Ctrl-C. */
async function serve(folder: string, port: number): Promise<number> {
  const { serveFolder } = await import('../../ship/node/serve-folder.js');
  const { url, server } = await serveFolder(folder, port);
  print(`serving ${url} (Ctrl-C ends it)`);
  await new Promise<void>((resolve) => {
    const release = onInterrupt(() => {
      release();
      resolve();
    });
  });
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  return exitCodes.ok;
}
