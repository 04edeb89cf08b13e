/**
 * The paper's tables beside this package's numbers: each row with our counts and their agreement, the accuracy that the
 * paper prints and what can be said of it here. Pure; reads no file, trains and measures nothing.
 */
import { profile } from '../analysis/profile.js';
import { type Graph, inputNodes } from '../graph/graph.js';
import { createModel } from '../models/registry.js';
import { type Agreement, agreement } from './agreement.js';
import type { CsvRow } from './csv.js';

/** Where an accuracy stands: trained by this package, or what the reader must bring. */
export type AccuracyStatus = 'trained here' | 'needs training' | 'needs ImageNet' | 'no network here';

export interface PaperRow {
  readonly table: number;
  readonly group: string;
  readonly name: string;
  /** Name in the registry; '' when the package has no such network. */
  readonly model: string;
  readonly paper: {
    readonly params: string;
    readonly macs: string;
    readonly top1: string;
    readonly top5: string;
  };
  readonly ours?: {
    readonly params: number;
    readonly macs: number;
    readonly paramsAgreement: Agreement;
    readonly macsAgreement: Agreement;
  };
  readonly accuracy: {
    readonly status: AccuracyStatus;
    readonly top1?: number;
    readonly how?: string;
    /** What has its settings: a grid or a kept run of this package; '' for a run of the reader's. */
    readonly source?: string;
    /** The command that measures or trains it where data and time are at hand. */
    readonly command?: string;
  };
  readonly note: string;
}

/** The graph that a row is about. */
export function rowGraph(row: CsvRow): Graph {
  const { ratio, cheapKernel, model = '' } = row;
  return createModel(model, {
    ...(ratio ? { ratio: Number(ratio) } : {}),
    ...(cheapKernel ? { cheapKernel: Number(cheapKernel) } : {}),
  });
}

/** The run that saw the most pictures; of equal ones the first. */
function longest(runs: readonly CsvRow[]): CsvRow | undefined {
  const seen = (run: CsvRow): number => Number(run['epochs']) * Number(run['trainedOn']);
  return runs.reduce<CsvRow | undefined>(
    (best, run) => (best === undefined || seen(run) > seen(best) ? run : best),
    undefined,
  );
}

function accuracyOf(row: CsvRow, trained: readonly CsvRow[]): PaperRow['accuracy'] {
  const { model = '', ratio = '', cheapKernel = '' } = row;
  if (model === '') return { status: 'no network here' };
  const cifar = model.includes('cifar');
  // s and d that are not given are the network's own, in the row as in the run
  const [own] = createModel(model).ghostModules;
  const settingsOf = (of: CsvRow): string =>
    [of['ratio'] || own?.ratio, of['cheapKernel'] || own?.cheapKernel].join();
  const run = longest(
    trained.filter((entry) => entry['model'] === model && settingsOf(entry) === settingsOf(row)),
  );
  const settings = `${ratio ? ` --ratio ${ratio}` : ''}${cheapKernel ? ` --cheap-kernel ${cheapKernel}` : ''}`;
  const command = cifar
    ? `ghostnet train ${model}${settings} --data data/cifar10 --recipe paper-cifar --out ${model}.safetensors`
    : `ghostnet eval ${model}.pth --network ${model} --data imagenet/val`;
  if (run)
    return {
      status: 'trained here',
      top1: Number(run['top1']),
      how: `${run['epochs']} epochs of ${Number(run['trainedOn']).toLocaleString('en-US')} pictures`,
      source: run['source'] ?? '',
      command,
    };
  return { status: cifar ? 'needs training' : 'needs ImageNet', command };
}

/** The rows of one table (3 to 7), in the paper's order, with our counts. */
export function paperRows(rows: readonly CsvRow[], trained: readonly CsvRow[], table: number): PaperRow[] {
  return rows
    .filter((row) => row['table'] === String(table))
    .map((row) => {
      const text = (key: string): string => row[key] ?? '';
      const paper = {
        params: text('paperParams'),
        macs: text('paperMacs'),
        top1: text('paperTop1'),
        top5: text('paperTop5'),
      };
      const common = {
        table,
        group: text('group'),
        name: text('row'),
        model: text('model'),
        paper,
        accuracy: accuracyOf(row, trained),
        note: text('note'),
      };
      if (common.model === '') return common;
      const { params, layers } = profile(rowGraph(row));
      const macs = layers
        .filter(({ op }) => text('convolutionsOnly') === '' || op !== 'linear')
        .reduce((sum, layer) => sum + layer.macs, 0);
      const ours = {
        params,
        macs,
        paramsAgreement: agreement(params, paper.params),
        macsAgreement: agreement(macs, paper.macs),
      };
      return { ...common, ours };
    });
}

/** A row of table 1. Sizes as height, width, channels; null where the paper prints a dash. */
export interface ArchitectureRow {
  readonly input: readonly [height: number, width: number, channels: number];
  readonly operator: string;
  readonly expansion: number | null;
  readonly outChannels: number | null;
  readonly squeezeExcite: boolean;
  readonly stride: number | null;
}

/** Table 1 from the graph of GhostNet 1.0x. */
export function architectureTable(): readonly ArchitectureRow[] {
  const graph = createModel('ghostnet-1.0x');
  const { layers } = profile(graph);
  const shape = (name: string): readonly number[] =>
    layers.find((layer) => layer.name === name)?.outputShape ?? [];
  const size = (dims: readonly number[]) => [dims[2] ?? 1, dims[3] ?? 1, dims[1] ?? 1] as const;
  const row = (
    input: ArchitectureRow['input'],
    operator: string,
    outChannels: number | null,
    more: Partial<ArchitectureRow> = {},
  ): ArchitectureRow => ({
    ...{ input, operator, expansion: null, outChannels, squeezeExcite: false, stride: 1 },
    ...more,
  });
  const names = new Set(graph.nodes.map(({ name }) => name));
  const [stem] = inputNodes(graph);
  const sides = stem?.shape ?? [];
  let before = shape('act1');
  const rows = [
    row([sides[1] ?? 1, sides[2] ?? 1, sides[0] ?? 1], 'Conv2d 3x3', before[1] ?? null, {
      stride: (sides[1] ?? 1) / (before[2] ?? 1),
    }),
  ];
  for (const { name, outChannels } of graph.ghostModules.filter(({ name }) => name.endsWith('.ghost1'))) {
    const block = name.replace(/\.ghost1$/, '');
    const after = shape(`${block}.add`);
    rows.push(
      row(size(before), 'G-bneck', after[1] ?? null, {
        expansion: outChannels,
        squeezeExcite: names.has(`${block}.se.mul`),
        stride: (before[2] ?? 1) / (after[2] ?? 1),
      }),
    );
    before = after;
  }
  const last = `blocks.${Math.max(...graph.nodes.flatMap(({ name }) => Number(/^blocks\.(\d+)\./.exec(name)?.[1] ?? 0)))}.0`;
  const [head, hidden, classes] = [shape(`${last}.act1`), shape('conv_head'), shape('classifier')];
  rows.push(
    row(size(before), 'Conv2d 1x1', head[1] ?? null),
    row(size(head), `AvgPool ${head[2]}x${head[3]}`, null, { stride: null }),
    row([1, 1, head[1] ?? 1], 'Conv2d 1x1', hidden[1] ?? null),
    row([1, 1, hidden[1] ?? 1], 'FC', classes[1] ?? null, { stride: null }),
  );
  return rows;
}
