/**
 * Where the big test material lies: real data sets and trained networks beside the checkout (`../shared/data`, or the
 * folder that GHOSTNET_DATA names). They are never part of the repository; tests that need them ask here, and say aloud
 * when they skip.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(
  process.env['GHOSTNET_DATA'] || fileURLToPath(new URL('../../shared/data/', import.meta.url)),
);

/** The path of a file there, or undefined (with a warning that names it) when it is absent. */
export function sharedData(path: string): string | undefined {
  const full = join(root, path);
  if (existsSync(full)) return full;
  console.warn(`SKIPPED: tests that need ${full}, which is absent (GHOSTNET_DATA names another folder)`);
  return undefined;
}
