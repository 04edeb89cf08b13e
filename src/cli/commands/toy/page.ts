/** The toy experiment as one HTML text without any outside reference. */
import { escapeHtml } from '../../../train/line-chart.js';

export interface ToyPair {
  readonly color: string;
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

const style = `
:root{color-scheme:light}body{font:15px/1.5 system-ui,sans-serif;color:#1c2430;margin:0 auto;max-width:1040px;padding:28px 20px 60px;background:#fff}
h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px}p{color:#5b6675;max-width:70ch}
table{border-collapse:collapse}td,th{padding:4px 12px;text-align:right;font-variant-numeric:tabular-nums}th{font-weight:normal;color:#5b6675}
.facts td,.facts th{text-align:left;padding-left:0}.row{display:flex;flex-wrap:wrap;gap:12px}figure{margin:0;width:128px}
figure img{width:128px;border-radius:4px;image-rendering:pixelated}figcaption{font-size:13px;color:#5b6675}.sheet{width:100%}`;

function pairRow(pair: ToyPair): string {
  const figure = (png: Buffer, caption: string): string =>
    `<figure><img src="${source(png)}" alt="${escapeHtml(caption)}"><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
  const made = pair.errors.map(({ d }, k) => figure(pair.pictures.made[k] as Buffer, `made by ${d}x${d}`));
  return `<h2 style="color:${pair.color}">${pair.color}: map ${pair.to} from map ${pair.from}</h2><div class="row">${figure(pair.pictures.from, `map ${pair.from}`)}${figure(pair.pictures.to, `map ${pair.to}, wanted`)}${made.join('')}</div>`;
}

export function toyPage(page: ToyPage): string {
  const sides = page.pairs[0]?.errors.map(({ d }) => `<th>d=${d}</th>`).join('') ?? '';
  const rows = page.pairs
    .map(
      (pair) =>
        `<tr><th style="color:${pair.color}">${pair.color}</th><td>${pair.from} to ${pair.to}</td>${pair.errors.map(({ mse }) => `<td>${(1000 * mse).toFixed(2)}</td>`).join('')}</tr>`,
    )
    .join('');
  const facts = page.facts
    .map(([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`)
    .join('');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(page.title)}</title><style>${style}</style>
<h1>${escapeHtml(page.title)}</h1><table class="facts">${facts}</table>
<h2>Mean squared error, thousandths (table 2)</h2><table><tr><th>pair</th><th>maps</th>${sides}</tr>${rows}</table>
<p>Each map is scaled to 0..1; a d x d filter of the first map, found by least squares, makes the second. The filters are nested, so the error cannot rise with d.</p>
${page.pairs.map(pairRow).join('\n')}
<h2>All maps (figure 1)</h2><img class="sheet" src="${source(page.sheet)}" alt="all feature maps of the layer">
</html>
`;
}
