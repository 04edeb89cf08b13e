/**
 * A scatter plot of named points as an SVG text, points of one series joined by a line: figures 6 and 7. Scales and
 * paths are d3's; this file only places them. Carries its own style, so that it stands alone as a file.
 */
import { scaleLinear, scaleLog } from 'd3-scale';
import { line } from 'd3-shape';
import { escapeHtml } from './page.js';

export interface ScatterPoint {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

export interface ScatterSeries {
  readonly name: string;
  readonly points: readonly ScatterPoint[];
  /** Drawn stronger than the others. */
  readonly strong?: boolean;
  /** Which colour and mark, a whole number; charts that share series give the same. Default: its place in the list. */
  readonly look?: number;
}

const width = 760;
const height = 470;
const margin = { top: 44, right: 150, bottom: 48, left: 60 };
/** Okabe and Ito's colours; marks differ too. */
const colors = [
  '#d55e00',
  '#0072b2',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
  '#8c564b',
  '#808080',
];
const marks = [
  'M-5,-5h10v10h-10z',
  'M0,-6L6,5H-6z',
  'M0,-6L6,0L0,6L-6,0z',
  'M-4,-4a5.6,5.6 0 1,1 8,8a5.6,5.6 0 1,1 -8,-8z',
];

/** Colour and mark; the numbers of both have no common divisor, so that 36 series differ. */
function lookOf(i: number): readonly [color: string, mark: string] {
  return [colors[i % colors.length] ?? '#000', marks[i % marks.length] ?? ''];
}

/** The chart as `<svg>`. `log`: the x axis in powers. */
export function scatterChart(options: {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly ScatterSeries[];
  readonly log?: boolean;
}): string {
  const { title, xLabel, yLabel, series } = options;
  const all = series.flatMap(({ points }) => points);
  const xs = all.map(({ x }) => x);
  const ys = all.map(({ y }) => y);
  const range: [number, number] = [margin.left, width - margin.right];
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const x = options.log
    ? scaleLog()
        .domain([low * 0.88, high * 1.12])
        .range(range)
    : scaleLinear()
        .domain([Math.max(0, low - (high - low) * 0.06), high])
        .nice(6)
        .range(range);
  const y = scaleLinear()
    .domain([Math.min(...ys) - 0.6, Math.max(...ys) + 0.6])
    .nice(6)
    .range([height - margin.bottom, margin.top]);
  const xTicks = options.log
    ? [1, 2, 3, 5, 7]
        .flatMap((digit) => [-1, 0, 1, 2, 3].map((power) => digit * 10 ** power))
        .filter((tick) => tick >= low * 0.88 && tick <= high * 1.12)
    : x.ticks(6);
  const text = (at: readonly [number, number], content: string, anchor = 'middle'): string =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" text-anchor="${anchor}">${escapeHtml(content)}</text>`;
  const grid = [
    ...y
      .ticks(6)
      .flatMap((tick) => [
        `<line class="grid" x1="${range[0]}" x2="${range[1]}" y1="${y(tick)}" y2="${y(tick)}"/>`,
        text([margin.left - 8, y(tick) + 4], String(tick), 'end'),
      ]),
    ...xTicks.map((tick) => text([x(tick), height - margin.bottom + 18], String(tick))),
  ];
  const path = line<ScatterPoint>()
    .x((point) => x(point.x))
    .y((point) => y(point.y));
  const drawn = series.map(({ points, strong, look }, i) => {
    const [color, mark] = lookOf(look ?? i);
    const sorted = [...points].sort((a, b) => a.x - b.x);
    const joined =
      sorted.length > 1
        ? `<path d="${path(sorted) ?? ''}" fill="none" stroke="${color}" stroke-width="${strong ? 2.6 : 1.3}"/>`
        : '';
    return (
      joined +
      sorted
        .map(
          (point) =>
            `<path class="mark" d="${mark}" transform="translate(${x(point.x).toFixed(1)},${y(point.y).toFixed(1)})" fill="${color}"><title>${escapeHtml(`${point.name}: ${point.x}, ${point.y}`)}</title></path>`,
        )
        .join('')
    );
  });
  const legend = series.map(({ name, strong, look }, i) => {
    const [color, mark] = lookOf(look ?? i);
    const top = margin.top + 8 + i * 21;
    const left = width - margin.right + 16;
    const weight = strong ? ' class="strong"' : '';
    return (
      `<path d="${mark}" transform="translate(${left},${top})" fill="${color}"/>` +
      `<text x="${left + 12}" y="${top + 4}"${weight}>${escapeHtml(name)}</text>`
    );
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(title)}">` +
    '<style>text{font:12px system-ui,sans-serif;fill:#1c2430}.grid{stroke:#dfe4ea}.strong{font-weight:600}.mark{stroke:#fff}</style>' +
    `<rect width="${width}" height="${height}" fill="#fff"/>` +
    `<text x="${margin.left}" y="24" style="font-size:15px;font-weight:600">${escapeHtml(title)}</text>` +
    [...grid, ...drawn, ...legend].join('') +
    text([(range[0] + range[1]) / 2, height - 10], xLabel) +
    `<text transform="translate(16,${(height - margin.bottom + margin.top) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(yLabel)}</text></svg>`
  );
}
