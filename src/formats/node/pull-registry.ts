/**
 * Where published weights live, as data. Nothing here touches the network; see pull.ts.
 *
 * What is verified is said per entry: `gitBlob` is the file's identity in its git repository, known here, so a changed
 * file is refused whoever serves it. `hub` means that no checksum is known here: the SHA-256 that the Hugging Face hub
 * states for the file (`x-linked-etag`) is checked, which proves an undamaged transfer but trusts the hub.
 */

export type Checksum =
  | { readonly kind: 'gitBlob'; readonly sha1: string }
  | { readonly kind: 'sha256'; readonly sha256: string }
  | { readonly kind: 'hub' };

export interface PullEntry {
  /** What people type. */
  readonly name: string;
  /** The network of the registry of models that the weights belong to. */
  readonly network: string;
  readonly url: string;
  /** Name of the file in the cache. */
  readonly file: string;
  readonly checksum: Checksum;
  /** A transfer that is larger is refused. */
  readonly maxBytes: number;
  /** Where they come from, in one line. */
  readonly origin: string;
}

const megabyte = 1_000_000;

export const pullEntries: readonly PullEntry[] = [
  {
    name: 'ghostnet-1.0x',
    network: 'ghostnet-1.0x',
    url: 'https://raw.githubusercontent.com/huawei-noah/Efficient-AI-Backbones/master/ghostnet_pytorch/models/state_dict_73.98.pth',
    file: 'state_dict_73.98.pth',
    checksum: { kind: 'gitBlob', sha1: '26da9f2807cd5ba95c607cec01ceb9700d94e0ae' },
    maxBytes: 64 * megabyte,
    origin: 'huawei-noah/Efficient-AI-Backbones on GitHub, the authors’ PyTorch weights (73.98 % top-1)',
  },
  {
    name: 'timm/ghostnet_100',
    network: 'ghostnet-1.0x',
    url: 'https://huggingface.co/timm/ghostnet_100.in1k/resolve/main/model.safetensors',
    file: 'model.safetensors',
    checksum: { kind: 'hub' },
    maxBytes: 64 * megabyte,
    origin: 'timm/ghostnet_100.in1k on the Hugging Face hub (73.96 % top-1)',
  },
];

/** Networks that people ask for, whose weights nobody publishes; with the reason. */
export const unpublished: Readonly<Record<string, string>> = {
  'ghostnet-0.5x': 'the authors published only 1.0x, and timm lists ghostnet_050 as untrained',
  'ghostnet-1.1x': 'the authors published only 1.0x',
  'ghostnet-1.3x': 'the authors published only 1.0x, and timm lists ghostnet_130 as untrained',
  'timm/ghostnet_050': 'timm lists it as untrained',
  'timm/ghostnet_130': 'timm lists it as untrained',
};
