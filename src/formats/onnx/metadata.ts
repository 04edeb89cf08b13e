/**
 * What a graph knows beside its nodes, as ONNX metadata and back: preprocessing, labels, notes, Ghost modules. Files may come from
 * anywhere, so metadata that is not of our form stays a note and never an error.
 */
import { FormatError } from '../../errors.js';
import type { GhostModuleInfo, Graph, GraphMeta } from '../../graph/graph.js';
import { readGhostModules, readMeta } from '../../graph/json.js';
import type { OnnxFile } from './decode.js';

const keys = ['preprocessing', 'labels'] as const;

const modulesKey = 'ghost_modules';

/** Metadata properties of a graph's facts. */
export function metaToOnnx({ meta, ghostModules }: Graph): ReadonlyMap<string, string> {
  return new Map([
    ...Object.entries(meta.notes ?? {}),
    ...(ghostModules.length === 0 ? [] : [[modulesKey, JSON.stringify(ghostModules)] as const]),
    ...keys.flatMap((key): [string, string][] =>
      meta[key] === undefined ? [] : [[key, JSON.stringify(meta[key])]],
    ),
  ]);
}

/** A graph's facts from a file's metadata. */
export function metaFromOnnx({ metadata }: OnnxFile): GraphMeta {
  const notes = new Map(metadata);
  notes.delete(modulesKey);
  let meta: GraphMeta = {};
  for (const key of keys) {
    const text = metadata.get(key);
    if (text === undefined) continue;
    try {
      meta = { ...meta, ...readMeta({ [key]: JSON.parse(text) as unknown }) };
      notes.delete(key);
    } catch (error) {
      if (!(error instanceof SyntaxError) && !(error instanceof FormatError)) throw error;
    }
  }
  return notes.size === 0 ? meta : { ...meta, notes: Object.fromEntries(notes) };
}

/** The Ghost modules that a file of this package records, as far as their nodes were read. */
export function modulesFromOnnx(
  { metadata }: OnnxFile,
  nodes: ReadonlySet<string>,
): readonly GhostModuleInfo[] {
  try {
    const modules = readGhostModules(JSON.parse(metadata.get(modulesKey) ?? '[]') as unknown);
    return modules.filter(({ input, output, nodes: inner }) =>
      [input, output, ...inner].every((name) => nodes.has(name)),
    );
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof FormatError) return [];
    throw error;
  }
}
