/**
 * Prints every op case, forty random graphs and every network as JSON for make.py. Not a test: it runs only when goldens are made.
 */
import { toJson } from '../../src/graph/json.js';
import { hashText } from '../../src/models/random.js';
import { networkCases } from '../networks/networks.js';
import { paperCases } from '../networks/paper-cases.js';
import { type ZooCase, zooCases } from '../networks/zoo-cases.js';
import { randomGraph } from '../op-cases/random-graph.js';
import { opCases } from '../op-cases/table.js';

const goldenRandomGraphs = 40;
const randomCases = Array.from({ length: goldenRandomGraphs }, (_, seed) => randomGraph(seed));
const cases = [...opCases, ...randomCases].map(({ name, graph, batch, seed, inputScale }) => {
  const json = toJson(graph);
  return { name, batch, seed, inputScale, hash: hashText(json), graph: JSON.parse(json) as unknown };
});
const described = ({ name, build, batch, seed, normScale }: ZooCase): unknown => {
  const json = toJson(build());
  return {
    name,
    batch,
    seed,
    inputScale: 1,
    normScale,
    hash: hashText(json),
    graph: JSON.parse(json) as unknown,
  };
};
const [networks, papers, zoo] = [networkCases as readonly ZooCase[], paperCases, zooCases].map((list) =>
  list.map(described),
);
console.log(JSON.stringify({ cases, networks, papers, zoo }));
