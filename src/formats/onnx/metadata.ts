/**
 * What a graph knows beside its nodes, as ONNX metadata and back: preprocessing, labels and notes. Files may come from
 * anywhere, so metadata that is not of our form stays a note and never an error.
 */
import { FormatError } from '../../errors.js';
import type { GraphMeta } from '../../graph/graph.js';
import { readMeta } from '../../graph/json.js';
import type { OnnxFile } from './decode.js';

const keys = ['preprocessing', 'labels'] as const;

/** Metadata properties of a graph's facts. */
export function metaToOnnx(meta: GraphMeta): ReadonlyMap<string, string> {
  return new Map([
    ...Object.entries(meta.notes ?? {}),
    ...keys.flatMap((key): [string, string][] =>
      meta[key] === undefined ? [] : [[key, JSON.stringify(meta[key])]],
    ),
  ]);
}

/** A graph's facts from a file's metadata. */
export function metaFromOnnx({ metadata }: OnnxFile): GraphMeta {
  const notes = new Map(metadata);
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
