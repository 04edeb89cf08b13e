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

/** A detector of table 8. */
export interface DetectionRow {
  readonly framework: string;
  readonly backbone: string;
  /** Name of the backbone in the registry. */
  readonly model: string;
  readonly macs: number;
  readonly paper: { readonly macs: string; readonly map: string };
}

/** Table 8 from rows.csv. */
export function detectionRows(rows: readonly CsvRow[]): readonly DetectionRow[] {
  return rows
    .filter((row) => row['table'] === '8')
    .map(({ group = '', row = '', model = '', paperMacs = '', paperTop1 = '' }) => ({
      framework: group,
      backbone: row,
      model,
      macs: backboneMacs(model),
      paper: { macs: paperMacs, map: paperTop1 },
    }));
}

export function detectionTable(rows: readonly DetectionRow[]): RenderedTable {
  return {
    title: 'Table 8: detection on COCO',
    text:
      'This package has no detectors yet, so there is no mAP of its own. MACs at 224x224: the paper counts GhostNet without pooling ' +
      'and head and its rivals with them, and so do we here.',
    head: ['framework', 'backbone', 'network', 'MACs', 'paper', 'mAP, paper', 'mAP here'],
    align: 'lllrrrl',
    rows: rows.map(({ framework, backbone, model, macs, paper }) => [
      framework,
      backbone,
      model,
      macs.toLocaleString('en-US'),
      paper.macs,
      paper.map,
      'no detectors',
    ]),
  };
}
