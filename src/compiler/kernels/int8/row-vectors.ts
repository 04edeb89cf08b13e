/**
 * Loads vectors of pixels from a row of an int8 map, with any step between pixels. Pixels beside the map are zero
 * points. Which ones those are is known while emitting.
 */
import type { FunctionBuilder, Local } from '../../emitter/function.js';
import type { Element } from './element.js';

export interface RowVectors {
  readonly width: number;
  readonly stride: number;
  /** A vector of zero points. */
  readonly border: Local;
}

/**
 * Pushes the vector of the pixels first, first + stride, ... of the row at `from`. `clip`: columns count from the
 * map's left and may lie beside it; else all are inside.
 */
export function loadRowVector(
  f: FunctionBuilder,
  element: Element,
  row: RowVectors,
  from: Local,
  first: number,
  clip: boolean,
): FunctionBuilder {
  const { width, stride, border } = row;
  const { pixelBytes } = element;
  const count = 16 / pixelBytes;
  const isInside = (column: number): boolean => !clip || (column >= 0 && column < width);
  const isWide = !clip || width >= count;

  /** `count` neighbours. */
  const neighbours = (start: number): void => {
    if (isInside(start) && isInside(start + count - 1)) {
      f.get(from).mem('v128Load', start * pixelBytes);
      return;
    }
    if (start >= width || start + count <= 0) {
      f.get(border);
      return;
    }
    const at = Math.min(Math.max(start, 0), width - count);
    const offset = (start - at) * pixelBytes;
    const load = (): FunctionBuilder => f.get(from).mem('v128Load', at * pixelBytes);
    if (offset < 0) {
      f.get(border);
      load();
    } else load().get(border);
    f.shuffle8(Array.from({ length: 16 }, (_, i) => i + (offset < 0 ? 16 + offset : offset)));
  };
  if (stride === 1 && isWide) {
    neighbours(first);
    return f;
  }
  if (stride === 2 && count === 4 && isWide) {
    neighbours(first);
    neighbours(first + 3);
    return f.shuffle32(0, 2, 5, 7);
  }
  const columns = Array.from({ length: count }, (_, i) => first + i * stride);
  const [vector = 0] = f.scratch('v128', 1);
  const isWhole = columns.every(isInside);
  if (isWhole) f.get(from).mem(pixelBytes === 4 ? 'v128Load32Zero' : 'v128Load64Zero', first * pixelBytes);
  else f.get(border);
  f.set(vector);
  columns.forEach((column, lane) => {
    if (!isInside(column) || (isWhole && lane === 0)) return;
    const offset = column * pixelBytes;
    f.get(from).get(vector);
    if (pixelBytes === 4) f.loadLane32(lane, offset);
    else f.loadLane64(lane, offset);
    f.set(vector);
  });
  return f.get(vector);
}

/** Pushes the vector of the `pixels` pixels at the address in `from` + offset, and reads no more than those. */
export function loadPixels(
  f: FunctionBuilder,
  element: Element,
  from: Local,
  offset: number,
  pixels: number,
): FunctionBuilder {
  f.get(from);
  const bytes = pixels * element.pixelBytes;
  if (bytes === 16) return f.mem('v128Load', offset);
  if (bytes === 4) return f.mem('v128Load32Zero', offset);
  if (bytes === 8) return f.mem('v128Load64Zero', offset);
  f.get(from).mem('v128Load64Zero', offset);
  return f.loadLane32(2, offset + 8);
}

/** Pushes the four steps of pixel i of a vector as i32x4. */
export function widenPixel(f: FunctionBuilder, element: Element, vector: Local, i: number): FunctionBuilder {
  f.get(vector);
  if (element.bytes === 1) f.op(i < 2 ? 'i16x8ExtendLowI8x16U' : 'i16x8ExtendHighI8x16U');
  return f.op(i % 2 === 0 ? 'i32x4ExtendLowI16x8U' : 'i32x4ExtendHighI16x8U');
}

/** Pushes the steps of pixels 2 i and 2 i + 1 of a vector as i16x8. */
export function widenPair(f: FunctionBuilder, element: Element, vector: Local, i: number): FunctionBuilder {
  f.get(vector);
  if (element.bytes === 2) return f;
  return f.op(i === 0 ? 'i16x8ExtendLowI8x16U' : 'i16x8ExtendHighI8x16U');
}
