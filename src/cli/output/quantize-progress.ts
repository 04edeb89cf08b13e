/** The progress lines of quantising: calibration pictures, then the stages of bias correction. */
import { type Progress, progress } from './progress.js';

export interface QuantizeProgress {
  readonly onPicture: (done: number) => void;
  readonly onCorrection: (done: number, steps: number) => void;
  readonly stop: () => void;
}

/** `pictures`: how many are run before biases are corrected; 0 for no line of theirs. */
export function quantizeProgress(pictures: number): QuantizeProgress {
  let line: Progress | undefined = pictures > 0 ? progress('calibrating', pictures) : undefined;
  let correcting = false;
  return {
    onPicture: (done) => line?.update(done),
    onCorrection: (done, steps) => {
      if (!correcting) {
        line?.stop();
        line = progress('rounding and correcting', steps);
        correcting = true;
      }
      line?.update(done);
    },
    stop: () => line?.stop(),
  };
}
