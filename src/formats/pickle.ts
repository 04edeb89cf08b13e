/**
 * A pickle reader for tensors' state dictionaries. It knows only the opcodes and globals that tensors need and refuses
 * everything else by name before anything is run: there is nothing to run, values are plain data. Limits are checked
 * before memory is taken.
 */
import { FormatError } from '../errors.js';
import {
  allowedGlobals,
  makeStorage,
  type PickleStorage,
  type PickleValue,
  rebuild,
} from './pickle-tensors.js';

/** At most this many values, memo entries and stack entries. */
export const maxPickleItems = 1_000_000;

const utf8 = new TextDecoder();
const mark = Symbol('mark');
type Entry = PickleValue | typeof mark;

/**
 * The value of a pickle (protocols 2 to 5). Throws FormatError `PICKLE_GLOBAL` (a global that tensors do not need),
 * `PICKLE_OPCODE`, `PICKLE_TRUNCATED`, `PICKLE_INVALID` or `PICKLE_LIMIT`.
 */
export function readPickle(bytes: Uint8Array): PickleValue {
  return new Unpickler(bytes).run();
}

/** One pickle of several in a row: `run` once, then `result`, `position` behind it, and the storages it names. */
export class Unpickler {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;
  #result: PickleValue = null;
  readonly #storages: PickleStorage[] = [];
  #stack: Entry[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #items = 0;

  constructor(bytes: Uint8Array, from = 0) {
    this.#bytes = bytes;
    this.#at = from;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #fail(code: string, what: string): never {
    throw new FormatError(code, `pickle: ${what}`, { offset: this.#at });
  }

  #take(count: number): number {
    if (count < 0 || count > this.#bytes.length - this.#at)
      this.#fail('PICKLE_TRUNCATED', `${count} bytes wanted, ${this.#bytes.length - this.#at} left`);
    const at = this.#at;
    this.#at += count;
    return at;
  }

  #text(count: number): string {
    const at = this.#take(count);
    return utf8.decode(this.#bytes.subarray(at, at + count));
  }

  #line(): string {
    const end = this.#bytes.indexOf(10, this.#at);
    if (end < 0) this.#fail('PICKLE_TRUNCATED', 'a line without an end');
    const text = this.#text(end - this.#at);
    this.#at++;
    return text;
  }

  #push(value: Entry): void {
    if (++this.#items > maxPickleItems) this.#fail('PICKLE_LIMIT', `more than ${maxPickleItems} values`);
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === mark) return this.#fail('PICKLE_INVALID', 'the stack is empty');
    return value;
  }

  #popMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(mark);
    if (at < 0) this.#fail('PICKLE_INVALID', 'no mark on the stack');
    const values = this.#stack.slice(at + 1) as PickleValue[];
    this.#stack.length = at;
    return values;
  }

  #top(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === mark) return this.#fail('PICKLE_INVALID', 'the stack is empty');
    return value;
  }

  #remember(index: number): void {
    if (this.#memo.size >= maxPickleItems)
      this.#fail('PICKLE_LIMIT', `more than ${maxPickleItems} memo entries`);
    this.#memo.set(index, this.#top());
  }

  #recall(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) this.#fail('PICKLE_INVALID', `memo ${index} is empty`);
    this.#push(value as PickleValue);
  }

  #global(module: string, name: string): void {
    const full = `${module}.${name}`;
    if (!allowedGlobals.has(full))
      this.#fail(
        'PICKLE_GLOBAL',
        `global "${full.slice(0, 200)}" is refused: only tensors are read; save a state_dict (torch.save(model.state_dict(), path))`,
      );
    this.#push({ kind: 'global', name: full });
  }

  /** Reads to the end of the pickle. */
  run(): PickleValue {
    for (;;) {
      const opcode = this.#bytes[this.#take(1)] as number;
      if (opcode === 0x2e) {
        this.#result = this.#pop();
        return this.#result;
      }
      this.#step(opcode);
    }
  }

  get result(): PickleValue {
    return this.#result;
  }

  get position(): number {
    return this.#at;
  }

  get storages(): readonly PickleStorage[] {
    return this.#storages;
  }

  #step(opcode: number): void {
    switch (opcode) {
      case 0x80: // PROTO
        this.#take(1);
        return;
      case 0x95: // FRAME
        this.#take(8);
        return;
      case 0x28: // MARK
        this.#push(mark);
        return;
      case 0x4e: // NONE
        this.#push(null);
        return;
      case 0x88: // NEWTRUE
        this.#push(true);
        return;
      case 0x89: // NEWFALSE
        this.#push(false);
        return;
      case 0x4a: // BININT
        this.#push(this.#view.getInt32(this.#take(4), true));
        return;
      case 0x4b: // BININT1
        this.#push(this.#view.getUint8(this.#take(1)));
        return;
      case 0x4d: // BININT2
        this.#push(this.#view.getUint16(this.#take(2), true));
        return;
      case 0x8a: // LONG1
        this.#push(this.#long(this.#view.getUint8(this.#take(1))));
        return;
      case 0x47: // BINFLOAT, big-endian
        this.#push(this.#view.getFloat64(this.#take(8), false));
        return;
      case 0x58: // BINUNICODE
        this.#push(this.#text(this.#view.getUint32(this.#take(4), true)));
        return;
      case 0x8c: // SHORT_BINUNICODE
        this.#push(this.#text(this.#view.getUint8(this.#take(1))));
        return;
      case 0x43: {
        // SHORT_BINBYTES
        const count = this.#view.getUint8(this.#take(1));
        const at = this.#take(count);
        this.#push(this.#bytes.slice(at, at + count));
        return;
      }
      case 0x63: // GLOBAL
        this.#global(this.#line(), this.#line());
        return;
      case 0x93: {
        // STACK_GLOBAL
        const name = this.#pop();
        const module = this.#pop();
        if (typeof name === 'string' && typeof module === 'string') this.#global(module, name);
        else this.#fail('PICKLE_INVALID', 'a global whose name is not text');
        return;
      }
      case 0x71: // BINPUT
        this.#remember(this.#view.getUint8(this.#take(1)));
        return;
      case 0x72: // LONG_BINPUT
        this.#remember(this.#view.getUint32(this.#take(4), true));
        return;
      case 0x94: // MEMOIZE
        this.#remember(this.#memo.size);
        return;
      case 0x68: // BINGET
        this.#recall(this.#view.getUint8(this.#take(1)));
        return;
      case 0x6a: // LONG_BINGET
        this.#recall(this.#view.getUint32(this.#take(4), true));
        return;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        this.#push([]);
        return;
      case 0x7d: // EMPTY_DICT
        this.#push(new Map());
        return;
      case 0x74: // TUPLE
        this.#push(this.#popMark());
        return;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: {
        // TUPLE3
        const count = opcode - 0x84;
        const values = Array.from({ length: count }, () => this.#pop()).reverse();
        this.#push(values);
        return;
      }
      case 0x61: {
        // APPEND
        const value = this.#pop();
        this.#list().push(value);
        return;
      }
      case 0x65: {
        // APPENDS
        const values = this.#popMark();
        const list = this.#list();
        for (const value of values) list.push(value);
        return;
      }
      case 0x73: {
        // SETITEM
        const value = this.#pop();
        const key = this.#pop();
        this.#dict().set(key, value);
        return;
      }
      case 0x75: {
        // SETITEMS
        const values = this.#popMark();
        const dict = this.#dict();
        for (let i = 0; i + 1 < values.length; i += 2)
          dict.set(values[i] as PickleValue, values[i + 1] as PickleValue);
        return;
      }
      case 0x51: // BINPERSID
        {
          const storage = makeStorage(this.#pop(), (what) => this.#fail('PICKLE_INVALID', what));
          this.#storages.push(storage);
          this.#push(storage);
        }
        return;
      case 0x52: {
        // REDUCE
        const args = this.#pop();
        const callee = this.#pop();
        this.#push(rebuild(callee, args, (what) => this.#fail('PICKLE_INVALID', what)));
        return;
      }
      case 0x62: // BUILD: state of an OrderedDict (its _metadata); not needed
        this.#pop();
        return;
      case 0x30: // POP
        this.#stack.pop();
        return;
      default:
        this.#fail('PICKLE_OPCODE', `opcode 0x${opcode.toString(16)} is not one that tensors need`);
    }
  }

  #long(count: number): number {
    const at = this.#take(count);
    if (count > 8) return this.#fail('PICKLE_LIMIT', `a whole number of ${count} bytes`);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.#bytes[at + i] as number);
    if (count > 0) value = BigInt.asIntN(count * 8, value);
    return Number(value);
  }

  #list(): PickleValue[] {
    const top = this.#top();
    return Array.isArray(top) ? top : this.#fail('PICKLE_INVALID', 'append to what is not a list');
  }

  #dict(): Map<PickleValue, PickleValue> {
    const top = this.#top();
    return top instanceof Map ? top : this.#fail('PICKLE_INVALID', 'an item set in what is not a dictionary');
  }
}
