/**
 * Params and MACs of every network that others published (zoo.csv): ours to the unit, and beside the published number
 * the status that the comparison itself gives, so that a number that does not fit cannot hide.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { profile } from '../../src/analysis/profile.js';
import { feNet } from '../../src/models/fe-net.js';
import { type MobileNetV3Row, mobileNetV3, mobileNetV3SmallRows } from '../../src/models/mobilenet-v3.js';
import { createModel, listModels } from '../../src/models/registry.js';
import { agreement } from '../../src/paper/agreement.js';
import { readCsv } from '../../src/paper/csv.js';
import { foldBranches } from '../../src/passes/fold-branches.js';

const rows = readCsv(readFileSync(`${import.meta.dirname}/zoo.csv`, 'utf8'));

describe('networks that others published', () => {
  it.each(rows)('$model', (row) => {
    const { params, macs } = profile(createModel(row['model'] ?? ''));
    expect([params, macs]).toEqual([Number(row['params']), Number(row['macs'])]);
    expect(agreement(params, row['publishedParams'] ?? '')).toBe(row['paramsStatus']);
    expect(agreement(macs, row['publishedMacs'] ?? '')).toBe(row['macsStatus']);
    const differs = row['paramsStatus'] === 'differs' || row['macsStatus'] === 'differs';
    if (differs) expect(row['note'], 'a number that differs needs a note').not.toBe('');
  });

  it('has a row for every network of the registry that is not in counts.json', () => {
    const known = new Set(rows.map((row) => row['model']));
    const missing = listModels().filter(
      ({ name }) => !known.has(name) && !/cifar|ghostnet-|ghost-resnet50|bn-after/.test(name),
    );
    expect(missing.map(({ name }) => name)).toEqual([]);
  });

  it('numbers that notes give for other forms are counted too', () => {
    const small = (width: number) => mobileNetV3({ name: 'small', variant: 'small', width, head: 1280 });
    expect(profile(small(0.75)).params).toBe(2_408_720);
    expect(agreement(profile(small(0.75)).macs, '44 M')).toBe('printed digits');
    expect(profile(small(1)).params).toBe(2_946_568);
    // the strides of the paper's first version, whole and without squeeze-and-excite
    const first = mobileNetV3SmallRows.map(([kernel, expanded, out, se, hard, stride], i): MobileNetV3Row => {
      return [kernel, expanded, out, se, hard, i === 3 ? 1 : i === 4 ? 2 : stride];
    });
    const bare = first.map(
      ([kernel, expanded, out, , hard, stride]): MobileNetV3Row => [kernel, expanded, out, 0, hard, stride],
    );
    const early = (rows: readonly MobileNetV3Row[], head: number) =>
      profile(mobileNetV3({ name: 'small', variant: 'small', rows, head })).macs;
    expect(early(first, 1280)).toBe(66_227_776);
    expect(early(bare, 1024)).toBe(65_365_568);
    // a last convolution that fits 3.7 M and 301 M when digits are cut
    for (const [head, fits] of [
      [1519, false],
      [1520, true],
      [1551, true],
      [1552, false],
    ] as const) {
      const { params, macs } = profile(feNet({ name: 'fe_net', head }));
      expect([Math.floor(params / 1e5), Math.floor(macs / 1e6)].join() === '37,301').toBe(fits);
    }
  });

  it('GhostNetV3 folded counts what GhostNetV2 counts', () => {
    const graph = createModel('ghostnetv3-1.0x');
    const zeros = new Map(
      Object.entries(graph.parameters).map(([name, { shape }]) => [
        name,
        { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) },
      ]),
    );
    const folded = profile(foldBranches(graph, zeros).graph);
    expect(folded.macs).toBe(profile(createModel('ghostnetv2-1.0x')).macs);
  });
});
