/**
 * A checkpoint: everything that a run needs to go on with the same bits (weights, the optimiser's tensors, the moving
 * average, where the run is) in one safetensors file. Written whole or not at all. The model that a run gives is
 * another file (formats/model-file.ts).
 */
import { FormatError } from '../../errors.js';
import { readBytes, writeFileAtomically } from '../../formats/node/model-file.js';
import { readSafetensors, toTensor, writeSafetensors } from '../../formats/safetensors.js';
import type { Tensor } from '../../graph/graph.js';
import type { TrainerState } from '../engine.js';
import type { Progress } from '../loop.js';

export interface Checkpoint {
  readonly state: TrainerState;
  readonly progress: Progress;
  /** Facts that must be the same when the run goes on, e.g. the number of threads. */
  readonly identity: string;
}

const key = 'ghostnet.training';
const weightPrefix = 'weights/';

/** Writes `file` atomically. Throws what `writeFileAtomically` throws. */
export async function writeCheckpoint(file: string, checkpoint: Checkpoint): Promise<void> {
  const { state, progress, identity } = checkpoint;
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of state.weights) tensors.set(`${weightPrefix}${name}`, tensor);
  for (const [name, tensor] of state.optimizer) tensors.set(name, tensor);
  const metadata = { [key]: JSON.stringify({ step: state.step, progress, identity }) };
  await writeFileAtomically(file, writeSafetensors(tensors, { dtype: 'F32', metadata }));
}

/** Reads a checkpoint. Throws FormatError `CHECKPOINT_DAMAGED` (torn, or of another kind), and what `readBytes` throws. */
export async function readCheckpoint(file: string): Promise<Checkpoint> {
  const bytes = await readBytes(file);
  try {
    const { tensors, metadata } = readSafetensors(bytes);
    const facts = metadata[key];
    if (facts === undefined) throw new FormatError('CHECKPOINT_DAMAGED', 'it is no checkpoint of a training');
    const { step, progress, identity } = JSON.parse(facts) as {
      step: number;
      progress: Progress;
      identity: string;
    };
    const weights = new Map<string, Tensor>();
    const optimizer = new Map<string, Tensor>();
    for (const [name, entry] of tensors) {
      if (name.startsWith(weightPrefix)) weights.set(name.slice(weightPrefix.length), toTensor(entry));
      else optimizer.set(name, toTensor(entry));
    }
    return { state: { weights, optimizer, step }, progress, identity };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FormatError(
      'CHECKPOINT_DAMAGED',
      `"${file}": ${reason}; begin the run anew, or go on from its best epoch with --from best.safetensors`,
      { cause },
    );
  }
}
