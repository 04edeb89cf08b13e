/** The toy experiment as one HTML text without any outside reference. */
import { escapeHtml, htmlDocument } from '../../../report/page.js';
import type { PairColor } from '../../output/pair-colors.js';

export interface ToyPair {
  readonly color: PairColor;
  readonly from: number;
  readonly to: number;
  readonly errors: readonly { readonly d: number; readonly mse: number }[];
  /** PNGs: the map that is filtered, the map wanted, and what each filter gives. */
  readonly pictures: { readonly from: Buffer; readonly to: Buffer; readonly made: readonly Buffer[] };
}

export interface ToyPage {
  readonly title: string;
  readonly facts: readonly (readonly [string, string])[];
  readonly sheet: Buffer;
  readonly pairs: readonly ToyPair[];
}

const source = (png: Buffer): string => `data:image/png;base64,${png.toString('base64')}`;

const style = `body{max-width:1040px}td,th{padding:4px 12px;text-align:right}
.facts td,.facts th{text-align:left;padding-left:0;overflow-wrap:anywhere}.row{display:flex;flex-wrap:wrap;gap:12px}figure{width:128px}
figure img{width:128px;border-radius:4px;image-rendering:pixelated}.sheet{width:100%}
.mark{display:inline-block;width:.8em;height:.8em;border-radius:2px}`;

function colorHtml({ name, rgb }: PairColor): string {
  return `<span class="mark" style="background:rgb(${rgb.join()})"></span> ${name}`;
}

function pairRow(pair: ToyPair): string {
  const figure = (png: Buffer, caption: string): string =>
    `<figure><img src="${source(png)}" alt="${escapeHtml(caption)}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
  const made = pair.errors.map(({ d }, k) => figure(pair.pictures.made[k] as Buffer, `made by ${d}x${d}`));
  return `<h2>${colorHtml(pair.color)}: map ${pair.to} from map ${pair.from}</h2><div class="row">${figure(pair.pictures.from, `map ${pair.from}`)}${figure(pair.pictures.to, `map ${pair.to}, wanted`)}${made.join('')}</div>`;
}

export function toyPage(page: ToyPage): string {
  const sides = page.pairs[0]?.errors.map(({ d }) => `<th>d=${d}</th>`).join('') ?? '';
  const rows = page.pairs
    .map(
      (pair) =>
        `<tr><th>${colorHtml(pair.color)}</th><td>${pair.from} to ${pair.to}</td>${pair.errors.map(({ mse }) => `<td>${(1000 * mse).toFixed(2)}</td>`).join('')}</tr>`,
    )
    .join('');
  const facts = page.facts
    .map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`)
    .join('');
  const body = `<table class="facts">${facts}</table>
<h2>Mean squared error, thousandths (table 2)</h2><div class="scroll"><table><tr><th>pair</th><th>maps</th>${sides}</tr>${rows}</table></div>
<p>Each map is scaled to 0..1; a d x d filter of the first map, found by least squares, makes the second. The filters are nested, so the error cannot rise with d.</p>
${page.pairs.map(pairRow).join('\n')}
<h2>All maps (figure 1)</h2><img class="sheet" src="${source(page.sheet)}" alt="all feature maps of the layer">`;
  return htmlDocument({ title: page.title, style, body });
}
