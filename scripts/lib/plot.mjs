/** Plots for the documents: Observable Plot on a document without a browser, written as SVG files that stand alone. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

export { Plot };

/** Okabe and Ito's colours, which everybody can tell apart. */
export const colors = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7f7f7f'];

/** Writes a plot (Plot.plot's options) to a file below the repository's root. */
export function savePlot(path, { title, ...options }) {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const made = Plot.plot({
    document,
    width: 760,
    style: { background: '#ffffff', color: '#222222', fontSize: '12px' },
    ...options,
  });
  // with a legend, Plot gives a figure of several drawings: the legend's swatches are HTML, so marks name the series
  const svg = made.tagName.toLowerCase() === 'svg' ? made : made.querySelector('svg:last-of-type');
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', title);
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${svg.outerHTML}\n`);
}
