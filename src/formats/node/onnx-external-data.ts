/**
 * The files beside an ONNX model that hold its weights. A location is a path inside the model's folder: neither `..`,
 * an absolute path nor a symbolic link leads out of it, and only as many bytes as a tensor needs are read.
 */
import { closeSync, fstatSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join, sep } from 'node:path';
import { FormatError } from '../../errors.js';
import type { ExternalData } from '../onnx/tensor-data.js';

/** Reads external data of the model at `modelPath`. The function throws FormatError `ONNX_EXTERNAL_DATA`. */
export function externalDataBeside(modelPath: string): ExternalData {
  return (location, offset, length) => {
    const fail = (what: string, cause?: unknown): never => {
      const shown = JSON.stringify(location.slice(0, 200));
      throw new FormatError('ONNX_EXTERNAL_DATA', `ONNX: external data ${shown}: ${what}`, { cause });
    };
    const parts = location.split(/[\\/]/);
    if (
      location === '' ||
      location.includes('\0') ||
      isAbsolute(location) ||
      /^[a-z]:/i.test(location) ||
      parts.includes('..')
    )
      fail('the path leads out of the model’s folder');
    let file: number | undefined;
    try {
      const folder = realpathSync(dirname(modelPath));
      const real = realpathSync(join(folder, location));
      if (!real.startsWith(folder.endsWith(sep) ? folder : folder + sep))
        fail('the path leads out of the model’s folder');
      // asked before it is opened: to open a pipe may wait for ever
      if (!statSync(real).isFile()) fail('is not a file');
      file = openSync(real, 'r');
      const facts = fstatSync(file);
      const wanted = length ?? facts.size - offset;
      if (wanted < 0 || offset + wanted > facts.size)
        fail(`bytes ${offset} to ${offset + wanted} are wanted, the file has ${facts.size}`);
      const bytes = new Uint8Array(wanted);
      for (let done = 0; done < wanted; ) {
        const read = readSync(file, bytes, done, wanted - done, offset + done);
        if (read === 0) fail('the file ends early');
        done += read;
      }
      return bytes;
    } catch (cause) {
      if (cause instanceof FormatError) throw cause;
      return fail((cause as Error).message, cause);
    } finally {
      if (file !== undefined) closeSync(file);
    }
  };
}
