/**
 * The worker's side of batch-loader.ts: receives requests, answers with batches. Not to be imported.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { assembleBatch, type BatchRecipe, type BatchRequest } from '../batches.js';
import { openStore, type PictureStore } from './picture-store.js';

export interface BatchWorkerData {
  readonly store: PictureStore;
  readonly recipe: BatchRecipe;
}

const { store, recipe } = workerData as BatchWorkerData;
const source = openStore(store);
parentPort?.on('message', async ({ id, request }: { id: number; request: BatchRequest }) => {
  try {
    const batch = await assembleBatch(source, recipe, request);
    const transfer = [batch.images.buffer, ...(batch.shares ? [batch.shares.buffer] : [])] as ArrayBuffer[];
    parentPort?.postMessage({ id, batch }, transfer);
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    parentPort?.postMessage({ id, error: { message, code } });
  }
});
