/**
 * How many channels each group keeps, and which: lowest scores go first, every value keeps a channel, and a search
 * finds the share to keep for wanted MACs. Scores come from the passes.
 */
import type { ChannelGroup, Coupling } from '../coupling/analyze.js';
import type { ResolvedPruneOptions } from './options.js';

/** Channels to keep by group name; groups that are not named keep all. */
export type KeepCounts = ReadonlyMap<string, number>;

/** The nearest count that is allowed: a multiple of roundTo, at least minChannels, at most what the group has. */
function roundCount(wanted: number, size: number, options: ResolvedPruneOptions): number {
  const { roundTo, minChannels } = options;
  const rounded = roundTo * Math.round(wanted / roundTo);
  return Math.min(size, Math.max(rounded, minChannels, 1));
}

/** The same share of every group. */
export function keepShare(
  groups: readonly ChannelGroup[],
  share: number,
  options: ResolvedPruneOptions,
): KeepCounts {
  return new Map(
    groups.map(({ name, units }) => [name, roundCount(share * units.length, units.length, options)]),
  );
}

/** The share of all groups' channels together that has the highest scores: some groups lose more than others. */
export function keepHighest(
  groups: readonly ChannelGroup[],
  scores: Float64Array,
  share: number,
  options: ResolvedPruneOptions,
): KeepCounts {
  const all = groups
    .flatMap(({ units }) => units.map((unit) => scores[unit] as number))
    .sort((a, b) => b - a);
  const threshold = all[Math.max(Math.round(share * all.length) - 1, 0)] ?? 0;
  return new Map(
    groups.map(({ name, units }) => {
      const high = units.filter((unit) => (scores[unit] as number) >= threshold).length;
      return [name, roundCount(high, units.length, options)];
    }),
  );
}

/** In which values each unit lies, and how often. */
function whereUnits(coupling: Coupling): (readonly (readonly [value: string, times: number])[])[] {
  const places: Map<string, number>[] = Array.from({ length: coupling.unitCount }, () => new Map());
  for (const [name, units] of coupling.units)
    for (const unit of units) places[unit]?.set(name, (places[unit].get(name) ?? 0) + 1);
  return places.map((place) => [...place]);
}

/** A function from counts to the units that go: in each group those with the lowest scores. */
export function chooser(
  coupling: Coupling,
  groups: readonly ChannelGroup[],
  scores: Float64Array,
): (counts: KeepCounts) => Set<number> {
  const places = whereUnits(coupling);
  const ascending = groups.map(({ name, units }) => ({
    name,
    units: [...units].sort((a, b) => (scores[a] as number) - (scores[b] as number)),
  }));
  return (counts) => {
    const left = new Map(Array.from(coupling.units, ([name, units]) => [name, units.length]));
    const removed = new Set<number>();
    for (const { name, units } of ascending) {
      let surplus = units.length - (counts.get(name) ?? units.length);
      for (const unit of units) {
        if (surplus <= 0) break;
        const where = places[unit] ?? [];
        if (where.some(([value, times]) => (left.get(value) ?? 0) <= times)) continue;
        for (const [value, times] of where) left.set(value, (left.get(value) ?? 0) - times);
        removed.add(unit);
        surplus--;
      }
    }
    return removed;
  };
}

/**
 * The share whose MACs come nearest to `target`. `countsAt` must keep more for a larger share; 24 halvings find the
 * place, and the nearer side of it is taken.
 */
export function searchShare<Counts>(
  target: number,
  countsAt: (share: number) => Counts,
  macsOf: (counts: Counts) => number,
): Counts {
  let [low, high] = [0, 1];
  let [below, above] = [countsAt(0), countsAt(1)];
  if (macsOf(above) <= target) return above;
  for (let step = 0; step < 24; step++) {
    const middle = (low + high) / 2;
    const counts = countsAt(middle);
    if (macsOf(counts) <= target) [low, below] = [middle, counts];
    else [high, above] = [middle, counts];
  }
  return Math.abs(macsOf(below) - target) <= Math.abs(macsOf(above) - target) ? below : above;
}
