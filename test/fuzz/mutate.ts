/** Seeded damage to bytes: what disks, networks and attackers do. The same seed gives the same damage. */

/** Numbers in [0, 1). */
export type Random = () => number;

/** Numbers that break size computations. */
const hostile = [0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];
/** Texts that break parsers of text headers and pickles. */
const phrases = [
  '-1',
  '0',
  '1e308',
  '9007199254740993',
  '99999999999999999999',
  'null',
  '{}',
  '[]',
  '"',
  '\\u0000',
  '__proto__',
  'constructor',
  '[[[[[[[[',
  'F64',
  'cos\nsystem\n(',
  '\x80\x02',
  '\x85R.',
  '((((((((',
  'PK\x01\x02',
  'PK\x05\x06',
];

const below = (random: Random, end: number): number => Math.floor(random() * end);

function splice(bytes: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + remove));
  const result = new Uint8Array(at + insert.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(insert, at);
  result.set(rest, at + insert.length);
  return result;
}

type Mutation = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const mutations: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const result = bytes.slice();
    const at = below(random, bytes.length);
    result[at] = (result[at] ?? 0) ^ (1 << below(random, 8));
    return result;
  },
  function setByte(bytes, random) {
    const result = bytes.slice();
    result[below(random, bytes.length)] = below(random, 256);
    return result;
  },
  function setNumber(bytes, random) {
    const width = [2, 4, 8][below(random, 3)] as number;
    if (bytes.length < width) return bytes;
    const result = bytes.slice();
    const view = new DataView(result.buffer);
    const at = below(random, bytes.length - width + 1);
    const value = hostile[below(random, hostile.length)] as number;
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    if (width === 8) view.setUint32(at + 4, random() < 0.5 ? 0 : value, true);
    return result;
  },
  function cut(bytes, random) {
    return bytes.slice(0, below(random, bytes.length));
  },
  function remove(bytes, random) {
    return splice(bytes, below(random, bytes.length), 1 + below(random, 32), new Uint8Array());
  },
  function insertNoise(bytes, random) {
    const noise = Uint8Array.from({ length: 1 + below(random, 32) }, () => below(random, 256));
    return splice(bytes, below(random, bytes.length + 1), 0, noise);
  },
  function repeat(bytes, random) {
    const from = below(random, bytes.length);
    const piece = bytes.slice(from, from + 1 + below(random, 64));
    return splice(bytes, below(random, bytes.length), random() < 0.5 ? piece.length : 0, piece);
  },
  function phrase(bytes, random) {
    const text = phrases[below(random, phrases.length)] as string;
    const insert = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    return splice(bytes, below(random, bytes.length), random() < 0.5 ? insert.length : 0, insert);
  },
  function digit(bytes, random) {
    const digits: number[] = [];
    bytes.forEach((byte, at) => {
      if (byte >= 0x30 && byte <= 0x39) digits.push(at);
    });
    const at = digits[below(random, digits.length)];
    if (at === undefined) return bytes;
    const result = bytes.slice();
    result[at] = 0x30 + below(random, 10);
    return result;
  },
  function crossOver(bytes, random, other) {
    const kept = bytes.slice(0, below(random, bytes.length + 1));
    return splice(kept, kept.length, 0, other.slice(below(random, other.length)));
  },
];

/** One to four mutations of `bytes`; `other` gives material. */
export function mutate(bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  let result = bytes;
  for (let count = 1 + below(random, 4); count > 0 && result.length > 0; count--)
    result = (mutations[below(random, mutations.length)] as Mutation)(result, random, other);
  return result;
}

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Values that break code which believes JSON. */
const hostileJson: readonly Json[] = [
  null,
  true,
  -1,
  0,
  0.5,
  1e308,
  2 ** 31,
  2 ** 32,
  2 ** 53,
  '',
  'x'.repeat(5000),
  '__proto__',
  [],
  {},
  [1, 2, 3, 4, 5, 6, 7, 8],
];

/** One to three changes somewhere in a JSON value: another value, a small change of a number, a key gone or twice. */
export function mutateJson(value: unknown, random: Random): unknown {
  const copy = structuredClone(value) as Json;
  const root = { root: copy };
  for (let count = 1 + below(random, 3); count > 0; count--) {
    const places: [holder: Record<string, Json>, key: string][] = [];
    const walk = (holder: Record<string, Json>): void => {
      for (const key of Object.keys(holder)) {
        places.push([holder, key]);
        const inner = holder[key];
        if (inner !== null && typeof inner === 'object') walk(inner as Record<string, Json>);
      }
    };
    walk(root);
    const [holder, key] = places[below(random, places.length)] as [Record<string, Json>, string];
    const old = holder[key] as Json;
    const kind = below(random, 5);
    if (kind === 0 && holder !== root) {
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete holder[key];
    } else if (kind === 1 && typeof old === 'number') holder[key] = old + below(random, 3) - 1;
    else if (kind === 2 && typeof old === 'number') holder[key] = old * 2;
    else if (kind === 3) {
      const [from, fromKey] = places[below(random, places.length)] as [Record<string, Json>, string];
      holder[key] = structuredClone(from[fromKey] as Json);
    } else holder[key] = structuredClone(hostileJson[below(random, hostileJson.length)] as Json);
  }
  return root.root;
}
