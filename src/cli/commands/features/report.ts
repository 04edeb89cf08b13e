/** The page of `ghostnet features`: each layer's grid, pairs and scores as one HTML text with its pictures inside. */
import type { MapPair, Redundancy } from '../../../analysis/feature-maps.js';
import { escapeHtml } from '../../../train/line-chart.js';

export interface LayerFeatures {
  readonly layer: string;
  /** [C, H, W]. */
  readonly shape: readonly number[];
  readonly redundancy: Redundancy;
  /** Of a Ghost module: intrinsic map and ghost, most alike first. */
  readonly ghosts?: readonly MapPair[];
  /** PNG bytes. */
  readonly grid: Uint8Array;
  readonly pairPictures: readonly { readonly pair: MapPair; readonly png: Uint8Array }[];
}

const style = `body{font:14px/1.5 system-ui,sans-serif;color:#1c2430;max-width:1120px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:38px 0 4px;overflow-wrap:anywhere}p{color:#5b6675;margin:2px 0 10px;max-width:90ch}
.layer{display:flex;gap:22px;flex-wrap:wrap;align-items:flex-start}.layer>img{image-rendering:pixelated;max-width:100%;width:520px}
.pairs{display:grid;grid-template-columns:repeat(2,minmax(0,240px));gap:14px}figure{margin:0}figure img{width:100%;image-rendering:pixelated}
figcaption{font-size:12.5px;color:#5b6675}table{border-collapse:collapse;margin-top:14px}td,th{padding:3px 12px;border-bottom:1px solid #dfe4ea;text-align:right;font-weight:400;font-variant-numeric:tabular-nums}
td,th{white-space:nowrap}.scroll{overflow-x:auto}td:first-child,th:first-child{text-align:left}th{color:#5b6675}.source{max-width:224px;border-radius:6px;margin-top:12px}`;

const embedded = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
const fixed = (value: number): string => value.toFixed(3);

/** Mean |correlation| of the ghosts with their intrinsic maps. */
export function meanGhost(ghosts: readonly MapPair[] | undefined): number | undefined {
  if (!ghosts || ghosts.length === 0) return undefined;
  return ghosts.reduce((sum, { correlation }) => sum + Math.abs(correlation), 0) / ghosts.length;
}

function layerHtml(entry: LayerFeatures): string {
  const { layer, shape, redundancy, ghosts } = entry;
  const what = ghosts ? 'intrinsic map (left) and its ghost' : 'most alike maps';
  const pairs = entry.pairPictures.map(
    ({ pair, png }) =>
      `<figure><img src="${embedded(png)}" alt=""><figcaption>${pair.a} and ${pair.b}: ${fixed(pair.correlation)}</figcaption></figure>`,
  );
  return (
    `<h2>${escapeHtml(layer)}</h2><p>${shape.join(' x ')}; redundancy ${fixed(redundancy.score)}; ` +
    `${(100 * redundancy.twins).toFixed(0)} % of ${redundancy.live} live maps have a twin; pairs: ${what}, with their correlation.</p>` +
    `<div class="layer"><img src="${embedded(entry.grid)}" alt="all maps of ${escapeHtml(layer)}"><div class="pairs">${pairs.join('')}</div></div>`
  );
}

/** The whole page. `picture`: the input as PNG. */
export function featuresPage(
  layers: readonly LayerFeatures[],
  about: { readonly title: string; readonly text: string; readonly picture: Uint8Array },
): string {
  const rows = layers.map(({ layer, shape, redundancy, ghosts }) => {
    const ghost = meanGhost(ghosts);
    const cells = [
      layer,
      shape.join(' x '),
      fixed(redundancy.score),
      `${(100 * redundancy.twins).toFixed(0)} %`,
      ghost === undefined ? '-' : fixed(ghost),
    ];
    return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escapeHtml(about.title)}</title><style>${style}</style>
<h1>${escapeHtml(about.title)}</h1><p>${escapeHtml(about.text)}</p><img class="source" src="${embedded(about.picture)}" alt="the picture">
<div class="scroll"><table><tr><th>layer</th><th>maps</th><th>redundancy</th><th>with a twin</th><th>ghosts to intrinsic</th></tr>${rows.join('')}</table></div>
<p>Redundancy: mean over the maps of the largest |correlation| with another map of the layer; a twin has 0.9 or more.</p>
${layers.map(layerHtml).join('\n')}</html>\n`;
}
