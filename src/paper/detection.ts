/**
 * Table 8 (COCO detection): backbones, what their paper rows print, our counts of the backbones. There are no detectors in
 * this package, so no mAP of its own; the table says so.
 */
import { profile } from '../analysis/profile.js';
import { createModel } from '../models/registry.js';
import type { CsvRow } from './csv.js';
import type { RenderedTable } from './render.js';

/** MACs of a backbone at 224 x 224, as the paper counts it: GhostNet up to its pooling, the rivals whole. */
export function backboneMacs(model: string): number {
  const { layers } = profile(createModel(model));
  const pool = layers.findIndex(({ name }) => name === 'global_pool');
  const counted = model.startsWith('ghostnet') ? layers.slice(0, pool) : layers;
  return counted.reduce((sum, { macs }) => sum + macs, 0);
}

/** Table 8 from rows.csv. */
export function detectionTable(rows: readonly CsvRow[]): RenderedTable {
  const cell = (row: CsvRow, key: string): string => row[key] ?? '';
  return {
    title: 'Table 8: detection on COCO',
    text:
      'This package has no detectors yet, so there is no mAP of its own. MACs at 224x224: the paper counts GhostNet without pooling ' +
      'and head and its rivals with them, and so do we here.',
    head: ['framework', 'backbone', 'network', 'MACs', 'paper', 'mAP, paper', 'mAP here'],
    align: 'lllrrrl',
    rows: rows
      .filter((row) => row['table'] === '8')
      .map((row) => [
        cell(row, 'group'),
        cell(row, 'row'),
        cell(row, 'model'),
        backboneMacs(cell(row, 'model')).toLocaleString('en-US'),
        cell(row, 'paperMacs'),
        cell(row, 'paperTop1'),
        'no detectors',
      ]),
  };
}
