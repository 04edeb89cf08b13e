/** The toy experiment: nested filters never get worse, a filtered copy is found and explained. */
import { describe, expect, it } from 'vitest';
import { Random } from '../../models/random.js';
import { fitFilters, mostGhostly, pairErrors, scaledMaps } from './ghost-pairs.js';

describe('ghost pairs', () => {
  it('the error does not rise with d, for maps of noise', () => {
    const random = new Random(1);
    const maps = scaledMaps(
      [4, 12, 13],
      Array.from({ length: 4 * 12 * 13 }, () => random.normal()),
    );
    for (let from = 0; from < 4; from++)
      for (let to = 0; to < 4; to++) {
        const errors = pairErrors(maps, from, to).errors.map(({ mse }) => mse);
        for (let k = 1; k < errors.length; k++)
          expect(errors[k] as number).toBeLessThanOrEqual((errors[k - 1] as number) + 1e-12);
      }
  });

  it('finds the map that is a filtered copy, and its filter', () => {
    const random = new Random(2);
    const [h, w] = [11, 10];
    const data = Float64Array.from({ length: 3 * h * w }, () => random.uniform());
    // map 2 is half of map 0 moved one pixel down
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++)
        data[2 * h * w + i * w + j] = i === 0 ? 0 : 0.5 * (data[(i - 1) * w + j] as number);
    const maps = { channels: 3, height: h, width: w, data };
    expect(mostGhostly(maps, 1)[0]).toMatchObject({ from: 0, to: 2 });
    const [fit] = fitFilters(maps, 0, [2], 3);
    expect(fit?.mse).toBeLessThan(1e-12);
    fit?.filter.forEach((value, k) => {
      expect(value).toBeCloseTo(k === 1 ? 0.5 : 0, 5);
    });
  });

  it('leaves dead maps out', () => {
    const maps = scaledMaps([2, 2, 2], [5, 5, 5, 5, 0, 1, 2, 4]);
    expect([...maps.data]).toEqual([0, 0, 0, 0, 0, 0.25, 0.5, 1]);
    expect(mostGhostly(maps, 3)).toEqual([]);
  });
});
