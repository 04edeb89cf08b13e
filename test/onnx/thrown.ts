/** What an action throws, for tests that read more of an error than its message. Test code only. */
import { errorCode } from '../../src/errors.js';

/** What `action` throws. Throws itself when that is nothing. */
export function thrown(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

/** The stable code of what `action` throws. */
export const codeOf = (action: () => unknown): string | undefined => errorCode(thrown(action));
