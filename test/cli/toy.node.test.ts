/** `ghostnet toy`: errors that do not rise with d, pictures and a page that stands alone. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, expect, it } from 'vitest';
import { writeModelFile } from '../../src/formats/node/model-file.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { createModel } from '../../src/models/registry.js';
import { ghostnet } from './run-command.js';

const folder = mkdtempSync(join(tmpdir(), 'ghostnet-toy-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('finds pairs, prints their errors and draws them', async () => {
  const graph = createModel('resnet20-cifar');
  const model = join(folder, 'model.safetensors');
  await writeModelFile(model, graph, initializeWeights(graph, 1));
  const picture = join(folder, 'picture.png');
  const bytes = Buffer.from(Array.from({ length: 32 * 32 * 3 }, (_, k) => (k * k) % 251));
  await sharp(bytes, { raw: { width: 32, height: 32, channels: 3 } }).toFile(picture);

  const out = join(folder, 'out');
  const found = await ghostnet(['toy', picture, '--model', model, '--out', out, '--json']);
  expect(found.code).toBe(0);
  const report = JSON.parse(found.stdout);
  expect(report).toMatchObject({ node: 'layer1.0.relu', channels: 16, height: 32, width: 32 });
  expect(report.pairs).toHaveLength(3);
  for (const { errors } of report.pairs) {
    expect(errors.map(({ d }: { d: number }) => d)).toEqual([1, 3, 5, 7]);
    for (let k = 1; k < 4; k++) expect(errors[k].mse).toBeLessThanOrEqual(errors[k - 1].mse + 1e-12);
  }
  const sheet = await sharp(join(out, 'maps.png')).metadata();
  expect([sheet.width, sheet.height]).toEqual([8 * 120, 2 * 120]);
  const page = readFileSync(join(out, 'index.html'), 'utf8');
  expect(page.match(/<img /g)).toHaveLength(3 * 6 + 1);
  expect(page).not.toMatch(/(src|href)="(?!data:)/);

  const wrong = await ghostnet(['toy', picture, '--model', model, '--pair', '3:99']);
  expect([wrong.code, wrong.stdout]).toEqual([2, '']);
  expect(wrong.stderr).toContain('channels 0 to 15');
});
