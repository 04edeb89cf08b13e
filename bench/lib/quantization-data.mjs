/**
 * The networks that int8 is studied on: trained on CIFAR-10 (calibrated on training pictures, classified on the test
 * set) and on ImageNet (calibrated on photographs of COCO, classified on one picture of each class). What is not there
 * is left out. CIFAR-10's .bin files are in the folder of --cifar, the rest in `../shared/data` or GHOSTNET_DATA.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodePicture, fitPicture, readModelFile } from '../../dist/node.js';
import {
  cifarPart,
  compressionNetworks,
  data,
  Pictures,
  readArchive,
  readImagenetSample,
} from './compression-data.mjs';

const own = (path) => fileURLToPath(new URL(`../../models/${path}`, import.meta.url));
const shared = (name) => ({ ...compressionNetworks[name], path: join(data, compressionNetworks[name].file) });

/** By name. ResNet-20 is the control of Ghost-ResNet-20: the same training without Ghost modules. */
export const quantizationNetworks = {
  'ghostnet-32': { path: own('ghostnet-32-cifar10.safetensors'), data: 'cifar10' },
  'ghost-resnet20': { path: own('runs/ghost-resnet20-cifar10/weights.safetensors'), data: 'cifar10' },
  'ghostified-resnet20': {
    path: own('runs/ghostified-resnet20-cifar10/weights.safetensors'),
    data: 'cifar10',
  },
  resnet20: { path: own('runs/resnet20-cifar10/weights.safetensors'), data: 'cifar10' },
  'ghost-resnet56': shared('ghost-resnet56'),
  'mobilenetv2-1.0': shared('mobilenetv2-1.0'),
  'squeezenet-1.1': shared('squeezenet-1.1'),
  'mobilenetv1-0.25': {
    path: join(data, 'models/onnx/mobilenetv1_0.25_128.onnx'),
    preprocessing: { ...compressionNetworks['mobilenetv2-1.0'].preprocessing, shrink: 2 },
    firstLabel: 1,
    data: 'imagenet',
  },
};

export const presentNetworks = () =>
  Object.keys(quantizationNetworks).filter((name) => existsSync(quantizationNetworks[name].path));

export async function photographs(files, how, [, height, width], labels) {
  const pictures = [];
  for (const { name, bytes } of files)
    pictures.push(fitPicture(await decodePicture(bytes, { name }), how, width, height));
  return new Pictures(pictures, labels, how);
}

/** { graph, weights, calibration, evaluation }: `calibrating` pictures, and all or `most` to classify. */
export async function loadQuantizationNetwork(name, { cifar, most, calibrating }) {
  const { path, network, preprocessing, firstLabel = 0, data: kind } = quantizationNetworks[name];
  const { graph, weights } = await readModelFile(path, network ? { network } : {});
  const { shape } = graph.nodes.find((node) => node.kind === 'input');
  if (kind === 'cifar10') {
    const how = graph.meta.preprocessing;
    return {
      graph,
      weights,
      calibration: cifarPart(cifar, 'data_batch_1.bin', calibrating, how).inputs(3072),
      evaluation: cifarPart(cifar, 'test_batch.bin', Math.min(most, 10_000), how),
    };
  }
  const other = readArchive('coco128/coco128-train2017-q80.tar').slice(0, calibrating);
  const fitted = { ...preprocessing, keepSize: false, resizeShortSide: 256 };
  const files = readImagenetSample().slice(0, most);
  return {
    graph,
    weights,
    calibration: (await photographs(other, fitted, shape, [])).inputs(shape.reduce((a, b) => a * b, 1)),
    evaluation: await photographs(
      files,
      preprocessing,
      shape,
      files.map(({ label }) => label + firstLabel),
    ),
  };
}
