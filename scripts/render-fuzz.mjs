/**
 * Writes the outcome of the long hunts (data/fuzz/graphs.json) into docs/trust.md, between its two marks.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const { runs, found } = JSON.parse(readFileSync(at('data/fuzz/graphs.json'), 'utf8'));

function table(head, rows) {
  const widths = head.map((cell, i) =>
    Math.max(...[head, ...rows].map((row) => String(row[i]).length), cell.length),
  );
  const line = (cells) => `| ${cells.map((cell, i) => String(cell).padEnd(widths[i])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

const number = (value) => value.toLocaleString('en-US');

function section({
  engine,
  command,
  source,
  from,
  graphs,
  nodes,
  modes,
  ops,
  kernels,
  errors,
  refused,
  failed,
}) {
  const rows = Object.entries(modes).map(([mode, count]) => [
    mode,
    number(count),
    errors[mode] === undefined ? 'same bits as the integer reference' : errors[mode].toExponential(1),
  ]);
  const list = (counts) =>
    Object.entries(counts)
      .sort((a, b) => b[1] - a[1])
      .map(([name, count]) => `${name} ${number(count)}`)
      .join(', ');
  const hard = command.includes('--hard');
  return `### ${engine}${hard ? ', hard activations' : ''}

Seeds ${from} to ${from + graphs - 1}${hard ? ' with `--hard`' : ''}: ${number(graphs)} graphs, ${number(nodes)} nodes (\`${command}\`, ${source}).
${number(refused)} graphs have no int8 form, since something reads a softmax. Failures: ${failed.length === 0 ? 'none' : `seeds ${failed.map(({ seed }) => seed).join(', ')} (below)`}.

${table(['mode', 'graphs', 'largest error'], rows)}

Nodes: ${list(ops)}.

Graphs by kernel: ${list(kernels)}.`;
}

const bugs = found.map(({ seeds, what, fix }) => [seeds.join(', '), what, fix]);
const text = [...runs.map(section), `### What was found\n\n${table(['seeds', 'what', 'now'], bugs)}`].join(
  '\n\n',
);
const path = at('docs/trust.md');
const page = readFileSync(path, 'utf8');
const [before, rest] = page.split('<!-- outcome -->\n');
const after = rest.split('<!-- end of outcome -->\n').at(-1);
writeFileSync(path, `${before}<!-- outcome -->\n\n${text}\n\n<!-- end of outcome -->\n${after}`);
