/** What fusion promises, read off the programs: no pass over memory that a kernel beside it could have done. */
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../graph/builder.js';
import type { Graph } from '../graph/graph.js';
import { ghostNet } from '../models/ghostnet.js';
import { initializeWeights } from '../models/initialize.js';
import { createModel } from '../models/registry.js';
import { eliminateDeadNodes } from '../passes/eliminate-dead-nodes.js';
import { foldBatchNorm } from '../passes/fold-batch-norm.js';
import { lower } from './lower.js';
import type { Program } from './program.js';

function program(graph: Graph): Program {
  const folded = foldBatchNorm(graph, initializeWeights(graph, 1));
  const clean = eliminateDeadNodes(folded.graph, folded.weights);
  return lower(clean.graph, clean.weights);
}

/** How many steps use each kernel, elementwise ones by operation. */
function kernels(graph: Graph): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const step of program(graph).steps) {
    const spec = step.parts[0]?.spec;
    const name = spec?.kind === 'elementwise' ? spec.op : (spec?.kind ?? 'none');
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

describe('lowering GhostNet', () => {
  it.each([0.5, 1, 1.3])('%s: convolutions, pools and gates are all there is', (width) => {
    // 16 bottlenecks: 2 primaries each, SE in 7, 5 convolutional shortcuts (6 where widths differ), stem, last, head, classifier
    const counts = kernels(ghostNet({ width, inputSize: 64 }));
    const { pointwise, depthwise, ...rest } = counts;
    expect(rest).toEqual({ import: 1, conv: 1, globalPool: 8, scale: 7, export: 1 });
    const shortcuts = width === 1 ? 5 : (pointwise ?? 0) - 32 - 14 - 3;
    expect(pointwise).toBe(32 + 14 + 3 + shortcuts);
    expect(depthwise).toBe(32 + 4 + shortcuts);
  });

  it('scales in place and adds shortcuts into what is there', () => {
    const graph = ghostNet({ inputSize: 64 });
    const { steps } = program(graph);
    const buffers = (name: string): string[] => {
      const part = steps.find((step) => step.name === name)?.parts[0];
      return part?.operands.flatMap((o) => (o.kind === 'buffer' ? [`${o.access} ${o.buffer.id}`] : [])) ?? [];
    };
    const [read, , write] = buffers('blocks.3.0.se.mul');
    expect(write?.split(' ')[1]).toBe(read?.split(' ')[1]);
    const [, out, residual] = buffers('blocks.1.0.add');
    expect(out?.split(' ')[1]).toBe(residual?.split(' ')[1]);
  });
});

describe('lowering Ghost-ResNet-56 with batch norm after the concatenation', () => {
  it('runs batch norm, sum and activation in the depthwise pass', () => {
    const counts = kernels(createModel('ghost-resnet56-bn-after'));
    expect(
      Object.keys(counts).filter((name) => ['affine', 'add', 'activation', 'repack'].includes(name)),
    ).toEqual([]);
    expect(counts['depthwise']).toBe(57);
  });
});

describe('lowering odds and ends', () => {
  const build = (
    shape: readonly number[],
    make: (g: GraphBuilder, x: string) => string,
  ): Record<string, number> => {
    const g = new GraphBuilder('test');
    return kernels(g.build([make(g, g.input('x', shape))]));
  };

  it('slice, shuffle, padded channels, flatten and concat of one buffer cost nothing', () => {
    const counts = build([8, 2, 2], (g, x) => {
      const y = g.conv2d('a', x, { outChannels: 8 });
      const z = g.concat('cat', [g.slice('s', y, 4, 8), g.shuffle('sh', y, 2)]);
      return g.linear('fc', g.flatten('f', g.padChannels('p', z, 1, 3)), { outFeatures: 3 });
    });
    expect(counts).toEqual({ import: 1, pointwise: 2, export: 1 });
  });

  it('nested concatenations of convolutions are written in place', () => {
    const counts = build([3, 5, 5], (g, x) => {
      let y = g.conv2d('first', x, { outChannels: 6, kernel: 3 });
      for (let i = 0; i < 3; i++) y = g.concat(`cat${i}`, [y, g.conv2d(`conv${i}`, y, { outChannels: 6 })]);
      return y;
    });
    expect(counts).toEqual({ import: 1, conv: 1, pointwise: 3, export: 1 });
  });

  it('a convolution takes the sum and the activation after it', () => {
    const counts = build([4, 5, 5], (g, x) => {
      const a = g.conv2d('a', x, { outChannels: 4, kernel: 3, padding: 1 });
      return g.activation('act', g.add('sum', a, x), 'silu');
    });
    expect(counts).toEqual({ import: 2, conv: 1, export: 1 });
  });
});
