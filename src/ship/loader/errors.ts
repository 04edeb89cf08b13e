/** The one error class of the loader: a stable code, and a message that says what to do. */

export type ModelErrorCode =
  | 'NO_SIMD'
  | 'DOWNLOAD_FAILED'
  | 'DOWNLOAD_TORN'
  | 'WEIGHTS_DAMAGED'
  | 'MODULE_DAMAGED'
  | 'PAIR_MISMATCH'
  | 'CSP_FORBIDS_WASM'
  | 'PICTURE_TYPE'
  | 'PICTURE_SIZE'
  | 'PICTURE_TAINTED'
  | 'THREADS_FAILED'
  | 'OUT_OF_MEMORY'
  | 'DISPOSED';

export class ModelError extends Error {
  readonly code: ModelErrorCode;
  constructor(code: ModelErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ModelError';
    this.code = code;
  }
}
