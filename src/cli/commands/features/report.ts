/** The page of `ghostnet features`: each layer's grid, pairs and scores as one HTML text with its pictures inside. */
import type { MapPair, Redundancy } from '../../../analysis/feature-maps.js';
import { escapeHtml, htmlDocument } from '../../../report/page.js';

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

const style = `body{max-width:1120px}h2{overflow-wrap:anywhere}
.layer{display:flex;gap:22px;flex-wrap:wrap;align-items:flex-start}.layer>img{image-rendering:pixelated;max-width:100%;width:520px}
.pairs{display:grid;grid-template-columns:repeat(2,minmax(0,240px));gap:14px}figure img{width:100%;image-rendering:pixelated}
table{margin-top:14px}td,th{padding:3px 12px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
td:first-child,th:first-child{text-align:left;padding-left:0}.source{max-width:224px;border-radius:6px;margin-top:12px}`;

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
  const head = ['layer', 'maps', 'redundancy', 'with a twin', 'ghosts to intrinsic'];
  const body = `<p>${escapeHtml(about.text)}</p><img class="source" src="${embedded(about.picture)}" alt="the picture">
<div class="scroll"><table><tr>${head.map((text) => `<th>${text}</th>`).join('')}</tr>${rows.join('')}</table></div>
<p>Redundancy: mean over the maps of the largest |correlation| with another map of the layer; a twin has 0.9 or more.</p>
${layers.map(layerHtml).join('\n')}`;
  return htmlDocument({ title: about.title, style, body });
}
