/** How readers of formulas and views add to the graph that an ONNX file becomes. */
import type { GraphBuilder } from '../../graph/builder.js';
import type { Parameter, Tensor } from '../../graph/graph.js';
import type { Node } from '../../graph/nodes.js';

export interface GraphWriter {
  readonly builder: GraphBuilder;
  readonly weights: ReadonlyMap<string, Tensor>;
  /** Room for `count` elements that the file does not hold itself. Throws `Unsupported` beyond the limit. */
  reserve(count: number): void;
  /** `wanted`, or with a number behind when it is taken. */
  unique(wanted: string): string;
  /** Throws `Unsupported`. */
  refuse(reason: string, attribute?: string): never;
  /** A depthwise convolution with filters that are not learned, [C, 1, kh, kw]. */
  fixedFilter(
    name: string,
    x: string,
    data: Float32Array,
    kernel: readonly [number, number],
    padding: readonly [number, number, number, number],
    stride?: readonly [number, number],
  ): string;
  /** Keeps a weight under a name, or under that name with a number behind; the name. */
  parameter(wanted: string, shape: readonly number[], data: Float32Array | Float64Array): string;
  /** Adds a node; its name. */
  add(node: Node, parameters?: Readonly<Record<string, Parameter>>): string;
  /** The graph node of a name that `add` made. */
  node(name: string): Node | undefined;
}
