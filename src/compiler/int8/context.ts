/**
 * What lowering knows of an int8 network beside what it knows of any: scales, filters, which values stay floats, and
 * how steps are stored on the engine that is compiled for. Maps are quads as always, with smaller pixels.
 */
import type { Padding } from '../../graph/nodes.js';
import type { Shapes } from '../../graph/shapes.js';
import type { FusedGraph, Operation } from '../../passes/fuse.js';
import type { Epilogue } from '../../passes/quantize/arithmetic.js';
import { type Constants, operationConstants } from '../../passes/quantize/constants.js';
import type { ChannelScales, QuantizedNetwork } from '../../passes/quantize/network.js';
import { floatValues } from '../../passes/quantize/operations.js';
import { resolveScales } from '../../passes/quantize/scales.js';
import { type Element, elementOf } from '../kernels/int8/element.js';
import type { NarrowSpec } from '../kernels/int8/narrow.js';
import { packConstants } from '../kernels/int8/pack.js';
import type { Isa } from '../kernels/kernel.js';
import { isOneToOne, quadSpan, relativePositions, type View } from '../layout.js';
import { LoweringContext } from '../lowering-context.js';
import type { Operand, Part, VirtualBuffer } from '../program.js';
import type { Size } from '../storage.js';

export class Int8Context extends LoweringContext {
  readonly network: QuantizedNetwork;
  readonly isa: Isa;
  readonly element: Element;
  protected override readonly repackKind = 'int8Repack';
  readonly #scales: ReadonlyMap<string, ChannelScales>;
  readonly #floats: ReadonlySet<string>;

  constructor(network: QuantizedNetwork, shapes: Shapes, fused: FusedGraph, isa: Isa) {
    super(network.graph, network.weights, shapes, fused);
    this.network = network;
    this.isa = isa;
    this.element = elementOf(isa);
    this.#scales = resolveScales(network, fused, shapes);
    this.#floats = floatValues(network.graph, fused, shapes, network.values);
  }

  override size(name: string): Size {
    return { ...super.size(name), pixelBytes: this.element.pixelBytes };
  }

  /** Scales of a value that is stored in steps. */
  scales(name: string): ChannelScales {
    const scales = this.#scales.get(name);
    if (!scales) throw new Error(`int8 "${this.graph.name}": value "${name}" has no scales`);
    return scales;
  }

  isFloat(name: string): boolean {
    return this.#floats.has(name);
  }

  constants(operation: Operation): Constants {
    const scales = (name: string): ChannelScales => this.scales(name);
    return operationConstants(this.network, operation, scales, this.isFloat(operation.output));
  }

  /** What a kernel must know of rounding in 16 bits; null where it rounds floats. */
  narrow({ narrow, zeroPoint }: Epilogue): NarrowSpec | null {
    if (!narrow) return null;
    const { shift, eighths, hard } = narrow;
    return {
      shift,
      zeroPoint: zeroPoint.some((point) => point !== 0),
      eighths: eighths !== undefined,
      hard: hard?.activation ?? null,
      gateShift: hard?.gateShift ?? 0,
    };
  }

  /** The view for a matrix kernel: no two channels at one place, few lanes without a channel. */
  distinct(name: string, view: View): View {
    const stored = view.positions.filter((position) => position >= 0);
    return this.compactFor(name, isOneToOne(stored) ? view : this.compact(name, view, 0));
  }

  /** Bytes of `count` pixels that hold each quad's zero points. */
  zeroPoints(name: string, positions: Int32Array, quads: number, count: number): Int8Array | Int16Array {
    const { zeroPoint } = this.scales(name);
    const length = quads * count * 4;
    const points = this.element.bytes === 1 ? new Int8Array(length) : new Int16Array(length);
    positions.forEach((position, c) => {
      if (position < 0) return;
      const base = (position >> 2) * count * 4 + (position & 3);
      for (let i = 0; i < count; i++) points[base + i * 4] = zeroPoint[c] as number;
    });
    return points;
  }

  protected override importPart(name: string, buffer: VirtualBuffer, target: View, padding: Padding): Part {
    const { height, width } = this.size(name);
    const channels = this.channels(name);
    const relative = relativePositions(target.positions);
    const quads = Math.ceil(channels / 4);
    const { scale, zeroPoint } = this.scales(name);
    const none = new Int32Array(channels);
    const epilogue = {
      bias: none,
      offset: new Float32Array(channels),
      multiplier: scale.map((value) => 1 / value),
      residual: new Float32Array(channels),
      post: new Float32Array(channels),
      zeroPoint,
    };
    return {
      spec: { kind: 'int8Import', channels, height, width, padding },
      units: quads,
      operands: [
        { kind: 'buffer', buffer, offset: 0, access: 'read', extent: { bytes: buffer.bytes } },
        this.program.weights(packConstants(epilogue, relative, quads)),
        this.#borders(name, relative, quads),
        this.quads(target, 'write'),
      ],
    };
  }

  protected override padPart(name: string, source: View, target: View, padding: Padding): Part {
    const { first, end } = quadSpan(source.positions);
    const { height, width } = source;
    return {
      spec: { kind: 'int8Pad', height, width, padding },
      units: end - first,
      operands: [
        this.quads(source, 'read', first),
        this.#borders(name, relativePositions(source.positions), end - first),
        this.quads(target, 'write', 0),
      ],
    };
  }

  /** [quads][16 bytes] of zero points. */
  #borders(name: string, positions: Int32Array, quads: number): Operand {
    return this.program.weights(this.zeroPoints(name, positions, quads, 16 / this.element.pixelBytes));
  }
}
