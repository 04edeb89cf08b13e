/** A graph as readable text, one line a node. For people: the machine form is json.ts. */
import type { Graph } from './graph.js';
import type { Node, Padding, Pair } from './nodes.js';
import { inferShapes, type ShapeOptions } from './shapes.js';

function size([h, w]: Pair): string {
  return h === w ? `${h}` : `${h}x${w}`;
}

function pad([top, left, bottom, right]: Padding): string {
  return top === left && top === bottom && top === right ? `${top}` : `${top},${left},${bottom},${right}`;
}

/** What a node does, in a few words: `conv2d 3x3 s2 p1 16→32`. */
export function describeNode(node: Node): string {
  switch (node.kind) {
    case 'conv2d': {
      const depthwise = node.groups === node.inChannels && node.groups > 1;
      const parts = [depthwise ? 'depthwise' : 'conv2d', `${node.kernel[0]}x${node.kernel[1]}`];
      if (node.stride[0] !== 1 || node.stride[1] !== 1) parts.push(`s${size(node.stride)}`);
      if (node.padding.some((value) => value !== 0)) parts.push(`p${pad(node.padding)}`);
      if (node.dilation[0] !== 1 || node.dilation[1] !== 1) parts.push(`d${size(node.dilation)}`);
      if (node.groups !== 1 && !depthwise) parts.push(`g${node.groups}`);
      parts.push(`${node.inChannels}→${node.outChannels}`);
      if (node.bias !== undefined) parts.push('bias');
      return parts.join(' ');
    }
    case 'linear':
      return `linear ${node.inFeatures}→${node.outFeatures}${node.bias === undefined ? '' : ' bias'}`;
    case 'activation':
      return node.function;
    case 'slice':
      return `slice ${node.start}:${node.end}`;
    case 'padChannels':
      return `padChannels ${node.before},${node.after}`;
    case 'shuffle':
      return `shuffle g${node.groups}`;
    case 'permuteChannels':
      return `permute ${node.order.length} channels`;
    case 'maxPool':
    case 'avgPool':
      return `${node.kind} ${size(node.kernel)} s${size(node.stride)} p${pad(node.padding)}${node.ceilMode ? ' ceil' : ''}`;
    case 'upsample':
      return `upsample x${size(node.scale)}`;
    case 'dropout':
      return `dropout ${node.rate}`;
    default:
      return node.kind;
  }
}

/** The whole graph: name, then per node its name, what it does, its inputs and its output shape. */
export function printGraph(graph: Graph, options: ShapeOptions = {}): string {
  const shapes = inferShapes(graph, options);
  const outputs = new Set(graph.outputs);
  const rows = graph.nodes.map((node) => [
    `${outputs.has(node.name) ? '*' : ' '} ${node.name}`,
    describeNode(node),
    node.inputs.join(', '),
    `[${shapes.get(node.name)?.join(', ')}]`,
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map(([name = '', what = '', inputs = '', shape = '']) =>
    `${name.padEnd(widths[0] ?? 0)}  ${what.padEnd(widths[1] ?? 0)}  ${inputs.padEnd(widths[2] ?? 0)}  ${shape}`.trimEnd(),
  );
  return `${graph.name}\n${lines.join('\n')}\n`;
}
