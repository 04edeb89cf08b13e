/** Readers of ONNX's Resize and Upsample: nearest neighbour by whole factors, however the rounding is spelled. */
import type { Pair } from '../../../graph/nodes.js';
import type { Importer } from '../importer.js';
import type { Operation } from '../operation.js';
import { resolveAxis } from '../ranges.js';

/** Input position of output position `i`, before rounding. */
function source(transform: string, i: number, scale: number, size: number, out: number): number | undefined {
  switch (transform) {
    case 'asymmetric':
      return i / scale;
    case 'half_pixel':
    case 'half_pixel_symmetric':
      return (i + 0.5) / scale - 0.5;
    case 'pytorch_half_pixel':
      return out > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case 'align_corners':
      return out > 1 ? (i * (size - 1)) / (out - 1) : 0;
    case 'tf_half_pixel_for_nn':
      return (i + 0.5) / scale;
    default:
      return undefined;
  }
}

const roundings: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Upsample (attribute `scales` in opset 7, input since 9) and Resize (opset 10 on). */
export function resize(op: Operation, importer: Importer): void {
  const isUpsample = op.file.op === 'Upsample';
  const old = isUpsample || op.opset < 11;
  const transform = old ? 'asymmetric' : op.text('coordinate_transformation_mode', 'half_pixel');
  const rounding = old ? 'floor' : op.text('nearest_mode', 'round_prefer_floor');
  op.float('cubic_coeff_a', 0);
  op.float('extrapolation_value', 0);
  op.int('exclude_outside', 0);
  const x = importer.map(op.input(0));
  const shape = importer.builder.shape(x);
  if (shape.length !== 4) importer.refuse(`works on [N, C, H, W], given [${shape.join(', ')}]`);
  const numbers = (input: string, what: string): number[] | undefined => {
    if (input === '') return undefined;
    const values = importer.needInts(input, what);
    return values.length === 0 ? undefined : values;
  };
  const scales = isUpsample && op.opset < 9 ? op.floats('scales') : numbers(op.input(old ? 1 : 2), 'scales');
  const sizes = old ? undefined : numbers(op.input(3), 'sizes');
  const axes = (op.ints('axes') ?? [0, 1, 2, 3]).map((axis) => resolveAxis(axis, 4, 'axes'));
  const given = scales ?? sizes;
  if (given?.length !== axes.length)
    importer.refuse(`has ${given?.length ?? 0} numbers for ${axes.length} axes`, scales ? 'scales' : 'sizes');
  const factors = [1, 1, 1, 1];
  axes.forEach((axis, i) => {
    const value = given![i]!;
    factors[axis] = scales ? value : axis === 0 ? 1 : value / shape[axis]!;
  });
  if (
    factors.slice(0, 2).join() !== '1,1' ||
    factors.some((factor) => !Number.isInteger(factor) || factor < 1)
  )
    importer.refuse(
      `enlarges by ${factors.join(' x ')}; whole factors for height and width are supported`,
      scales ? 'scales' : 'sizes',
    );
  const round = Object.hasOwn(roundings, rounding) ? roundings[rounding] : undefined;
  const scale: Pair = [factors[2]!, factors[3]!];
  scale.forEach((factor, axis) => {
    const size = shape[axis + 2]!;
    for (let i = 0; i < size * factor; i++) {
      const position = source(transform, i, factor, size, size * factor);
      if (position === undefined)
        importer.refuse(`is "${transform}", which is not supported`, 'coordinate_transformation_mode');
      if (!round) importer.refuse(`is "${rounding}", which is not known`, 'nearest_mode');
      const from = Math.min(Math.max(round!(position!), 0), size - 1);
      if (from !== Math.floor(i / factor))
        importer.refuse(
          `"${transform}" with nearest_mode "${rounding}" is no plain repetition of pixels for factor ${factor}`,
          'coordinate_transformation_mode',
        );
    }
  });
  importer.defineNode(
    op,
    importer.add({ kind: 'upsample', name: importer.unique(op.name), inputs: [x], scale }),
  );
}
