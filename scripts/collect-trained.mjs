/**
 * Writes data/paper/trained.csv, the accuracies of trainings by this package that `ghostnet paper` sets beside the
 * paper's: the results of sweeps that are kept as data/paper/<name>.results.csv (of the grid <name>.yaml), and of the
 * runs in models/runs. A run that started from another one's weights counts with the epochs of both; one that started
 * from a ghostified network is not a training of the paper and is left out.
 *
 *   node scripts/collect-trained.mjs [<sweep folder>/results.csv <name>]
 *
 * With a file and a name the results are kept first.
 */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createModel, hasModel } from '../dist/index.js';
import { csvLine, readCsv } from '../dist/paper/csv.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const paper = join(root, 'data/paper');
const runs = join(root, 'models/runs');
const [results, name] = process.argv.slice(2);
if (results) {
  if (!name || !existsSync(join(paper, `${name}.yaml`))) {
    console.error(`"${name ?? ''}": expected the name of a grid in data/paper, without .yaml`);
    process.exit(2);
  }
  copyFileSync(results, join(paper, `${name}.results.csv`));
}
const columns = [
  ...[
    'id',
    'model',
    'ratio',
    'cheapKernel',
    'seed',
    'recipe',
    'epochs',
    'trainedOn',
    'top1',
    'pictures',
    'of',
  ],
  'source',
];

const ofSweeps = readdirSync(paper)
  .filter((file) => file.endsWith('.results.csv'))
  .sort()
  .flatMap((file) =>
    readCsv(readFileSync(join(paper, file), 'utf8')).map((row) => ({
      ...row,
      source: `data/paper/${file.replace('.results.csv', '.yaml')}`,
    })),
  )
  .sort((a, b) => (a.id < b.id ? -1 : 1));

const read = (run, file) => JSON.parse(readFileSync(join(runs, run, file), 'utf8'));
const cifarPictures = 50_000;

/** Epochs of a run and of those that it started from, and the network (or the file) that they all began with. */
function lineage(run) {
  const { config } = read(run, 'config.json');
  const before = /^(.+)\/(?:best|weights)\.safetensors$/.exec(config.network)?.[1];
  if (!before) return { model: config.network, epochs: config.epochs };
  const { model, epochs } = lineage(before);
  return { model, epochs: epochs + config.epochs };
}

const ofRuns = readdirSync(runs)
  .filter((run) => existsSync(join(runs, run, 'evaluation.json')))
  .filter((run) => hasModel(lineage(run).model))
  .sort()
  .map((run) => {
    const { config } = read(run, 'config.json');
    const { top1, count, of } = read(run, 'evaluation.json');
    const { model, epochs } = lineage(run);
    const [own] = createModel(model).ghostModules;
    return {
      id: run,
      model,
      ratio: config.ratio ?? own?.ratio ?? '',
      cheapKernel: config.cheapKernel ?? own?.cheapKernel ?? '',
      seed: config.seed,
      recipe: config.recipe,
      epochs,
      trainedOn: Math.min(config.limit ?? cifarPictures, Math.round(cifarPictures * (1 - config.validation))),
      top1: (100 * top1).toFixed(2),
      pictures: count,
      of,
      source: `models/runs/${run}`,
    };
  });
writeFileSync(
  join(paper, 'trained.csv'),
  [
    csvLine(columns),
    ...[...ofSweeps, ...ofRuns].map((row) => csvLine(columns.map((name) => row[name]))),
  ].join(''),
);
