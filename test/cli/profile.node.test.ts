import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type LayerProfile, type Profile, profile } from '../../src/analysis/profile.js';
import type { TrainingProfile } from '../../src/cli/commands/profile/training.js';
import { createModel } from '../../src/models/registry.js';
import { planTraining } from '../../src/train/engine.js';
import { ghostnet } from './run-command.js';

describe('ghostnet profile', () => {
  it('--json prints the counts of the paper’s network and nothing else', async () => {
    const { code, stdout, stderr } = await ghostnet(['profile', 'ghostnet-1.0x', '--json']);
    const counted = JSON.parse(stdout) as Profile;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(counted).toMatchObject({ name: 'ghostnet-1.0x', params: 5_182_508, macs: 141_150_512 });
    const sum = (of: 'params' | 'macs') => counted.layers.reduce((total, layer) => total + layer[of], 0);
    expect([sum('params'), sum('macs')]).toEqual([counted.params, counted.macs]);
    expect(counted.layers.find((layer) => layer.name === 'conv_stem')).toMatchObject({
      name: 'conv_stem',
      op: 'conv2d',
      params: 432,
      macs: 5_419_008,
      outputShape: [1, 16, 112, 112],
    });
  });

  it('prints a table with totals, without colours when stdout is no terminal', async () => {
    const { code, stdout } = await ghostnet(['profile', 'ghostnet-0.5x'], {
      env: { FORCE_COLOR: '1', CI: '1' },
    });
    expect(code).toBe(0);
    expect(stdout).toContain('2,587,292');
    expect(stdout).toContain('42,328,152');
    expect(stdout).not.toContain('\x1b');
    expect(stdout.split('\n').filter((line) => line !== line.trimEnd())).toEqual([]);
  });

  it('--measure gives every layer that computes a time, and the times add up', async () => {
    const { stdout } = await ghostnet([
      'profile',
      'ghostnet-0.5x',
      '--input',
      '3x64x64',
      '--measure',
      '--json',
    ]);
    const { layers, measured } = JSON.parse(stdout) as {
      layers: (LayerProfile & { ms: number })[];
      measured: { ms: number; layoutMs: number };
    };
    expect(layers.filter((layer) => layer.macs > 0 && !(layer.ms > 0)).map((layer) => layer.name)).toEqual(
      [],
    );
    const sum = layers.reduce((total, layer) => total + layer.ms, measured.layoutMs);
    expect(sum).toBeCloseTo(measured.ms, 6);
    expect(layers.some((layer) => layer.op === 'batchNorm' && layer.ms > 0)).toBe(false);
  });

  it('--training times every layer forward and backward, in graph order, and says the memory', async () => {
    const args = ['profile', 'ghost-resnet20-cifar', '--training', '--batch', '4'];
    const { code, stdout } = await ghostnet([...args, '--json']);
    expect(code).toBe(0);
    const measured = JSON.parse(stdout) as TrainingProfile;
    const { layers, forwardMs, peakBytes } = measured;
    const graph = createModel('ghost-resnet20-cifar');
    const options = { batch: 4, threads: 1, optimizer: { kind: 'sgd', momentum: 0.9 } } as const;
    expect(peakBytes).toBe(planTraining(graph, options).peakBytes);
    const names = graph.nodes.map((node) => node.name);
    const order = layers.map(({ node }) => names.indexOf(node));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    const learning = graph.nodes.filter(({ kind }) => kind === 'conv2d' || kind === 'linear');
    const timed = layers.filter(({ forward, backward }) => forward > 0 && backward > 0);
    const without = learning.filter(({ name }) => !timed.some(({ node }) => node === name));
    expect(without).toEqual([]);
    expect(layers.reduce((sum, { forward }) => sum + forward, 0)).toBeCloseTo(forwardMs, 6);
    const again = JSON.parse((await ghostnet([...args, '--recompute', '--json'])).stdout) as TrainingProfile;
    expect(again.peakBytes).toBeLessThan(peakBytes);
    expect(await ghostnet(['profile', 'ghost-resnet20-cifar', '--recompute'])).toMatchObject({ code: 2 });
  });

  it('counts for another picture size and batch', async () => {
    const { stdout } = await ghostnet([
      'profile',
      'ghostnet-1.0x',
      '--input',
      '3x112x112',
      '--batch',
      '2',
      '--json',
    ]);
    const counted = JSON.parse(stdout) as Profile;
    expect(counted.params).toBe(5_182_508);
    expect(counted.inputShapes).toEqual([[2, 3, 112, 112]]);
    expect(counted.layers.find((layer) => layer.name === 'conv_stem')?.outputShape).toEqual([2, 16, 56, 56]);
  });

  it('ends quietly when the reader goes away', async () => {
    const { stderr, signal } = await ghostnet(['profile', 'ghostnet-1.0x', '--all', '--json'], {
      onStart: (child) => child.stdout!.once('data', () => child.stdout!.destroy()),
    });
    expect({ stderr, signal }).toEqual({ stderr: '', signal: null });
  });
});

describe('ghostnet models', () => {
  it('lists every network with a name', async () => {
    const rows = JSON.parse((await ghostnet(['models', '--json'])).stdout) as { name: string }[];
    expect(rows.map((row) => row.name)).toContain('ghostnet-1.3x');
    const { stdout } = await ghostnet(['models']);
    expect(stdout.trim().split('\n').length).toBe(rows.length);
  });
});

describe('the command line', () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };

  it('has a version and a help text', async () => {
    expect(await ghostnet(['--version'])).toEqual({
      code: 0,
      signal: null,
      stdout: `${version}\n`,
      stderr: '',
    });
    const { code, stdout, stderr } = await ghostnet(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatchSnapshot();
  });

  it.each(['classify', 'profile', 'bench', 'pull', 'inspect', 'convert', 'models'])(
    'help text of %s',
    async (command) => {
      const { code, stdout, stderr } = await ghostnet([command, '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatchSnapshot();
      if (command !== 'models') expect(stdout).toContain('Examples:');
      expect((await ghostnet(['help', command])).stdout).toBe(stdout);
    },
  );

  it('counts a network in another form, and says which settings it does not have', async () => {
    const macs = async (...args: string[]): Promise<[string, number]> => {
      const { name, macs } = JSON.parse((await ghostnet(['profile', ...args, '--json'])).stdout) as Profile;
      return [name, macs];
    };
    expect(await macs('ghost-vgg16-cifar', '--ratio', '4')).toEqual(['ghost-vgg16-cifar (s=4)', 80_432_640]);
    const narrow = createModel('ghostnet-1.0x', { width: 0.7, classes: 10 });
    expect(await macs('ghostnet_100', '--width', '0.7', '--classes', '10')).toEqual([
      'ghostnet-1.0x (width=0.7)',
      profile(narrow).macs,
    ]);
    // a size that only the builder can give: its gates are enlarged to the maps that they meet
    const odd = createModel('ghostnetv2-1.0x', { inputSize: 75 });
    expect((await macs('ghostnetv2-1.0x', '--input', '3x75x75'))[1]).toBe(profile(odd).macs);
    for (const [args, message] of [
      [['resnet20-cifar', '--ratio', '3'], /--ratio: "resnet20-cifar" has no such setting/],
      [['model.safetensors', '--width', '2'], /--width is for a network by name/],
    ] as const) {
      const { code, stderr } = await ghostnet(['profile', ...args]);
      expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    }
    const near = await ghostnet(['profile', 'MobileNet-V2']);
    expect(near.stderr).toMatch(/did you mean mobilenet_v2, /);
  });

  it('answers a wrong command line with one line, the code USAGE and exit code 2', async () => {
    const cases: [string[], RegExp][] = [
      [['prfile'], /unknown command 'prfile' \(Did you mean profile\?\)/],
      [['profile'], /missing required argument 'name\|file'/],
      [['profile', 'ghostnet-1.0x', '--inptu', '3x2x2'], /unknown option '--inptu'/],
      [['profile', 'ghostnet-1.0x', '--input', '224'], /'--input <CxHxW>'.*Expected CxHxW, e\.g\. 3x224x224/],
      [['profile', 'ghostnet-1.0x', 'more'], /too many arguments/],
      [['classify', 'a.jpg', '--top', '0'], /'--top <n>'.*at least 1/],
      [['classify', 'a.jpg', '--threads', 'x'], /'--threads <n>'.*from 1 to 64/],
      [
        ['bench', 'ghostnet-1.0x', '--against', 'nothing'],
        /--against: nothing is not known; expected onnxruntime-web/,
      ],
      [['bench', 'ghostnet-1.0x', '--precision', 'f8'], /--precision: f8 is not known; expected f32/],
    ];
    await Promise.all(
      cases.map(async ([args, message]) => {
        const { code, stdout, stderr } = await ghostnet(args);
        expect([args, code, stdout]).toEqual([args, 2, '']);
        expect(stderr).toMatch(/^ghostnet: error \[USAGE\]: .*\n$/);
        expect(stderr).toMatch(message);
      }),
    );
  });

  it('without arguments prints the help to stderr and ends with 2', async () => {
    const { code, stdout, stderr } = await ghostnet([]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: ghostnet');
  });

  it('shows a stack only when GHOSTNET_DEBUG asks for it', async () => {
    const plain = await ghostnet(['profile', 'no-such-network']);
    expect(plain.code).toBe(1);
    expect(plain.stderr).toMatch(/^ghostnet: error \[UNKNOWN_MODEL\]: .*no-such-network.*\n$/);
    const debug = await ghostnet(['profile', 'no-such-network'], { env: { GHOSTNET_DEBUG: '1' } });
    expect(debug.stderr).toMatch(/\n {4}at /);
  });
});
