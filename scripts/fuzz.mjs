/**
 * `npm run fuzz`: the long forms of the fuzzers. `npm run fuzz -- readers [SEED]` gives damaged files to every reader,
 * 26,000 of them; `npm run fuzz -- graphs [--hard] [--from SEED] [--count N] [--out FILE]` runs random graphs in every
 * mode and in onnxruntime-node, 2,000 of them, and goes on where FILE ends; with --hard, graphs with many hard
 * activations. Without a name: both.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const usage = 'npm run fuzz -- [readers [SEED] | graphs [--hard] [--from SEED] [--count N] [--out FILE]]';

function vitest(file, env) {
  const args = ['run', file, '--project=node', '--disableConsoleIntercept'];
  const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', ...args], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, GHOSTNET_LONG: '1', ...env },
  });
  return status ?? 1;
}

let parsed;
try {
  const text = { type: 'string' };
  const flag = { type: 'boolean' };
  const options = { hard: flag, from: text, count: text, out: text, help: { ...flag, short: 'h' } };
  parsed = parseArgs({ allowPositionals: true, options });
} catch (error) {
  console.error(`${error.message.replace(/\. .*/s, '')}\nusage: ${usage}`);
  process.exit(2);
}
if (parsed.values.help) {
  console.log(`${usage}

readers   26,000 damaged files to every reader
graphs    random graphs in every mode and in onnxruntime-node: N of them (2,000) from SEED (0) on;
          with --hard graphs in which most layers end in hard-swish or hard-sigmoid;
          counts are kept in FILE, and a run that was stopped goes on from there
neither   both; docs/trust.md says what is compared`);
  process.exit(0);
}
const [name, seed] = parsed.positionals;
const { hard = false, from = '0', count = '2000', out = '' } = parsed.values;
const whole = [from, count, seed ?? '1'].every((value) => /^\d+$/.test(value));
if (!whole || (name !== undefined && name !== 'readers' && name !== 'graphs')) {
  console.error(`usage: ${usage}; SEED and N are whole numbers`);
  process.exit(2);
}
let status = 0;
if (name !== 'graphs') status = vitest('test/fuzz/readers', { GHOSTNET_FUZZ_SEED: seed ?? '1' });
if (name !== 'readers')
  status =
    vitest('test/fuzz/graphs-long', {
      GHOSTNET_FUZZ_HARD: hard ? '1' : '',
      GHOSTNET_FUZZ_FROM: from,
      GHOSTNET_FUZZ_GRAPHS: count,
      GHOSTNET_FUZZ_OUT: out === '' ? '' : resolve(out),
    }) || status;
process.exit(status);
