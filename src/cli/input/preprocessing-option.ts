/** `--preprocessing <file>`: how pictures become the input of a network whose file does not say it. */
import type { Graph, Preprocessing } from '../../graph/graph.js';
import { UsageError } from '../output/report-error.js';
import { note } from '../output/terminal.js';

/** The help of the option, the same in every command. */
export const preprocessingHelp = 'JSON with mean, std, resizeShortSide, ... for a file that states none';

/** The model with the preprocessing of a JSON file. Throws UsageError, and what reading throws. */
export async function withPreprocessing<Model extends { readonly graph: Graph }>(
  model: Model,
  file: string | undefined,
): Promise<Model> {
  if (file === undefined) return model;
  const { fromJson, toJson } = await import('../../graph/json.js');
  const { readBytes } = await import('../../formats/node/model-file.js');
  const text = new TextDecoder().decode(await readBytes(file));
  try {
    const preprocessing = { interpolation: 'bilinear', ...(JSON.parse(text) as Partial<Preprocessing>) };
    const meta = { ...model.graph.meta, preprocessing: preprocessing as Preprocessing };
    // the reader of graphs checks it
    return { ...model, graph: fromJson(toJson({ ...model.graph, meta })) };
  } catch (error) {
    throw new UsageError(`--preprocessing ${file}: ${(error as Error).message}`);
  }
}

/** Says so when ImageNet's usual preprocessing is taken because the file states none. */
export function noteUsualPreprocessing({
  graph,
  description,
}: {
  readonly graph: Graph;
  readonly description: string;
}): void {
  if (!graph.meta.preprocessing)
    note(
      `${description}: it states no preprocessing; ImageNet's usual one is taken, --preprocessing gives another`,
    );
}
