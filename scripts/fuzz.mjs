/**
 * `npm run fuzz`: the long form of the readers' fuzzing, 18,000 damaged files; `npm run fuzz -- SEED` takes others.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'node', 'test/fuzz'],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, GHOSTNET_LONG: '1', GHOSTNET_FUZZ_SEED: process.argv[2] ?? '1' },
  },
);
process.exit(status ?? 1);
