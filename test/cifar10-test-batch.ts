/**
 * Unpacks a CIFAR-10 batch of the shared data: brotli over the residuals of a median predictor (its README says how),
 * back to the official binary form. The sum of the file is checked.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliDecompress } from 'node:zlib';

const records = 10_000;
const side = 32;
const pixels = side * side;
const testBatchSha256 = 'b94270954313214c1ef7cddb45a685f20d072fe967ca32492723f74657e57067';

/** The median predictor of one pixel from its left, upper and upper-left neighbours. */
function predict(plane: Int16Array, p: number): number {
  if (p === 0) return 0;
  const left = plane[p - 1] as number;
  if (p < side) return left;
  const up = plane[p - side] as number;
  if (p % side === 0) return up;
  const corner = plane[p - side - 1] as number;
  const most = Math.max(left, up);
  const least = Math.min(left, up);
  if (corner >= most) return least;
  return corner <= least ? most : left + up - corner;
}

/** test_batch.bin, 10,000 records of 3,073 bytes. */
export async function readTestBatch(file: string): Promise<Uint8Array> {
  const packed = await promisify(brotliDecompress)(await readFile(file));
  const batch = new Uint8Array(records * (1 + 3 * pixels));
  const plane = new Int16Array(pixels);
  const green = new Uint8Array(pixels);
  for (let n = 0; n < records; n++) {
    const record = n * (1 + 3 * pixels);
    batch[record] = packed[n] as number;
    // blocks hold G, R - G and B - G; the record wants R, G, B
    for (const [block, place] of [1, 0, 2].entries()) {
      const residuals = records + block * records * pixels + n * pixels;
      const to = record + 1 + place * pixels;
      for (let p = 0; p < pixels; p++) {
        const base = block === 0 ? 0 : (green[p] as number);
        const value = (predict(plane, p) + (packed[residuals + p] as number) + base) & 255;
        plane[p] = value - base;
        batch[to + p] = value;
        if (block === 0) green[p] = value;
      }
    }
  }
  const sum = createHash('sha256').update(batch).digest('hex');
  if (sum !== testBatchSha256) throw new Error(`test batch: sha256 ${sum}, expected ${testBatchSha256}`);
  return batch;
}
