/**
 * What lowering knows while it walks through the operations: the view of every value, parameters and shapes, operands
 * of kernels, and the helper steps that change a layout (import, pad, repack). Where values are put is storage.ts; the
 * operations themselves are lowered in the lower-*.ts files beside this one.
 */
import { rangeError } from '../errors.js';
import type { Graph, Tensor, Weights } from '../graph/graph.js';
import type { Conv2dNode, Padding } from '../graph/nodes.js';
import type { Shapes } from '../graph/shapes.js';
import type { FusedGraph } from '../passes/fuse.js';
import {
  denseRun,
  isOneToOne,
  planeBytes,
  quadSpan,
  relativePositions,
  samePositions,
  spread,
  type View,
} from './layout.js';
import { type Operand, type Part, ProgramBuilder, type VirtualBuffer } from './program.js';
import { type Size, Storage } from './storage.js';

/** A Ghost module's output: dense intrinsic maps, then a run of whole quads for each ghost of a map. */
function ghostLayout(cheap: Conv2dNode): Int32Array {
  const { inChannels, outChannels } = cheap;
  const multiplier = outChannels / inChannels;
  const run = Math.ceil(inChannels / 4) * 4;
  return Int32Array.from({ length: inChannels + outChannels }, (_, i) =>
    i < inChannels
      ? i
      : run * (1 + ((i - inChannels) % multiplier)) + Math.floor((i - inChannels) / multiplier),
  );
}

export class LoweringContext {
  readonly graph: Graph;
  readonly weights: Weights;
  readonly shapes: Shapes;
  readonly fused: FusedGraph;
  /** Whether convolutions may take Winograd's way. */
  readonly winograd: boolean;
  /** Whether layers of one pixel keep weights that are f16 numbers in 16 bits. */
  readonly halfWeights: boolean;
  readonly program = new ProgramBuilder();
  readonly storage: Storage;
  /** Kernel that gathers channels. */
  protected readonly repackKind: 'repack' | 'int8Repack' = 'repack';
  readonly #views = new Map<string, View>();
  readonly #inputs = new Map<string, VirtualBuffer>();
  readonly #shortcuts = new Map<string, Int32Array>();
  readonly #gated = new Map<string, string>();
  readonly #copies = new WeakMap<View, Map<string, View>>();

  constructor(
    graph: Graph,
    weights: Weights,
    shapes: Shapes,
    fused: FusedGraph,
    {
      winograd = true,
      halfWeights = false,
    }: { winograd?: boolean | undefined; halfWeights?: boolean | undefined } = {},
  ) {
    this.winograd = winograd;
    this.halfWeights = halfWeights;
    this.graph = graph;
    this.weights = weights;
    this.shapes = shapes;
    this.fused = fused;
    for (const node of graph.nodes)
      if (node.kind === 'mul') this.#gated.set(node.inputs[1] as string, node.inputs[0] as string);
    for (const item of fused.items) {
      if (item.kind !== 'operation' || item.operation.root.kind !== 'ghost') continue;
      const { root, residual } = item.operation;
      if (residual !== null) this.#shortcuts.set(residual, ghostLayout(root.cheap));
    }
    this.storage = new Storage(fused, this.program);
  }

  /** H and W of a node's output; 1 and 1 for flattened features. */
  size(name: string): Size {
    const [, , height = 1, width = 1] = this.shapes.get(name) ?? [];
    return { height, width };
  }

  channels(name: string): number {
    return this.shapes.get(name)?.[1] ?? 0;
  }

  /** A parameter's values. Throws RangeError `WEIGHTS_MISSING` or `SHAPE_MISMATCH`. */
  parameter(name: string): Float32Array {
    const tensor: Tensor | undefined = this.weights.get(name);
    const shape = this.graph.parameters[name]?.shape ?? [];
    if (!tensor)
      throw rangeError(
        'WEIGHTS_MISSING',
        `compile "${this.graph.name}": no weights for parameter "${name}"; load or initialise them`,
      );
    if (tensor.shape.join() !== shape.join())
      throw rangeError(
        'SHAPE_MISMATCH',
        `compile "${this.graph.name}": parameter "${name}": given [${tensor.shape.join(', ')}], expected [${shape.join(', ')}]`,
      );
    return tensor.data;
  }

  addInput(name: string, buffer: VirtualBuffer): void {
    this.#inputs.set(name, buffer);
  }

  has(name: string): boolean {
    return this.#views.has(name);
  }

  setView(name: string, view: View): void {
    this.#views.set(name, view);
  }

  /** Where a value is stored; a network input is brought into the inner layout when it is first asked for. */
  view(name: string): View {
    const known = this.#views.get(name);
    if (known) return known;
    const channels = this.channels(name);
    const view = this.storage.place(name, this.size(name), denseRun(channels), Math.ceil(channels / 4));
    this.#import(name, view, [0, 0, 0, 0]);
    this.#views.set(name, view);
    return view;
  }

  /** Quads [first, first + count) of a view's buffer as an operand of which a unit touches one quad. */
  quads(view: View, access: 'read' | 'write', first = quadSpan(view.positions).first): Operand {
    const plane = planeBytes(view);
    return { kind: 'buffer', buffer: view.buffer, offset: first * plane, access, extent: { perUnit: plane } };
  }

  /** The run of quads [first, end), all of it read by every unit. */
  whole(view: View, span = quadSpan(view.positions)): Operand {
    const plane = planeBytes(view);
    return {
      kind: 'buffer',
      buffer: view.buffer,
      offset: span.first * plane,
      access: 'read',
      extent: { bytes: (span.end - span.first) * plane },
    };
  }

  /** A copy of the view's channels at the given positions (relative to the copy's first quad), zeros elsewhere. */
  repack(name: string, view: View, target: View, targetFirst = quadSpan(target.positions).first): void {
    const span = quadSpan(view.positions);
    const plane = planeBytes(view);
    const quads = quadSpan(target.positions).end - targetFirst;
    const table = new Int32Array(quads * 4).fill(-1);
    const laneBytes = (view.pixelBytes ?? 16) / 4;
    target.positions.forEach((position, c) => {
      const from = view.positions[c] as number;
      if (position >= 0 && from >= 0)
        table[position - targetFirst * 4] = ((from >> 2) - span.first) * plane + (from & 3) * laneBytes;
    });
    this.program.step({
      name: `${name}:repack`,
      nodes: [],
      split: 'each',
      macs: 0,
      parts: [
        {
          spec: { kind: this.repackKind, P: view.height * view.width },
          units: quads,
          operands: [
            this.whole(view, span),
            this.program.weights(table),
            this.quads(target, 'write', targetFirst),
          ],
        },
      ],
    });
  }

  /** The view with every channel stored once and few lanes without one: itself, or a dense copy. */
  compact(name: string, view: View, mostSpread = 1.5): View {
    if (mostSpread > 0 && isOneToOne(view.positions) && spread(view.positions) <= mostSpread) return view;
    return this.#copy(view, 'dense', () => {
      const count = view.positions.length;
      const copy = this.storage.temporary(`${name}:dense`, view, denseRun(count), Math.ceil(count / 4));
      this.repack(name, view, copy);
      return copy;
    });
  }

  /** The view for a reader that skips lanes by zero weights: itself unless too many lanes would be read in vain. */
  compactFor(name: string, view: View): View {
    return spread(view.positions) <= 1.34 ? view : this.compact(name, view, 0);
  }

  /** The view with each run of `perGroup` channels in as few quads as it needs: itself, or a copy. */
  groupAligned(name: string, view: View, perGroup: number): View {
    const count = view.positions.length;
    let touched = 0;
    for (let c = 0; c < count; c += perGroup) {
      const span = quadSpan(view.positions.subarray(c, c + perGroup));
      touched += span.end - span.first;
    }
    const best = Math.ceil(perGroup / 4);
    if (touched <= 1.34 * best * (count / perGroup)) return view;
    return this.#copy(view, `groups of ${perGroup}`, () => {
      const positions = Int32Array.from(
        { length: count },
        (_, c) => Math.floor(c / perGroup) * best * 4 + (c % perGroup),
      );
      const copy = this.storage.temporary(`${name}:groups`, view, positions, best * (count / perGroup));
      this.repack(name, view, copy);
      return copy;
    });
  }

  /**
   * Positions, relative to the first quad, that would save a value's readers a copy: those of the map that it is the
   * gate of, or of the Ghost module whose shortcut it is.
   */
  wantedLayout(name: string): Int32Array | undefined {
    const scaled = this.#views.get(this.#gated.get(name) ?? '');
    if (scaled) return relativePositions(scaled.positions);
    return this.#shortcuts.get(name);
  }

  /** The view with channels at these relative positions: itself, or a copy. */
  conform(name: string, view: View, relative: Int32Array): View {
    if (samePositions(relativePositions(view.positions), relative)) return view;
    return this.#copy(view, relative.join(), () => {
      const copy = this.storage.temporary(`${name}:arranged`, view, relative, quadSpan(relative).end);
      this.repack(name, view, copy, 0);
      return copy;
    });
  }

  /** A copy with a border of zeros, straight from the network's input where `name` is one. */
  padded(name: string, view: () => View, padding: Padding): View {
    const [top, left, bottom, right] = padding;
    const own = this.size(name);
    const { height, width } = own;
    const size = { ...own, height: height + top + bottom, width: width + left + right };
    const channels = this.channels(name);
    if (this.#inputs.has(name)) {
      const key = this.#inputs.get(name) as VirtualBuffer;
      const root = this.#inputRoots.get(key) ?? this.#inputRoot(key);
      return this.#copy(root, padding.join(), () => {
        const copy = this.storage.temporary(
          `${name}:padded`,
          size,
          denseRun(channels),
          Math.ceil(channels / 4),
        );
        this.#import(name, copy, padding);
        return copy;
      });
    }
    const source = view();
    return this.#copy(source, padding.join(), () => {
      const span = quadSpan(source.positions);
      const quads = span.end - span.first;
      const copy = this.storage.temporary(`${name}:padded`, size, relativePositions(source.positions), quads);
      const part = this.padPart(name, source, copy, padding);
      this.program.step({ name: `${name}:pad`, nodes: [], split: 'each', macs: 0, parts: [part] });
      return copy;
    });
  }

  readonly #inputRoots = new Map<VirtualBuffer, View>();

  #inputRoot(buffer: VirtualBuffer): View {
    const root = { buffer, height: 0, width: 0, positions: new Int32Array(0) };
    this.#inputRoots.set(buffer, root);
    return root;
  }

  #copy(view: View, key: string, make: () => View): View {
    const copies = this.#copies.get(view) ?? new Map<string, View>();
    this.#copies.set(view, copies);
    const known = copies.get(key);
    if (known) return known;
    const made = make();
    copies.set(key, made);
    return made;
  }

  #import(name: string, target: View, padding: Padding): void {
    const buffer = this.#inputs.get(name);
    if (!buffer) throw new Error(`lowering: "${name}" is read before it is stored`);
    const part = this.importPart(name, buffer, target, padding);
    this.program.step({ name: `${name}:import`, nodes: [name], split: 'each', macs: 0, parts: [part] });
  }

  /** Brings a planar input into a view, with a border of zeros. */
  protected importPart(name: string, buffer: VirtualBuffer, target: View, padding: Padding): Part {
    const { height, width } = this.size(name);
    const channels = this.channels(name);
    return {
      spec: { kind: 'import', channels, height, width, padding },
      units: Math.ceil(channels / 4),
      operands: [
        { kind: 'buffer', buffer, offset: 0, access: 'read', extent: { bytes: buffer.bytes } },
        this.quads(target, 'write'),
      ],
    };
  }

  /** Copies the quads of `source` (the value `name`) to `target` with a border of zeros. */
  protected padPart(_name: string, source: View, target: View, padding: Padding): Part {
    const { first, end } = quadSpan(source.positions);
    return {
      spec: { kind: 'pad', height: source.height, width: source.width, padding },
      units: end - first,
      operands: [this.quads(source, 'read', first), this.quads(target, 'write', 0)],
    };
  }
}
