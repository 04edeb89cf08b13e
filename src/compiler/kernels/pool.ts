/** Max and average pooling by a window, and the mean over the whole map. */
import type { Padding, Pair } from '../../graph/nodes.js';
import { FunctionBuilder } from '../emitter/function.js';
import { clipRows } from './depthwise.js';

export interface PoolSpec {
  readonly kind: 'pool';
  readonly mode: 'max' | 'average';
  readonly height: number;
  readonly width: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly outHeight: number;
  readonly outWidth: number;
  /** Average: padding counts in the divisor (never what a ceil-mode window has beyond the padding). */
  readonly countIncludePad: boolean;
}

/** (input, output, unit0, unit1). */
export function emitPool(spec: PoolSpec): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32']);
  const { height, width, kernel, stride, padding, outHeight, outWidth, mode } = spec;
  const i32 = (): number => f.local('i32');
  const [unit, y, x, y0, y1, x0, x1, row, at, end, rows, columns] = [
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
    i32(),
  ];
  const acc = f.local('v128');
  const rowBytes = width * 16;
  f.get(0)
    .get(2)
    .i32Const(height * rowBytes)
    .op('i32Mul')
    .op('i32Add')
    .set(0);
  f.get(1)
    .get(2)
    .i32Const(outHeight * outWidth * 16)
    .op('i32Mul')
    .op('i32Add')
    .set(1);
  const window = (axis: 0 | 1, y_: number, first: number, last: number): void =>
    clipRows(
      f,
      { y: y_, first, last },
      {
        top: padding[axis],
        stride: stride[axis],
        dilation: 1,
        kernel: kernel[axis],
        height: axis === 0 ? height : width,
      },
    );
  /** Rows or columns of the window that the divisor counts: up to the end of the padding. */
  const counted = (axis: 0 | 1, position: number, into: number): void => {
    const limit = (axis === 0 ? height : width) + padding[axis] + padding[(axis + 2) as 2 | 3];
    f.i32Const(limit).get(position).i32Const(stride[axis]).op('i32Mul').op('i32Sub').set(into);
    f.get(into).i32Const(kernel[axis]).get(into).i32Const(kernel[axis]).op('i32LtS').op('select').set(into);
  };
  f.get(2).set(unit);
  f.get(2)
    .get(3)
    .op('i32LtS')
    .if(() => {
      f.loop((nextQuad) => {
        f.i32Const(0).set(y);
        f.loop((nextRow) => {
          window(0, y, y0, y1);
          if (mode === 'average') {
            if (spec.countIncludePad) counted(0, y, rows);
            else f.get(y1).get(y0).op('i32Sub').set(rows);
          }
          f.i32Const(0).set(x);
          f.loop((nextColumn) => {
            window(1, x, x0, x1);
            f.f32x4Const(mode === 'max' ? Number.NEGATIVE_INFINITY : 0).set(acc);
            // address of the window's first row: input + ((y*s - top + y0) * width + x*s - left) * 16
            f.get(0)
              .get(y)
              .i32Const(stride[0] * rowBytes)
              .op('i32Mul')
              .op('i32Add');
            f.get(y0).i32Const(padding[0]).op('i32Sub').i32Const(rowBytes).op('i32Mul').op('i32Add');
            f.get(x)
              .i32Const(stride[1] * 16)
              .op('i32Mul')
              .op('i32Add')
              .i32Const(padding[1] * 16)
              .op('i32Sub')
              .set(row);
            f.get(y0)
              .get(y1)
              .op('i32LtS')
              .get(x0)
              .get(x1)
              .op('i32LtS')
              .op('i32And')
              .if(() => {
                const rowIndex = end;
                f.get(y0).set(rowIndex);
                f.loop((nextWindowRow) => {
                  f.get(x0).set(columns);
                  f.get(row).get(x0).i32Const(16).op('i32Mul').op('i32Add').set(at);
                  f.loop((nextWindowColumn) => {
                    f.get(acc)
                      .get(at)
                      .mem('v128Load')
                      .op(mode === 'max' ? 'f32x4Max' : 'f32x4Add')
                      .set(acc);
                    f.increment(at, 16);
                    f.get(columns)
                      .i32Const(1)
                      .op('i32Add')
                      .tee(columns)
                      .get(x1)
                      .op('i32LtS')
                      .brIf(nextWindowColumn);
                  });
                  f.increment(row, rowBytes);
                  f.get(rowIndex)
                    .i32Const(1)
                    .op('i32Add')
                    .tee(rowIndex)
                    .get(y1)
                    .op('i32LtS')
                    .brIf(nextWindowRow);
                });
              });
            f.get(1).get(acc);
            if (mode === 'average') {
              if (spec.countIncludePad) counted(1, x, columns);
              else f.get(x1).get(x0).op('i32Sub').set(columns);
              f.f32Const(1)
                .get(rows)
                .get(columns)
                .op('i32Mul')
                .op('f32ConvertI32S')
                .op('f32Div')
                .op('f32x4Splat');
              f.op('f32x4Mul');
            }
            f.mem('v128Store');
            f.increment(1, 16);
            f.get(x).i32Const(1).op('i32Add').tee(x).i32Const(outWidth).op('i32LtS').brIf(nextColumn);
          });
          f.get(y).i32Const(1).op('i32Add').tee(y).i32Const(outHeight).op('i32LtS').brIf(nextRow);
        });
        f.increment(0, height * rowBytes);
        f.get(unit).i32Const(1).op('i32Add').tee(unit).get(3).op('i32LtS').brIf(nextQuad);
      });
    });
  return f;
}

export interface GlobalPoolSpec {
  readonly kind: 'globalPool';
  readonly P: number;
}

/** Mean over P pixels: (input, output, unit0, unit1). Four partial sums, then their sum. */
export function emitGlobalPool({ P }: GlobalPoolSpec): FunctionBuilder {
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32']);
  const end = f.local('i32');
  const sums = f.scratch('v128', 4);
  const part = (i: number): number => sums[i & 3] as number;
  f.get(0)
    .get(2)
    .i32Const(P * 16)
    .op('i32Mul')
    .op('i32Add')
    .set(0);
  f.get(1).get(2).i32Const(16).op('i32Mul').op('i32Add').set(1);
  f.get(2)
    .get(3)
    .op('i32LtS')
    .if(() => {
      f.loop((nextQuad) => {
        for (let i = 0; i < 4; i++) f.f32x4Const(0).set(part(i));
        const whole = P & ~3;
        const addPixel = (i: number): unknown =>
          f
            .get(part(i))
            .get(0)
            .mem('v128Load', (i & 3) * 16)
            .op('f32x4Add')
            .set(part(i));
        if (whole > 0) {
          f.get(0)
            .i32Const(whole * 16)
            .op('i32Add')
            .set(end);
          f.loop((again) => {
            for (let i = 0; i < 4; i++) addPixel(i);
            f.get(0).i32Const(64).op('i32Add').tee(0).get(end).op('i32LtU').brIf(again);
          });
        }
        for (let i = whole; i < P; i++) addPixel(i);
        f.increment(0, (P - whole) * 16);
        f.get(1)
          .get(part(0))
          .get(part(1))
          .op('f32x4Add')
          .get(part(2))
          .get(part(3))
          .op('f32x4Add')
          .op('f32x4Add');
        f.f32x4Const(1 / P)
          .op('f32x4Mul')
          .mem('v128Store')
          .increment(1, 16);
        f.get(2).i32Const(1).op('i32Add').tee(2).get(3).op('i32LtS').brIf(nextQuad);
      });
    });
  return f;
}
