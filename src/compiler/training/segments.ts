/**
 * The order in which a thread does its steps. Between two meetings of the threads, steps that work image by image need
 * not be done one after another for all images: a thread does all of them for a chunk of images that fits the
 * second-level cache, then for the next, so that what one step writes the next one finds in the cache. Which step reads
 * what does not change, nor the order of any sum within a chunk; chunks are the same in every run.
 */
import type { FunctionBuilder, Local } from '../emitter/function.js';
import type { Step, ThreadShare } from './context.js';

/** Bytes of maps that a chunk's steps touch together: most of a second-level cache of 1 MB. */
const chunkBytes = 640_000;

/** Steps that run without a meeting between them. */
export interface Segment {
  /** All threads meet before it. */
  readonly barrier: boolean;
  readonly steps: readonly Step[];
}

export function segmentsOf(steps: readonly Step[]): Segment[] {
  const segments: { barrier: boolean; steps: Step[] }[] = [];
  let open = false;
  for (const step of steps) {
    const apart = step.when === 'once';
    if (open && !step.barrier && !apart) segments.at(-1)?.steps.push(step);
    else segments.push({ barrier: step.barrier, steps: [step] });
    open = !apart;
  }
  return segments;
}

/** Images a chunk: a divisor of the share where one is near, so that no rest is left. */
export function chunkOf({ steps }: Segment, images: number): number {
  const maps = new Set(steps.flatMap(({ touches }) => touches));
  if (steps.filter(({ when }) => when === 'each').length < 2) return images;
  let bytes = 0;
  for (const { height, width, border, stored } of maps)
    bytes += (height + 2 * border) * (width + 2 * border) * stored * 4;
  const most = Math.max(1, Math.min(images, Math.floor(chunkBytes / bytes)));
  for (let n = most; n > most / 2; n--) if (images % n === 0) return n;
  return most;
}

/** Emits the calls of a segment; `call` puts arguments and calls the kernel, adding `chunk` times the steps to them. */
export function emitSegment(
  f: FunctionBuilder,
  segment: Segment,
  share: ThreadShare,
  chunk: Local,
  indexOf: (step: Step, share: ThreadShare) => number | undefined,
  guard?: { readonly enter: (step: Step, index: number) => void; readonly leave: () => void },
): void {
  const size = chunkOf(segment, share.count);
  const whole = Math.floor(share.count / size);
  const rest = share.count - whole * size;
  const part = (first: number, count: number): ThreadShare => ({
    ...share,
    first: share.first + first,
    count,
  });
  const loops = whole > 1;
  const call = (step: Step, own: ThreadShare, moves: boolean): void => {
    const index = indexOf(step, own);
    if (index === undefined) return;
    guard?.enter(step, index);
    const args = step.args(own);
    const next = moves ? step.args({ ...own, first: own.first + size }) : args;
    args.forEach((value, i) => {
      f.i32Const(value);
      const distance = (next[i] as number) - value;
      if (distance !== 0) f.get(chunk).i32Const(distance).op('i32Mul').op('i32Add');
    });
    f.call(index);
    guard?.leave();
  };
  const onlyAt = (when: number, body: () => void): void => {
    if (loops) f.get(chunk).i32Const(when).op('i32Eq').if(body);
    else body();
  };
  const body = (): void => {
    for (const step of segment.steps)
      if (step.when === 'first') onlyAt(0, () => call(step, part(0, size), false));
      else if (step.when !== 'last') call(step, part(0, size), loops);
      else if (rest === 0) onlyAt(whole - 1, () => call(step, part(0, size), false));
  };
  if (loops) {
    f.i32Const(0).set(chunk);
    f.loop((again) => {
      body();
      f.get(chunk).i32Const(1).op('i32Add').tee(chunk).i32Const(whole).op('i32Ne').brIf(again);
    });
  } else body();
  if (rest > 0)
    for (const step of segment.steps) if (step.when !== 'first') call(step, part(whole * size, rest), false);
}
