/** Writes docs/counts.md from the counts of this build and the paper's numbers in test/counts/paper.json. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createModel, profile } from '../dist/index.js';

const root = new URL('../', import.meta.url);
const { source, rows } = JSON.parse(readFileSync(new URL('test/counts/paper.json', root), 'utf8'));
const number = (value) => value.toLocaleString('en-US');

const lines = rows.map(({ model, options = {}, paperParams, paperFlops, convolutionsOnly, note = '' }) => {
  const counted = profile(createModel(model, options));
  const macs = counted.layers
    .filter((layer) => !convolutionsOnly || layer.op !== 'linear')
    .reduce((sum, layer) => sum + layer.macs, 0);
  const setting = Object.entries(options).map(([key, value]) => `${key === 'ratio' ? 's' : 'd'}=${value}`);
  return `| ${[model, setting.join(' '), number(counted.params), paperParams, number(macs), paperFlops, note].join(' | ')} |`;
});

writeFileSync(
  new URL('docs/counts.md', root),
  `# Counts

Params are learned numbers (batch norm's scale and shift in, running statistics out). MACs are the multiply-accumulates of
convolutions and linear layers, which the paper calls FLOPs; for VGG-16 the paper counts convolutions only. Ghost settings
not named are s=2, d=3. The paper's columns: ${source}. Every number of ours is asserted by \`test/counts\`.

| network | | params | paper | MACs | paper | |
|---|---|--:|--:|--:|--:|---|
${lines.join('\n')}

Made by \`node scripts/render-counts.mjs\`.
`,
);
