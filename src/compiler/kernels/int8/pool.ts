/** Max and average pooling of int8 maps, in the scale of the input: a pixel's window is clipped at run time. */
import type { Padding, Pair } from '../../../graph/nodes.js';
import { FunctionBuilder, type Local } from '../../emitter/function.js';
import { clipRows } from '../depthwise.js';
import type { Isa } from '../kernel.js';
import {
  constant,
  constantBytes,
  eachUnit,
  elementOf,
  emitRound,
  loadPixel,
  offsetByUnits,
  storePixels,
} from './element.js';

export interface Int8PoolSpec {
  readonly kind: 'int8Pool';
  readonly mode: 'max' | 'average';
  readonly height: number;
  readonly width: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly countIncludePad: boolean;
}

/** (x, constants, output, unit0, unit1); the constants' bias is minus the zero point. */
export function emitInt8Pool(spec: Int8PoolSpec, isa: Isa): FunctionBuilder {
  const f = new FunctionBuilder(Array<'i32'>(5).fill('i32'));
  const [X, CONSTANTS, OUT, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const element = elementOf(isa);
  const { pixelBytes } = element;
  const { height, width, kernel, stride, padding, outHeight, outWidth, mode } = spec;
  const i32 = (): Local => f.local('i32');
  const [y, x, y0, y1, x0, x1] = [i32(), i32(), i32(), i32(), i32(), i32()];
  const [row, at, column, rows, columns, origin] = [i32(), i32(), i32(), i32(), i32(), i32()];
  const acc = f.scratch('v128', 2)[1] as Local;
  const rowBytes = width * pixelBytes;
  const sides = [height, width] as const;
  const window = (axis: 0 | 1, position: Local, first: Local, last: Local): void =>
    clipRows(
      f,
      { y: position, first, last },
      {
        top: padding[axis],
        stride: stride[axis],
        dilation: 1,
        kernel: kernel[axis],
        height: sides[axis],
      },
    );
  const counted = (axis: 0 | 1, position: Local, first: Local, last: Local, into: Local): void => {
    if (!spec.countIncludePad) {
      f.get(last).get(first).op('i32Sub').set(into);
      return;
    }
    const limit = sides[axis] + padding[axis] + padding[(axis + 2) as 2 | 3];
    f.i32Const(limit).get(position).i32Const(stride[axis]).op('i32Mul').op('i32Sub').set(into);
    f.get(into).i32Const(kernel[axis]).get(into).i32Const(kernel[axis]).op('i32LtS').op('select').set(into);
  };
  const onePixel = (): void => {
    window(1, x, x0, x1);
    if (mode === 'average') counted(1, x, x0, x1, columns);
    f.i32x4Const(0).set(acc);
    f.get(origin)
      .get(x)
      .i32Const(stride[1] * pixelBytes)
      .op('i32Mul')
      .op('i32Add')
      .i32Const(padding[1] * pixelBytes)
      .op('i32Sub')
      .set(row);
    f.get(row).get(y0).i32Const(rowBytes).op('i32Mul').op('i32Add').set(row);
    f.get(x0).get(x1).op('i32LtS').get(y0).get(y1).op('i32LtS').op('i32And');
    f.if(() => {
      const index = rowIndex;
      f.get(y0).set(index);
      f.loop((nextRow) => {
        f.get(x0).set(column).get(row).get(x0).i32Const(pixelBytes).op('i32Mul').op('i32Add').set(at);
        f.loop((nextColumn) => {
          f.get(acc).get(at);
          loadPixel(f, element);
          if (mode === 'max') f.op('i32x4MaxS');
          else {
            constant(f, CONSTANTS, 'bias').op('i32x4Add').op('i32x4Add');
          }
          f.set(acc).increment(at, pixelBytes);
          f.get(column).i32Const(1).op('i32Add').tee(column).get(x1).op('i32LtS').brIf(nextColumn);
        });
        f.increment(row, rowBytes);
        f.get(index).i32Const(1).op('i32Add').tee(index).get(y1).op('i32LtS').brIf(nextRow);
      });
    });
    if (mode === 'average') {
      f.get(acc).op('f32x4ConvertI32x4S');
      f.get(rows).get(columns).op('i32Mul').op('f32ConvertI32S').op('f32x4Splat').op('f32x4Div');
      emitRound(f, null, CONSTANTS);
      f.set(acc);
    }
    storePixels(f, element, OUT, 0, [acc]);
    f.increment(OUT, pixelBytes);
  };
  const rowIndex = i32();
  offsetByUnits(f, X, UNIT0, height * rowBytes);
  offsetByUnits(f, CONSTANTS, UNIT0, constantBytes);
  offsetByUnits(f, OUT, UNIT0, outHeight * outWidth * pixelBytes);
  eachUnit(f, UNIT0, UNIT1, () => {
    f.i32Const(0).set(y);
    f.loop((nextRow) => {
      window(0, y, y0, y1);
      if (mode === 'average') counted(0, y, y0, y1, rows);
      f.get(X)
        .get(y)
        .i32Const(stride[0] * rowBytes)
        .op('i32Mul')
        .op('i32Add')
        .i32Const(padding[0] * rowBytes)
        .op('i32Sub')
        .set(origin);
      f.i32Const(0).set(x);
      f.loop((nextColumn) => {
        onePixel();
        f.get(x).i32Const(1).op('i32Add').tee(x).i32Const(outWidth).op('i32LtS').brIf(nextColumn);
      });
      f.get(y).i32Const(1).op('i32Add').tee(y).i32Const(outHeight).op('i32LtS').brIf(nextRow);
    });
    f.increment(X, height * rowBytes).increment(CONSTANTS, constantBytes);
  });
  return f;
}
