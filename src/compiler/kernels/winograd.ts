/**
 * 3x3 convolution of stride one by Winograd's F(4x4, 3x3) (Lavin and Gray 2016): a quarter of the multiplications of the
 * direct form. Three kernels, each over a range of quads: transform the input's tiles, 36 matrix products, transform the
 * results. The transforms of a line are winograd-lines.ts; which convolutions take this way is lower-winograd.ts.
 *
 * Shape legend: T tiles of 4x4 outputs, of rows x columns; points p = 0..35; V [C/4][36][T][4], M [N/4][36][T][4], a quad
 * every `quadBytes`.
 */
import { FunctionBuilder, type Local } from '../emitter/function.js';
import { emitActivation } from './activations.js';
import type { Activation, Isa } from './kernel.js';
import { packMatrix } from './pairs.js';
import { channelWalk, emitMatrix, matrixFunction } from './pointwise.js';
import { LineEmitter, weightLines } from './winograd-lines.js';

/** Points of a tile's transform. */
export const winogradPoints = 36;
/** Outputs of a tile's side. */
export const winogradSide = 4;

export interface WinogradTiles {
  readonly tileRows: number;
  readonly tileColumns: number;
}

/** Bytes of a quad of V or M: an odd number of cache lines, so that quads do not evict each other. */
export function winogradQuadBytes({ tileRows, tileColumns }: WinogradTiles): number {
  return Math.ceil((winogradPoints * tileRows * tileColumns * 16) / 128) * 128 + 64;
}

export interface WinogradInputSpec extends WinogradTiles {
  readonly kind: 'winogradInput';
  readonly height: number;
  readonly width: number;
  /** Rows and columns of zeros before the input; behind it stand as many as the last tiles need. */
  readonly top: number;
  readonly left: number;
}

export interface WinogradProductsSpec {
  readonly kind: 'winogradProducts';
  /** Stored input channels, a multiple of 4. */
  readonly K: number;
  /** Tiles. */
  readonly T: number;
  /** Output quads of the whole layer. */
  readonly quads: number;
  readonly quadBytes: number;
  /** As of the 1x1 convolution. */
  readonly ranges: readonly number[];
}

export interface WinogradOutputSpec extends WinogradTiles {
  readonly kind: 'winogradOutput';
  readonly outHeight: number;
  readonly outWidth: number;
  readonly activation: Activation;
  readonly residual: boolean;
}

/** A square transform in registers and stack slots: rows first, then columns. */
class SquareTransform {
  readonly #f: FunctionBuilder;
  readonly #lines: LineEmitter;
  readonly #kind: 'input' | 'output';
  readonly #line: readonly Local[];
  readonly #between: readonly Local[];

  constructor(f: FunctionBuilder, isa: Isa, kind: 'input' | 'output') {
    this.#f = f;
    this.#kind = kind;
    this.#lines = new LineEmitter(f, isa, [kind]);
    this.#line = Array.from({ length: 6 }, () => f.local('v128'));
    this.#between = Array.from({ length: 36 }, () => f.local('v128'));
  }

  /** `load` puts a value on the stack; `store` takes what `value` puts there. Columns from `columns` on are left out. */
  emit(
    load: (row: number, column: number) => void,
    store: (row: number, column: number, value: () => void) => void,
    columns = 6,
  ): void {
    const f = this.#f;
    const made = this.#kind === 'input' ? 6 : 4;
    const between = (row: number, column: number): Local => this.#between[row * made + column] as Local;
    for (let row = 0; row < 6; row++) {
      this.#line.forEach((local, column) => {
        load(row, column);
        f.set(local);
      });
      this.#lines.line(this.#kind, this.#line, (column, value) => {
        value();
        f.set(between(row, column));
      });
    }
    for (let column = 0; column < Math.min(made, columns); column++) {
      this.#line.forEach((local, row) => {
        f.get(between(row, column)).set(local);
      });
      this.#lines.line(this.#kind, this.#line, (row, value) => store(row, column, value));
    }
  }
}

/** Neighbouring tiles of a row of which the same columns [first, end) lie inside of the input. */
interface TileRun {
  tiles: number;
  readonly first: number;
  readonly end: number;
}

function tileRuns({ tileColumns, left, width }: WinogradInputSpec): readonly TileRun[] {
  const runs: TileRun[] = [];
  for (let tile = 0; tile < tileColumns; tile++) {
    const x = tile * winogradSide - left;
    const inside = (column: number): number => Math.min(Math.max(column, 0), 6);
    const [first, end] = [inside(-x), inside(width - x)];
    const last = runs.at(-1);
    if (last && last.first === first && last.end === end) last.tiles++;
    else runs.push({ tiles: 1, first, end });
  }
  return runs;
}

/**
 * (input, zeros, V, unit0, unit1); units are input quads. Rows over the upper and lower border are read from `zeros`, a
 * row of the input's width; columns over the left and right one are left out of the code.
 */
export function emitWinogradInput(spec: WinogradInputSpec, isa: Isa): FunctionBuilder {
  const [IN, ZEROS, V, UNIT0, UNIT1] = [0, 1, 2, 3, 4] as const;
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32']);
  const { tileRows, tileColumns, height, width, top, left } = spec;
  const [rowBytes, quadBytes] = [width * 16, winogradQuadBytes(spec)];
  const pointBytes = tileRows * tileColumns * 16;
  const square = new SquareTransform(f, isa, 'input');
  const [to, y, rows, columns] = Array.from({ length: 4 }, () => f.local('i32')) as Four;
  const from = Array.from({ length: 6 }, () => f.local('i32'));

  /** Where the six rows of a row of tiles begin. */
  const findRows = (): void => {
    from.forEach((local, r) => {
      const row = (): FunctionBuilder => f.get(y).i32Const(r).op('i32Add');
      f.get(IN);
      row().i32Const(rowBytes).op('i32Mul').op('i32Add').get(ZEROS);
      // unsigned: rows above the map are large numbers
      row().i32Const(height).op('i32LtU').op('select').set(local);
    });
  };
  /** A tile whose first column lies `column` pixels from where the rows' pointers stand. */
  const tile = ({ first, end }: TileRun, column: number): void => {
    square.emit(
      (r, c) => {
        if (c < first || c >= end) f.f32x4Const(0);
        else f.get(from[r] as Local).mem('v128Load', (column + c) * 16);
      },
      (r, c, value) => {
        f.get(to);
        value();
        f.mem('v128Store', (r * 6 + c) * pointBytes);
      },
    );
    f.increment(to, 16);
  };
  const tileRow = (): void => {
    let column = -left;
    for (const run of tileRuns(spec)) {
      f.repeat(columns, run.tiles, () => {
        tile(run, column);
        if (run.tiles > 1) for (const local of from) f.increment(local, winogradSide * 16);
      });
      // in a run of many the pointers went along
      if (run.tiles === 1) column += winogradSide;
    }
  };
  const bases = [
    [IN, height * rowBytes],
    [V, quadBytes],
  ] as const;
  eachUnit(f, UNIT0, UNIT1, bases, () => {
    f.get(V).set(to).i32Const(-top).set(y);
    f.repeat(rows, tileRows, () => {
      findRows();
      tileRow();
      f.increment(y, winogradSide);
    });
  });
  return f;
}

/** (V, weights, zeros, M, unused, unit0, unit1): M[p] = U[p] V[p] for all points; units are output quads. */
export function emitWinogradProducts(spec: WinogradProductsSpec, isa: Isa): FunctionBuilder {
  const [V, WEIGHTS, , M, , UNIT0] = [0, 1, 2, 3, 4, 5] as const;
  const { K, T, quads, quadBytes, ranges } = spec;
  const f = matrixFunction();
  const [points, unit0] = [f.local('i32'), f.local('i32')];
  const shape = { K, P: T, ranges, activation: null, residual: false, outPlane: quadBytes };
  const walk = channelWalk(f, shape, quadBytes);
  f.get(UNIT0).set(unit0);
  f.repeat(points, winogradPoints, () => {
    f.get(unit0).set(UNIT0);
    emitMatrix(f, shape, isa, walk);
    f.increment(V, T * 16).increment(M, T * 16);
    f.increment(WEIGHTS, Math.ceil(quads / 2) * K * 32);
  });
  return f;
}

/** (M, bias, output, residual, unit0, unit1); units are output quads. */
export function emitWinogradOutput(spec: WinogradOutputSpec, isa: Isa): FunctionBuilder {
  const [M, BIAS, OUT, RESIDUAL, UNIT0, UNIT1] = [0, 1, 2, 3, 4, 5] as const;
  const f = new FunctionBuilder(['i32', 'i32', 'i32', 'i32', 'i32', 'i32']);
  const { tileRows, tileColumns, outHeight, outWidth, activation, residual } = spec;
  const [plane, quadBytes] = [outWidth * outHeight * 16, winogradQuadBytes(spec)];
  const pointBytes = tileRows * tileColumns * 16;
  const square = new SquareTransform(f, isa, 'output');
  const bias = f.local('v128');
  const [from, to, row, rows, columns] = Array.from({ length: 5 }, () => f.local('i32')) as Five;
  // the residual lies where the output does, at a constant distance
  const distance = f.local('i32');
  const [lastRows, lastColumns] = [outHeight % winogradSide, outWidth % winogradSide];

  const tile = (height: number, width: number): void => {
    square.emit(
      (r, c) => f.get(from).mem('v128Load', (r * 6 + c) * pointBytes),
      (r, c, value) => {
        if (r >= height) return;
        const offset = (r * outWidth + c) * 16;
        f.get(to);
        value();
        f.get(bias).op('f32x4Add');
        if (residual) f.get(to).get(distance).op('i32Add').mem('v128Load', offset).op('f32x4Add');
        emitActivation(f, activation);
        f.mem('v128Store', offset);
      },
      width,
    );
    f.increment(from, 16).increment(to, winogradSide * 16);
  };
  const tileRow = (height: number): void => {
    f.get(row).set(to);
    const whole = lastColumns === 0 ? tileColumns : tileColumns - 1;
    f.repeat(columns, whole, () => tile(height, winogradSide));
    if (lastColumns > 0) tile(height, lastColumns);
    f.increment(row, winogradSide * outWidth * 16);
  };
  const steps = [
    [M, quadBytes],
    [BIAS, 16],
    [OUT, plane],
    [RESIDUAL, residual ? plane : 0],
  ] as const;
  eachUnit(f, UNIT0, UNIT1, steps, () => {
    f.get(M).set(from).get(OUT).set(row).get(BIAS).mem('v128Load').set(bias);
    if (residual) f.get(RESIDUAL).get(OUT).op('i32Sub').set(distance);
    const whole = lastRows === 0 ? tileRows : tileRows - 1;
    f.repeat(rows, whole, () => tileRow(winogradSide));
    if (lastRows > 0) tileRow(lastRows);
  });
  return f;
}

type Four = [Local, Local, Local, Local];
type Five = [...Four, Local];

/** Runs `body` for units [unit0, unit1) with each base at the unit's own bytes. */
function eachUnit(
  f: FunctionBuilder,
  unit0: Local,
  unit1: Local,
  bases: readonly (readonly [base: Local, bytes: number])[],
  body: () => void,
): void {
  for (const [base, bytes] of bases)
    if (bytes > 0) f.get(base).get(unit0).i32Const(bytes).op('i32Mul').op('i32Add').set(base);
  f.get(unit0).get(unit1).op('i32LtS');
  f.if(() => {
    f.loop((next) => {
      body();
      for (const [base, bytes] of bases) f.increment(base, bytes);
      f.increment(unit0, 1).get(unit0).get(unit1).op('i32LtS').brIf(next);
    });
  });
}

/**
 * Filters [N][K][3][3] in stored order as the products want them: G g G' (in 64 bits) of each point, packed in pairs.
 */
export function packWinograd(filters: Float32Array, N: number, K: number): Float32Array {
  const lines = weightLines();
  const points = Array.from({ length: winogradPoints }, () => new Float32Array(N * K));
  const half = new Float64Array(18);
  for (let filter = 0; filter < N * K; filter++) {
    const at = filter * 9;
    for (let i = 0; i < 6; i++)
      for (let x = 0; x < 3; x++) {
        let sum = 0;
        for (let y = 0; y < 3; y++) sum += (lines[i * 3 + y] as number) * (filters[at + y * 3 + x] as number);
        half[i * 3 + x] = sum;
      }
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < 6; j++) {
        let sum = 0;
        for (let x = 0; x < 3; x++) sum += (half[i * 3 + x] as number) * (lines[j * 3 + x] as number);
        (points[i * 6 + j] as Float32Array)[filter] = sum;
      }
  }
  const size = Math.ceil(N / 8) * 8 * K;
  const packed = new Float32Array(winogradPoints * size);
  points.forEach((point, p) => {
    packed.set(packMatrix(point, N, K), p * size);
  });
  return packed;
}
