/**
 * What calibration remembers of a float network: statistics of its values, the means of what its filters make, and some
 * of the pictures, on which bias correction runs the integers. Knows no engine: whoever runs the network hands values in.
 */
import { elementCount, inputNodes } from '../../graph/graph.js';
import { inferShapes } from '../../graph/shapes.js';
import { int8Operations, operationsOf } from './operations.js';
import { OutputMeans } from './output-means.js';
import type { Prepared } from './quantize.js';
import { cutStages, mostKept } from './stages.js';
import { StatisticsCollector, type ValueStatistics } from './statistics.js';

/** Means change little with more pictures than these. */
const mostPictures = 128;
/** Bytes that pictures, and the maps that bias correction keeps of them, may take. */
const mostBytes = 256 * 2 ** 20;

export class Observation {
  /** Of the pictures that are kept. */
  readonly means: OutputMeans;
  readonly slopes: OutputMeans;
  /** Inputs by name. */
  readonly pictures: Readonly<Record<string, Float32Array>>[] = [];
  readonly #collectors: ReadonlyMap<string, StatisticsCollector>;
  readonly #inputs: readonly string[];
  readonly #limit: number;

  constructor(prepared: Prepared, budget = mostBytes) {
    const { graph } = prepared;
    const shapes = inferShapes(graph);
    const fused = int8Operations(graph);
    const inputs = inputNodes(graph);
    this.means = new OutputMeans(operationsOf(fused), shapes);
    this.slopes = new OutputMeans(operationsOf(fused), shapes, 'slopes');
    this.#collectors = new Map(
      prepared.observed.map((name) => [name, new StatisticsCollector(shapes.get(name)?.[1] ?? 1)]),
    );
    this.#inputs = inputs.map(({ name }) => name);
    const floats = inputs.reduce((sum, { shape }) => sum + elementCount(shape), 0);
    const bytes = 4 * floats + mostKept(cutStages(graph, fused, shapes), shapes);
    this.#limit = Math.max(1, Math.min(mostPictures, Math.floor(budget / bytes)));
  }

  /** One picture's values, planar [C][H][W], by the names of `prepared.observed`, inputs among them; read at once. */
  add(value: (name: string) => Float32Array): void {
    for (const [name, collector] of this.#collectors) collector.add(value(name));
    if (this.pictures.length === this.#limit) return;
    for (const name of this.means.names)
      for (const means of [this.means, this.slopes]) means.add(name, value(name));
    this.pictures.push(Object.fromEntries(this.#inputs.map((name) => [name, value(name).slice()])));
  }

  statistics(): ReadonlyMap<string, ValueStatistics> {
    return new Map([...this.#collectors].map(([name, collector]) => [name, collector.finish()]));
  }
}
