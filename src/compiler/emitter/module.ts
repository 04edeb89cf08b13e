/** Puts function bodies together into a WebAssembly module with one imported memory. */
import { ByteWriter } from './bytes.js';
import { type AccessChecks, withChecks } from './checked.js';
import type { FunctionBuilder } from './function.js';
import { valueTypes } from './opcodes.js';

export interface MemoryImport {
  /** Pages of 64 KiB. */
  readonly initial: number;
  /** Required for shared memory. */
  readonly maximum?: number;
  readonly shared?: boolean;
}

export class ModuleBuilder {
  readonly #functions: FunctionBuilder[] = [];
  readonly #exports: [string, number][] = [];
  readonly #byKey = new Map<string, number>();
  #globals = 0;

  /** Adds a function and returns its index for `call`. */
  add(fn: FunctionBuilder, exportName?: string): number {
    const index = this.#functions.push(fn) - 1;
    if (exportName !== undefined) this.#exports.push([exportName, index]);
    return index;
  }

  /** The function made for `key`, made by `make` the first time. */
  once(key: string, make: () => FunctionBuilder): number {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const index = this.add(make());
    this.#byKey.set(key, index);
    return index;
  }

  /** Index of a new global: a 32-bit integer, zero at first, of each instance (thread) its own. */
  global(): number {
    return this.#globals++;
  }

  get functionCount(): number {
    return this.#functions.length;
  }

  /** The module's bytes; the memory is imported as `env.memory`. With `checks`, kernels ask before they touch it. */
  encode(memory: MemoryImport, checks?: AccessChecks): Uint8Array {
    const out = new ByteWriter(1 << 16);
    out.bytes([0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = (id: number, write: (body: ByteWriter) => void): void => {
      const body = new ByteWriter(1 << 12);
      write(body);
      out.byte(id);
      out.unsigned(body.length);
      out.bytes(body.view());
    };
    const types: FunctionBuilder[] = [];
    const typeByKey = new Map<string, number>();
    const typeOf = this.#functions.map((fn) => {
      const key = `${fn.params.join()}>${fn.results.join()}`;
      let index = typeByKey.get(key);
      if (index === undefined) {
        index = types.push(fn) - 1;
        typeByKey.set(key, index);
      }
      return index;
    });
    section(1, (body) => {
      body.unsigned(types.length);
      for (const type of types) {
        body.byte(0x60);
        for (const list of [type.params, type.results]) {
          body.unsigned(list.length);
          for (const item of list) body.byte(valueTypes[item]);
        }
      }
    });
    section(2, (body) => {
      body.unsigned(1);
      body.text('env');
      body.text('memory');
      body.byte(2);
      body.byte(memory.shared ? 3 : memory.maximum === undefined ? 0 : 1);
      body.unsigned(memory.initial);
      if (memory.maximum !== undefined) body.unsigned(memory.maximum);
    });
    section(3, (body) => {
      body.unsigned(typeOf.length);
      for (const index of typeOf) body.unsigned(index);
    });
    if (this.#globals > 0)
      section(6, (body) => {
        body.unsigned(this.#globals);
        // mutable i32, i32.const 0, end
        for (let i = 0; i < this.#globals; i++) body.bytes([valueTypes.i32, 1, 0x41, 0, 0x0b]);
      });
    section(7, (body) => {
      body.unsigned(this.#exports.length);
      for (const [name, index] of this.#exports) {
        body.text(name);
        body.byte(0);
        body.unsigned(index);
      }
    });
    section(10, (body) => {
      body.unsigned(this.#functions.length);
      this.#functions.forEach((fn, index) => {
        const code = (checks?.functions.has(index) ? withChecks(fn, checks) : fn).body();
        body.unsigned(code.length);
        body.bytes(code);
      });
    });
    return out.view().slice();
  }
}
