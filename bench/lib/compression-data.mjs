/**
 * The networks that compression is shown on, and their pictures: two trained on ImageNet, on one picture of each class,
 * and two trained on CIFAR-10, of which one is this package's own. Calibration and evaluation never share a picture. The others lie outside the repository
 * (`../shared/data` or GHOSTNET_DATA; the folder of CIFAR-10's .bin files by --cifar).
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { list } from 'tar';
import { readCifar10 } from '../../dist/data/cifar10.js';
import { normaliseInto } from '../../dist/data/preprocess.js';
import { decodePicture, fitPicture, readModelFile } from '../../dist/node.js';

export const data =
  process.env.GHOSTNET_DATA ?? fileURLToPath(new URL('../../../shared/data', import.meta.url));
const cut = { keepSize: true, cropRounding: 'down', interpolation: 'bilinear' };
const grey = Array(3).fill(128 / 255);

/** name: model file, how pictures become its input, and which output is label 0. */
export const compressionNetworks = {
  'squeezenet-1.1': {
    file: 'models/onnx/squeezenet1_1.onnx',
    preprocessing: { ...cut, mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255] },
    firstLabel: 0,
    data: 'imagenet',
  },
  'mobilenetv2-1.0': {
    file: 'models/onnx/mobilenetv2_1.0_224.onnx',
    preprocessing: { ...cut, mean: grey, std: grey },
    firstLabel: 1,
    data: 'imagenet',
  },
  'ghost-resnet56': {
    file: 'models/ghost-resnet56-cifar10/gr_multistep.safetensors',
    network: 'ghost-resnet56-bn-after',
    firstLabel: 0,
    data: 'cifar10',
  },
  resnet20: {
    file: fileURLToPath(new URL('../../models/runs/resnet20-cifar10/weights.safetensors', import.meta.url)),
    firstLabel: 0,
    data: 'cifar10',
  },
};

/** Pictures of one network: `count`, `label(i)` and `write(i, target)`, which normalises picture i into the target. */
export class Pictures {
  constructor(pictures, labels, { mean, std }) {
    this.count = pictures.length;
    this.label = (i) => labels[i];
    this.write = (i, target) => normaliseInto(pictures[i], mean, std, target);
  }

  /** Copies of all, as calibration takes them. */
  inputs(size) {
    return Array.from({ length: this.count }, (_, i) => {
      const input = new Float32Array(size);
      this.write(i, input);
      return input;
    });
  }
}

/** The files of an archive below the data folder: { name, bytes }. */
export function readArchive(path) {
  const files = [];
  list({
    file: join(data, path),
    sync: true,
    onReadEntry(entry) {
      const chunks = [];
      entry.on('data', (chunk) => chunks.push(chunk));
      entry.on('end', () => files.push({ name: entry.path, bytes: Buffer.concat(chunks) }));
    },
  });
  return files;
}

/** The 1,000 pictures: { name, bytes, label }. */
export function readImagenetSample() {
  const folder = join(data, 'imagenet-sample');
  const rows = readFileSync(join(folder, 'labels.tsv'), 'utf8').trim().split('\n').slice(1);
  const index = new Map(rows.map((row) => [row.split('\t')[1], Number(row.split('\t')[0])]));
  return readArchive('imagenet-sample/imagenet-sample-1000-short256-q80.tar').map((file) => ({
    ...file,
    label: index.get(file.name.slice(0, 9)),
  }));
}

/** Every tenth picture calibrates (about `calibrating` of them), the others (`most` of them, evenly spread) are classified. */
async function imagenetPictures(preprocessing, [, h, w], { firstLabel, most, calibrating }) {
  const parts = { calibration: [[], []], evaluation: [[], []] };
  const files = readImagenetSample();
  const stride = Math.max(Math.floor((0.9 * files.length) / most), 1);
  for (const [i, { name, bytes, label }] of files.entries()) {
    const other = i - Math.ceil(i / 10);
    if (i % 10 === 0 && (i / 10) % Math.max(Math.floor(files.length / 10 / calibrating), 1) !== 0) continue;
    if (i % 10 !== 0 && (other % stride !== 0 || parts.evaluation[0].length >= most)) continue;
    const picture = fitPicture(await decodePicture(bytes, { name }), preprocessing, w, h);
    const [pictures, labels] = parts[i % 10 === 0 ? 'calibration' : 'evaluation'];
    pictures.push(picture);
    labels.push(label + firstLabel);
  }
  return Object.fromEntries(
    Object.entries(parts).map(([part, [pictures, labels]]) => [
      part,
      new Pictures(pictures, labels, preprocessing),
    ]),
  );
}

export function cifarPart(folder, file, count, preprocessing) {
  const { pictures, labels } = readCifar10(readFileSync(join(folder, file)), file);
  const views = Array.from({ length: count }, (_, i) => ({
    width: 32,
    height: 32,
    data: pictures.subarray(i * 3072, (i + 1) * 3072),
  }));
  return new Pictures(views, labels, preprocessing);
}

/** { graph, weights, calibration, evaluation, training? } of a network by name. */
export async function loadCompressionNetwork(name, { cifar, most, calibrating }) {
  const { file, network, preprocessing, firstLabel, data: kind } = compressionNetworks[name];
  const { graph, weights } = await readModelFile(resolve(data, file), network ? { network } : {});
  const shape = graph.nodes.find((node) => node.kind === 'input').shape;
  if (kind === 'imagenet')
    return {
      graph,
      weights,
      ...(await imagenetPictures(preprocessing, shape, { firstLabel, most, calibrating })),
    };
  const steps = graph.meta.preprocessing;
  return {
    graph,
    weights,
    calibration: cifarPart(cifar, 'data_batch_1.bin', calibrating, steps),
    evaluation: cifarPart(cifar, 'test_batch.bin', Math.min(most, 10_000), steps),
    training: cifarPart(cifar, 'data_batch_2.bin', 10_000, steps),
  };
}
