/** Every network of the registry, small: counts, survives as JSON, exports to ONNX. Runs nothing. */
import { expect, it } from 'vitest';
import { profile } from '../../src/analysis/profile.js';
import { exportOnnx } from '../../src/formats/onnx/export.js';
import { fromJson, toJson } from '../../src/graph/json.js';
import { smallNetworks } from '../networks/small-zoo.js';
import { randomWeights } from '../op-cases/values.js';

it.each(smallNetworks)('$name', ({ graph }) => {
  expect(profile(graph).params).toBeGreaterThan(0);
  expect(toJson(fromJson(toJson(graph)))).toBe(toJson(graph));
  expect(exportOnnx(graph, randomWeights(graph, 1)).length).toBeGreaterThan(1000);
});
