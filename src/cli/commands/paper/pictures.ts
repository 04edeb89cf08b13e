/**
 * Table 2 and figures 1 and 4 of `ghostnet paper --picture`: measured and drawn on a picture and a network of the user's
 * own, by what `toy` and `features` do. The figures are PNGs inside SVGs, so that pages take them like the plots.
 */

import type { MapPair } from '../../../analysis/feature-maps.js';
import type { Figure, RenderedTable } from '../../../paper/render.js';
import type { GhostPair, MapStack } from '../../../passes/ghostify/ghost-pairs.js';
import { pairColor } from '../../output/pair-colors.js';
import { layerFeatures } from '../features.js';
import { toyMaps } from '../toy.js';

/** Of a picture and a network; `layer` is one whose Ghost module figure 4 shows. */
export interface PictureOptions {
  readonly picture: string;
  readonly model?: string;
  readonly network?: string;
}

const pairCount = 3;

/** A PNG as an SVG of the same size. */
async function wrapPng(png: Uint8Array, label: string): Promise<string> {
  const { default: sharp } = await import('sharp');
  const { width = 1, height = 1 } = await sharp(png).metadata();
  const { escapeHtml } = await import('../../../report/page.js');
  const data = Buffer.from(png).toString('base64');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeHtml(label)}"><image width="${width}" height="${height}" href="data:image/png;base64,${data}"/></svg>`;
}

interface Toy {
  readonly stack: MapStack;
  readonly pairs: readonly GhostPair[];
  readonly where: string;
}

/** The pairs of the toy experiment, most ghost-like first. Throws UsageError as `ghostnet toy` does. */
export async function measureToy({ picture, model, network }: PictureOptions): Promise<Toy> {
  const { mostGhostly, pairErrors } = await import('../../../passes/ghostify/ghost-pairs.js');
  const { stack, node, description } = await toyMaps(picture, {
    ...(model === undefined ? {} : { model }),
    ...(network === undefined ? {} : { network }),
  });
  const { channels, height, width } = stack;
  return {
    stack,
    pairs: mostGhostly(stack, pairCount).map(({ from, to }) => pairErrors(stack, from, to)),
    where: `${channels} maps of ${height}x${width} of ${node}; ${description}`,
  };
}

/** Table 2: mean squared errors of the pairs. */
export function toyTable({ pairs, where }: Toy): RenderedTable {
  return {
    title: 'Table 2: one map of a pair made from the other, MSE in thousandths',
    text:
      `Measured here on a picture of your own: ${where}. Maps are scaled to 0..1, filters found by least squares. The paper's ` +
      'picture, weights and pairs are not published, so its numbers cannot be compared; in both a d beyond 3 gains little.',
    head: ['pair', 'from', 'to', ...(pairs[0]?.errors.map(({ d }) => `d=${d}`) ?? [])],
    align: `lrr${'r'.repeat(pairs[0]?.errors.length ?? 0)}`,
    rows: pairs.map(({ from, to, errors }, i) => [
      pairColor(i).name,
      String(from),
      String(to),
      ...errors.map(({ mse }) => (1000 * mse).toFixed(3)),
    ]),
  };
}

/** Figure 1: all maps of a layer, the pairs of table 2 framed. */
export async function pairsFigure({ stack, pairs, where }: Toy): Promise<Figure> {
  const { mapSheet } = await import('../../output/draw-maps.js');
  const frames = new Map(
    pairs.flatMap(({ from, to }, i) => {
      const { rgb } = pairColor(i);
      return [[from, rgb] as const, [to, rgb] as const];
    }),
  );
  const title = 'Figure 1: feature maps that are ghosts of each other';
  return {
    title,
    text: `${where}; frames of one colour are a pair of table 2.`,
    file: 'figure-1.svg',
    svg: await wrapPng(await mapSheet(stack, frames), title),
  };
}

/** Figure 4: pairs of a Ghost module's maps, an intrinsic one and its ghost, most alike first. */
export async function ghostsFigure({
  picture,
  model,
  network,
}: PictureOptions): Promise<{ readonly figure: Figure; readonly pairs: readonly MapPair[] }> {
  const options = { layers: 1, pairs: 6, ...(network === undefined ? {} : { network }) };
  const given = await layerFeatures(model ?? 'default', picture, options);
  const own = given.layers.some(({ ghosts }) => ghosts) ? given : undefined;
  const { layers, description, random } =
    own ?? (await layerFeatures('default', picture, { layers: 1, pairs: 6 }));
  const [layer] = layers;
  const pairs = layer?.pairPictures ?? [];
  const title = 'Figure 4: intrinsic maps and their ghosts';
  const told = pairs.map(({ pair }) => `${pair.a} and ${pair.b}: ${pair.correlation.toFixed(3)}`).join(', ');
  const figure: Figure = {
    title,
    text:
      `${layer?.layer ?? ''} of ${description}${random ? ' (random weights: shows nothing of a trained network)' : ''}; each pair is an intrinsic map, ` +
      `left, and its ghost, with their correlation: ${told}.`,
    file: 'figure-4.svg',
    svg: await wrapPng(await beside(pairs.map(({ png }) => png)), title),
  };
  return { figure, pairs: pairs.map(({ pair }) => pair) };
}

/** Pictures of one size, three a row, with gaps. */
async function beside(pictures: readonly Uint8Array[]): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  const { width = 1, height = 1 } = await sharp(pictures[0]).metadata();
  const columns = Math.min(3, pictures.length);
  const [across, down] = [width + 16, height + 16];
  return sharp({
    create: {
      width: columns * across,
      height: Math.ceil(pictures.length / columns) * down,
      channels: 3,
      background: '#ffffff',
    },
  })
    .composite(
      pictures.map((png, i) => ({
        input: Buffer.from(png),
        left: (i % columns) * across + 8,
        top: Math.floor(i / columns) * down + 8,
      })),
    )
    .png()
    .toBuffer();
}
