/**
 * `npm test`: lint and format, types, build, every test on this Node, those without pictures and files on a newer Node, the
 * web platform's in a real Chromium, and the package as a user installs it. Each part says how long it took; the last
 * line sums the tests up. `npm test -- node chromium` runs parts by name.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findChromium } from './find-chromium.mjs';
import { findNewerNode } from './newer-node.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name) => join(root, 'node_modules', name);
const scratch = mkdtempSync(join(tmpdir(), 'ghostnet-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };

function run(program, args, env = {}) {
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  });
  if (error) console.error(error.message);
  return status === 0;
}

/** Runs vitest with a Node program and adds its counts. */
function vitest(node, name, args, env) {
  const report = join(scratch, `${name}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const ok = run(node, [bin('vitest/vitest.mjs'), 'run', ...reporters, ...args], env);
  if (!existsSync(report)) {
    total.failed++;
    return false;
  }
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  total.passed += numPassedTests;
  total.failed += numFailedTests;
  total.skipped += numPendingTests + numTodoTests;
  return ok && numFailedTests === 0;
}

/** Tests of what runs compiled code: the folders that a newer engine can change. */
const engineTests = [
  'src/compiler',
  'src/runtime',
  'test/op-cases',
  'test/networks',
  'test/fuzz/graphs.test',
];

const parts = {
  lint: () => run(process.execPath, [bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.']),
  types: () => run(process.execPath, [bin('typescript/bin/tsc'), '--noEmit', '-p', 'tsconfig.json']),
  build: () => run(process.execPath, ['scripts/build.mjs']),
  node: () => vitest(process.execPath, 'node', ['--project', 'node']),
  'newer-node': () => {
    const newer = findNewerNode();
    if (!newer.path) {
      console.warn(`SKIPPED: the suite on a newer Node: ${newer.reason}`);
      total.skipped++;
      return true;
    }
    console.log(`Node ${newer.version}`);
    return vitest(newer.path, 'newer-node', ['--project', 'node', ...engineTests]);
  },
  chromium: async () =>
    vitest(process.execPath, 'chromium', ['--project', 'chromium'], {
      GHOSTNET_CHROMIUM: await findChromium(),
    }),
};

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !Object.hasOwn(parts, name));
if (unknown.length > 0) {
  console.error(`unknown parts: ${unknown.join(', ')}; known: ${Object.keys(parts).join(', ')}`);
  process.exit(2);
}
if (chosen.length === 0 || chosen.some((name) => ['node', 'newer-node', 'chromium'].includes(name))) {
  // had before tests run side by side, so that no two of them install it at once
  findNewerNode();
  await findChromium().catch((error) => console.error(error.message));
}
const results = [];
for (const name of chosen.length > 0 ? chosen : Object.keys(parts)) {
  console.log(`\n== ${name}`);
  const start = performance.now();
  let ok = false;
  try {
    ok = await parts[name]();
  } catch (error) {
    console.error(error.message);
  }
  if (!ok && !['node', 'newer-node'].includes(name)) total.failed = Math.max(total.failed, 1);
  results.push([name, ok, (performance.now() - start) / 1000]);
}
rmSync(scratch, { recursive: true, force: true });

console.log('');
for (const [name, ok, seconds] of results)
  console.log(`${ok ? 'ok    ' : 'FAILED'}  ${name.padEnd(12)} ${seconds.toFixed(0).padStart(4)} s`);
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(results.every(([, ok]) => ok) ? 0 : 1);
