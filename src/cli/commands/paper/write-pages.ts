/** What `ghostnet paper --out` writes: the page, its Markdown and the figures, all or nothing. */
import { join } from 'node:path';
import { type Figure, htmlPage, markdownPage, type RenderedTable } from '../../../paper/render.js';
import { writeFolderAtomically } from '../../../ship/node/stage-folder.js';

const intro =
  'The tables and figures of "GhostNet: More Features from Cheap Operations" (CVPR 2020), made by `ghostnet paper`: this package\'s numbers ' +
  'beside the paper\'s. Params and MACs are counts, exact; "printed digits" says that a count rounds to what the paper prints. An accuracy ' +
  '"here" was trained by this package; else it says what is missing: training (CIFAR-10, on any machine), ImageNet (data, weights or a ' +
  'training of days), or a network that nobody published. Figure 7 is measured on the machine it names. Files that are named are in the ' +
  "package's repository. ";

/** Table 2 and figures 1 and 4, which are measured on a picture. */
const introWithPicture = 'Table 2 and figures 1 and 4 are measured on the picture that was given.';
const introWithout =
  "Table 2 and figures 1 and 4 are measured on a picture of one's own: `ghostnet paper all --picture photo.jpg --out paper/`.";

/** Writes the files; returns their paths. Throws EnvironmentError of `writeFolderAtomically`. */
export async function writePages(
  out: string,
  tables: readonly RenderedTable[],
  figures: readonly Figure[],
  ofPicture: boolean,
): Promise<readonly string[]> {
  const text = intro + (ofPicture ? introWithPicture : introWithout);
  const files = new Map<string, string>([
    ...figures.map(({ file, svg }) => [file, `${svg}\n`] as const),
    ['paper.md', markdownPage(tables, figures, { intro: text, folder: '' })],
    ['index.html', htmlPage(tables, figures, text)],
  ]);
  await writeFolderAtomically(out, files);
  return [...files.keys()].map((name) => join(out, name)).reverse();
}
