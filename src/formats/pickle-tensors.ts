/**
 * What a pickle of tensors is made of, as plain data, and how its globals' calls become tensors. A few names are known;
 * nothing is looked up or run.
 */

/** A global such as `torch.FloatStorage`: kept as a name, never called. */
export interface PickleGlobal {
  readonly kind: 'global';
  readonly name: string;
}

/** A storage named by PyTorch's persistent id. */
export interface PickleStorage {
  readonly kind: 'storage';
  /** `FloatStorage`, `HalfStorage`, ... */
  readonly type: string;
  readonly key: string;
  readonly elements: number;
}

/** A tensor: a strided view of a storage. */
export interface PickleTensor {
  readonly kind: 'tensor';
  readonly storage: PickleStorage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export type PickleValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickleGlobal
  | PickleStorage
  | PickleTensor;

const storageTypes = ['Float', 'Double', 'Half', 'BFloat16', 'Long', 'Int', 'Short', 'Char', 'Byte', 'Bool'];
/** Every global that is not refused. */
export const allowedGlobals: ReadonlySet<string> = new Set([
  'collections.OrderedDict',
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_tensor',
  'torch._utils._rebuild_parameter',
  'torch.Size',
  ...storageTypes.map((type) => `torch.${type}Storage`),
]);

type Fail = (what: string) => never;

/** A storage from PyTorch's persistent id: `('storage', type, key, place, elements, ...)`. */
export function makeStorage(id: PickleValue, fail: Fail): PickleStorage {
  if (!Array.isArray(id)) return fail('a persistent id that is not a storage');
  const [kind, type, key, , elements] = id;
  const typed = type as PickleGlobal | null | undefined;
  if (kind !== 'storage' || typed?.kind !== 'global' || typeof key !== 'string' || !isCount(elements))
    return fail('a persistent id that is not a storage');
  return { kind: 'storage', type: typed.name.slice('torch.'.length), key, elements };
}

/** What a call of an allowed global gives; the global itself is never run. */
export function rebuild(callee: PickleValue, args: PickleValue, fail: Fail): PickleValue {
  const name = (callee as PickleGlobal | null)?.kind === 'global' ? (callee as PickleGlobal).name : '';
  if (!Array.isArray(args)) return fail('a call without arguments');
  switch (name) {
    case 'collections.OrderedDict':
      return orderedDict(args[0], fail);
    case 'torch.Size':
      return args[0] ?? [];
    case 'torch._utils._rebuild_parameter':
      return args[0] ?? null;
    case 'torch._utils._rebuild_tensor':
    case 'torch._utils._rebuild_tensor_v2': {
      const [storage, offset, shape, strides] = args;
      const source = storage as PickleStorage | null | undefined;
      if (
        source?.kind !== 'storage' ||
        !isCount(offset) ||
        !isCounts(shape) ||
        !isCounts(strides) ||
        shape.length !== strides.length
      )
        return fail('a tensor whose parts do not fit');
      // copies: the lists may be shared, and grow after this check
      return { kind: 'tensor', storage: source, offset, shape: [...shape], strides: [...strides] };
    }
    default:
      return fail('a call of what is not a known global');
  }
}

/** Empty since Python 3, whose items follow; Python 2 gave a list of pairs. */
function orderedDict(pairs: PickleValue | undefined, fail: Fail): Map<PickleValue, PickleValue> {
  const map = new Map<PickleValue, PickleValue>();
  if (pairs === undefined) return map;
  if (!Array.isArray(pairs)) return fail('an OrderedDict of what is not a list');
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return fail('an OrderedDict of what are not pairs');
    map.set(pair[0] as PickleValue, pair[1] as PickleValue);
  }
  return map;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isCounts(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.length <= 16 && value.every((item) => isCount(item) && item <= 2 ** 40)
  );
}
