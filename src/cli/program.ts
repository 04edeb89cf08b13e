/**
 * All commands in one program: declares them, runs the one that the arguments name, and turns what is thrown into one
 * line on stderr and an exit code. The commands load what they need only when they run, so that help is quick.
 */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import type { Act, Register } from './command.js';
import { registerBench } from './commands/bench.js';
import { registerBuild } from './commands/build.js';
import { registerClassify } from './commands/classify.js';
import { registerCompress } from './commands/compress.js';
import { registerConvert } from './commands/convert.js';
import { registerData } from './commands/data.js';
import { registerEval } from './commands/eval.js';
import { registerFeatures } from './commands/features.js';
import { registerGhostify } from './commands/ghostify.js';
import { registerInspect } from './commands/inspect.js';
import { registerModels } from './commands/models.js';
import { registerPaper } from './commands/paper.js';
import { registerProfile } from './commands/profile.js';
import { registerPull } from './commands/pull.js';
import { registerQuantize } from './commands/quantize.js';
import { registerRecalibrate } from './commands/recalibrate.js';
import { registerSweep } from './commands/sweep.js';
import { registerToy } from './commands/toy.js';
import { registerTrain } from './commands/train.js';
import { exitCodeHelp, exitCodes } from './exit-codes.js';
import { reportError, UsageError } from './output/report-error.js';

const registers: readonly Register[] = [
  registerClassify,
  registerTrain,
  registerSweep,
  registerEval,
  registerRecalibrate,
  registerData,
  registerProfile,
  registerBench,
  registerBuild,
  registerGhostify,
  registerToy,
  registerCompress,
  registerQuantize,
  registerPull,
  registerFeatures,
  registerPaper,
  registerInspect,
  registerConvert,
  registerModels,
];

const examples = `
Examples:
  ghostnet classify photo.jpg holiday/           what is on these pictures, with the default network
  ghostnet classify photo.jpg --model ghostnet-1.0x --top 3
  ghostnet pull ghostnet-1.0x                    the authors' ImageNet weights
  ghostnet profile ghostnet-1.0x                 params and MACs of every layer
  ghostnet bench ghostnet-1.0x --threads 2       how fast it runs here
  ghostnet build model.safetensors --out site    a folder that a web page can use
  ghostnet convert model.onnx model.safetensors  from one format to another
${exitCodeHelp}
GHOSTNET_DEBUG=1 adds the stack to an error; NO_COLOR=1 turns colours off.`;

function version(): string {
  const data = createRequire(import.meta.url)('../../package.json') as { version: string };
  return data.version;
}

/** The declared program. `finish` receives the exit code of the command that ran. */
export function createProgram(finish: (code: number) => void): Command {
  const program = new Command('ghostnet')
    .description(
      'Ghost networks, compiled on the spot to WebAssembly: classify pictures, count, measure, inspect.',
    )
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ outputError: () => {}, getOutHasColors: () => false, getErrHasColors: () => false })
    .addHelpText('after', examples);
  const act: Act =
    (work) =>
    async (...given) =>
      finish(await work(...given));
  for (const register of registers) register(program, act);
  return program;
}

/** Runs the command that `args` (without node and script) name; resolves to the exit code and never rejects. */
export async function runCommand(args: readonly string[]): Promise<number> {
  let code: number = exitCodes.ok;
  const program = createProgram((given) => {
    code = given;
  });
  try {
    if (args.length === 0) {
      program.outputHelp({ error: true });
      return exitCodes.usage;
    }
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      reportError(error);
      return error instanceof UsageError ? exitCodes.usage : exitCodes.failure;
    }
    if (error.exitCode === 0) return exitCodes.ok;
    if (error.code !== 'commander.help')
      reportError(new UsageError(`${usageMessage(error.message)}; see ghostnet --help`));
    return exitCodes.usage;
  }
}

function usageMessage(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\((Did you mean .*)\)$/, ' ($1)')
    .replace(/\.$/, '');
}
