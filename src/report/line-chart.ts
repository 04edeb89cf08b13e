/**
 * A line chart as an SVG text: a few series over a common x axis. Scales and paths are d3's; this file only places
 * them. Not a plotting library.
 */
import { scaleLinear } from 'd3-scale';
import { line } from 'd3-shape';
import { escapeHtml } from './page.js';

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineChartOptions {
  readonly title: string;
  readonly xLabel: string;
  readonly series: readonly Series[];
  /** Text of a y value at the axis. */
  readonly formatY?: (value: number) => string;
  /** Lowest and highest y that must be visible. */
  readonly include?: readonly number[];
}

const width = 460;
const height = 260;
const margin = { top: 34, right: 16, bottom: 40, left: 58 };
/** Okabe and Ito's colours, distinguishable by everybody; dashes tell series apart without colour. */
const strokes = [
  { color: '#0072b2', dash: '' },
  { color: '#d55e00', dash: '6 3' },
  { color: '#009e73', dash: '2 3' },
];

/** The chart as `<svg>`; series without points are left out. */
export function lineChart(options: LineChartOptions): string {
  const series = options.series.filter(({ points }) => points.length > 0);
  const all = series.flatMap(({ points }) => points);
  const xs = all.map(([x]) => x);
  const ys = [...all.map(([, y]) => y), ...(options.include ?? [])].filter(Number.isFinite);
  const x = scaleLinear()
    .domain([Math.min(...xs, 1), Math.max(...xs, 2)])
    .range([margin.left, width - margin.right]);
  const y = scaleLinear()
    .domain(ys.length > 0 ? [Math.min(...ys), Math.max(...ys)] : [0, 1])
    .nice(5)
    .range([height - margin.bottom, margin.top]);
  const formatY = options.formatY ?? y.tickFormat(5);
  const path = line<readonly [number, number]>()
    .defined(([, value]) => Number.isFinite(value))
    .x(([at]) => x(at))
    .y(([, value]) => y(value));

  const grid = y
    .ticks(5)
    .map(
      (tick) =>
        `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${y(tick)}" y2="${y(tick)}"/>` +
        `<text class="tick" x="${margin.left - 8}" y="${y(tick) + 4}" text-anchor="end">${escapeHtml(formatY(tick))}</text>`,
    );
  const ticks = x
    .ticks(Math.min(8, Math.max(...xs, 2)))
    .filter(Number.isInteger)
    .map(
      (tick) =>
        `<text class="tick" x="${x(tick)}" y="${height - margin.bottom + 18}" text-anchor="middle">${tick}</text>`,
    );
  const lines = series.map(({ points }, i) => {
    const { color, dash } = strokes[i % strokes.length]!;
    const [only] = points;
    return points.length === 1 && only
      ? `<circle cx="${x(only[0])}" cy="${y(only[1])}" r="3.5" fill="${color}"/>`
      : `<path d="${path([...points]) ?? ''}" fill="none" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"/>`;
  });
  let legendX = width - margin.right;
  const legend = [...series.entries()].reverse().map(([i, { name }]) => {
    const { color, dash } = strokes[i % strokes.length]!;
    legendX -= name.length * 6.6 + 40;
    return (
      `<line x1="${legendX}" x2="${legendX + 22}" y1="16" y2="16" stroke="${color}" stroke-width="2" stroke-dasharray="${dash}"/>` +
      `<text class="tick" x="${legendX + 27}" y="20">${escapeHtml(name)}</text>`
    );
  });
  return (
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(options.title)}">` +
    `<text class="title" x="${margin.left}" y="20">${escapeHtml(options.title)}</text>` +
    [...grid, ...ticks, ...lines, ...(series.length > 1 ? legend : [])].join('') +
    `<text class="tick" x="${(width + margin.left) / 2}" y="${height - 6}" text-anchor="middle">${escapeHtml(options.xLabel)}</text></svg>`
  );
}
