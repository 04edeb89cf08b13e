/**
 * From the options of `ghostnet ghostify` to model, pictures and plan: made anew or read, measured, searched. Applies
 * nothing.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { Graph, Weights } from '../../../graph/graph.js';
import type { Calibration } from '../../../passes/compression.js';
import type { GhostifyOptions } from '../../../passes/ghostify/options.js';
import type { GhostPlan } from '../../../passes/ghostify/plan.js';
import type { PictureInputs } from '../../input/picture-inputs.js';
import { noteUsualPreprocessing, withPreprocessing } from '../../input/preprocessing-option.js';
import { UsageError, warn } from '../../output/report-error.js';
import type { Target } from './search.js';

/** What the command line gave. */
export interface GhostifyCommandOptions {
  readonly network?: string;
  readonly preprocessing?: string;
  readonly out?: string;
  readonly ratio: number;
  readonly cheapKernel: number;
  readonly cheapOperation: NonNullable<GhostifyOptions['cheapOperation']>;
  readonly placement: 'inside' | 'after';
  readonly selection: NonNullable<GhostifyOptions['selection']>;
  readonly skip: readonly string[];
  readonly only?: readonly string[];
  readonly minChannels: number;
  readonly roundTo: number;
  readonly allowSlower?: boolean;
  readonly measure?: boolean;
  readonly threads: number;
  readonly plan?: string;
  readonly savePlan?: string;
  readonly calibrate?: string;
  readonly data?: string;
  readonly pictures: number;
  readonly finetune?: string;
  readonly epochs: number;
  readonly learningRate: number;
  readonly seed: number;
  readonly run?: string;
  readonly dtype: 'f32' | 'f16';
  readonly layerwise?: boolean;
  readonly targetMacs?: number;
  readonly targetMs?: number;
  readonly maxDrop?: number;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export interface Loaded {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly fitting: Calibration | undefined;
  readonly measuring: { readonly calibration: Calibration; readonly labels?: readonly number[] } | undefined;
}

export async function load(name: string, options: GhostifyCommandOptions): Promise<Loaded> {
  const { loadModelOrRandom } = await import('../../input/load-model.js');
  const { calibrationOf } = await import('../../../calibration.js');
  const { readInputs } = await import('../../input/picture-inputs.js');
  const model = await withPreprocessing(
    await loadModelOrRandom(name, options.network),
    options.preprocessing,
  );
  if (options.calibrate !== undefined || options.data !== undefined)
    noteUsualPreprocessing({ ...model, description: name });
  const { threads, pictures } = options;
  const read = async (path: string, most: number, labelled: boolean): Promise<PictureInputs> =>
    readInputs(path, model.graph, most, labelled);
  const fit = options.calibrate === undefined ? undefined : await read(options.calibrate, pictures, false);
  const test =
    options.data === undefined
      ? options.calibrate === undefined
        ? undefined
        : await read(options.calibrate, 10 * pictures, false)
      : await read(options.data, 10 * pictures, true);
  return {
    ...model,
    fitting: fit && calibrationOf(fit.inputs, { threads }),
    measuring: test && {
      calibration: calibrationOf(test.inputs, { threads }),
      ...(test.labels ? { labels: test.labels } : {}),
    },
  };
}

export function passOptions(options: GhostifyCommandOptions): GhostifyOptions {
  const { ratio, cheapKernel, cheapOperation, placement, selection } = options;
  const { skip, only, minChannels, roundTo, allowSlower = false } = options;
  return {
    ...{ ratio, cheapKernel, cheapOperation, placement, selection, skip, minChannels, roundTo, allowSlower },
    ...(only ? { only } : {}),
  };
}

/** A plan of a file, with its totals counted anew. Throws UsageError, FormatError and RangeError `PLAN_MISFIT`. */
export async function readPlan(graph: Graph, path: string): Promise<GhostPlan> {
  const { withTotals } = await import('../../../passes/ghostify/plan.js');
  const { checkPlan, planFromJson } = await import('../../../passes/compression.js');
  if (!existsSync(path)) throw new UsageError(`--plan: ${path}: no such file`);
  const plan = planFromJson(await readFile(path, 'utf8'), path) as unknown as GhostPlan;
  checkPlan(plan, 'ghostify', graph);
  return withTotals(graph, plan);
}

export async function makePlan(loaded: Loaded, options: GhostifyCommandOptions): Promise<GhostPlan> {
  const { graph } = loaded;
  const { planGhostify } = await import('../../../passes/ghostify/plan.js');
  const { progress } = await import('../../output/progress.js');
  let plan: GhostPlan;
  if (options.plan === undefined) plan = planGhostify(graph, passOptions(options));
  else plan = await readPlan(graph, options.plan);
  if (options.measure) plan = await measured(graph, plan, options);
  const target = targetOf(options);
  if (!target) return plan;
  const { fitting, measuring } = loaded;
  if (!fitting || !measuring)
    throw new UsageError('--target-macs, --target-ms and --max-drop need --calibrate <pictures>');
  const { searchPlan } = await import('./search.js');
  const { answersOf, agreement } = await import('../../measure/answers.js');
  const old = (await answersOf(graph, loaded.weights, measuring.calibration)).first;
  const right = measuring.labels ?? old;
  const before = agreement(old, right);
  const line = progress('measuring sensitivities', 1);
  const found = await searchPlan(
    {
      ...{ graph, weights: loaded.weights, plan, options: passOptions(options), ratios: [2, 3, 4] },
      pictures: fitting,
      dropOf: async (ghost, weights) =>
        before - agreement((await answersOf(ghost, weights, measuring.calibration)).first, right),
      onTrial: (done, total) => line.update(done / total),
    },
    target,
  );
  line.stop();
  // the search knows layers in other forms than those measured by estimate only
  if (!options.measure) return found;
  const timed = await measured(graph, found, options);
  const { measuredMs = 0 } = timed.after;
  if (target.kind === 'ms' && measuredMs > target.most)
    warn(
      `--target-ms: the search estimated at most ${target.most} ms, measured it is ${measuredMs.toPrecision(3)} ms; ask for less`,
    );
  return timed;
}

async function measured(graph: Graph, plan: GhostPlan, options: GhostifyCommandOptions): Promise<GhostPlan> {
  const { measurePlan } = await import('./measure-plan.js');
  const { withTotals } = await import('../../../passes/ghostify/plan.js');
  const { progress } = await import('../../output/progress.js');
  const line = progress('measuring layers', plan.layers.length);
  const { threads, allowSlower = false } = options;
  const timed = await measurePlan(graph, plan, { threads, allowSlower, onLayer: line.update });
  line.stop();
  return withTotals(graph, timed);
}

function targetOf(options: GhostifyCommandOptions): Target | undefined {
  const { targetMacs, targetMs, maxDrop } = options;
  const targets = [
    ...(targetMacs === undefined ? [] : [{ kind: 'macs', most: targetMacs } as const]),
    ...(targetMs === undefined ? [] : [{ kind: 'ms', most: targetMs } as const]),
    ...(maxDrop === undefined ? [] : [{ kind: 'drop', most: maxDrop } as const]),
  ];
  if (targets.length > 1) throw new UsageError('--target-macs, --target-ms and --max-drop: give one of them');
  return targets[0];
}
