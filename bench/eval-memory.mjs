/**
 * What `ghostnet eval --data` needs for a folder as large as ImageNet's validation set: memory of the process over time and
 * pictures a second, once in one go, once stopped by Ctrl-C in the middle and gone on, which must count the same. The folder is
 * made of the 1,000 pictures of `../shared/data/imagenet-sample` (GHOSTNET_DATA), each linked many times below its WordNet id;
 * the network is MobileNetV1 0.25 at 128 pixels, from there too. Needs the build and Linux's /proc. Saves
 * bench/results/eval-memory.csv.
 *
 *     node bench/eval-memory.mjs [--count 50000]
 */
import { spawn } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { data, readImagenetSample } from './lib/compression-data.mjs';
import { numberOption, saveResults, thisMachine } from './lib/results.mjs';

const count = numberOption('--count', 50_000);
const folder = mkdtempSync(join(tmpdir(), 'ghostnet-eval-'));
const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const grey = Array(3).fill(128 / 255);
const preprocessing = { keepSize: true, cropRounding: 'down', shrink: 2, mean: grey, std: grey };
const args = [
  ...[program, 'eval', join(data, 'models/onnx/mobilenetv1_0.25_128.onnx'), '--json'],
  ...['--data', join(folder, 'val'), '--preprocessing', join(folder, 'pre.json')],
];

/** `count` names in folders of WordNet ids, as ImageNet's validation set has them. */
function makeFolder() {
  const pictures = readImagenetSample();
  const each = Math.ceil(count / pictures.length);
  writeFileSync(join(folder, 'pre.json'), JSON.stringify(preprocessing));
  for (const { name, bytes } of pictures) {
    const own = join(folder, 'val', name.slice(0, 9));
    mkdirSync(own, { recursive: true });
    const first = join(own, '00.JPEG');
    writeFileSync(first, bytes);
    for (let i = 1; i < each; i++) linkSync(first, join(own, `${String(i).padStart(2, '0')}.JPEG`));
  }
  return pictures.length * each;
}

/** Resident memory of a process, MB: now and the highest so far. */
function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const MB = (key) => Number(new RegExp(`${key}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
  return { now: MB('VmRSS'), peak: MB('VmHWM') };
}

/** One run of the command; `stopAfter`: Ctrl-C after so many milliseconds. */
function evaluate(extra, stopAfter) {
  const started = performance.now();
  const child = spawn(process.execPath, [...args, ...extra], { stdio: ['ignore', 'pipe', 'inherit'] });
  const samples = [];
  let peak = 0;
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part) => {
    text += part;
  });
  const sampler = setInterval(() => {
    try {
      const memory = memoryOf(child.pid);
      peak = Math.max(peak, memory.peak);
      if (Number.isFinite(memory.now))
        samples.push({ second: (performance.now() - started) / 1000, MB: memory.now });
    } catch {
      // it has just ended
    }
  }, 500);
  if (stopAfter) setTimeout(() => child.kill('SIGINT'), stopAfter);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearInterval(sampler);
      const seconds = (performance.now() - started) / 1000;
      resolve({ code, seconds, peak, samples, result: code === 0 ? JSON.parse(text) : undefined });
    });
  });
}

function expect(holds, what) {
  if (holds) return;
  console.error(`eval-memory: ${what}`);
  process.exitCode = 1;
  throw new Error(what);
}

/** What was counted, without what a clock says. */
function counted({ seconds, imagesPerSecond, ...rest }) {
  return JSON.stringify(rest, (_, value) =>
    typeof value === 'number' ? Number(value.toPrecision(9)) : value,
  );
}

try {
  const pictures = makeFolder();
  const whole = await evaluate([]);
  expect(whole.code === 0 && whole.result.count === pictures, `ended with code ${whole.code}`);
  const state = ['--state', join(folder, 'state.json')];
  const first = await evaluate(state, (whole.seconds * 1000) / 2);
  expect(first.code === 130, `Ctrl-C ended it with code ${first.code}`);
  const { next } = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
  const second = await evaluate(state);
  expect(second.code === 0, `the second part ended with code ${second.code}`);
  expect(counted(second.result) === counted(whole.result), 'stopped and gone on counts otherwise');
  const rows = Object.entries({ whole, first, second }).flatMap(([run, { samples }]) =>
    samples
      .filter((_, i) => i % 4 === 0)
      .map(({ second, MB }) => ({ run, second: second.toFixed(1), residentMB: MB.toFixed(1) })),
  );
  const { top1, top5, imagesPerSecond } = whole.result;
  saveResults(
    'eval-memory.csv',
    {
      ...thisMachine(),
      node: process.versions.node,
      network: 'mobilenetv1_0.25_128',
      pictures,
      top1,
      top5,
      imagesPerSecond,
      seconds: whole.seconds.toFixed(1),
      peakMB: whole.peak.toFixed(1),
      stoppedAfter: next,
      secondPeakMB: second.peak.toFixed(1),
      command: `node bench/eval-memory.mjs${count === 50_000 ? '' : ` --count ${count}`}`,
    },
    rows,
  );
} finally {
  rmSync(folder, { recursive: true });
}
