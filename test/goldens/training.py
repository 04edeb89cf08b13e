"""Ten steps of SGD on a small ghost network, by PyTorch: losses and all weights, to test/goldens/training.json.

Run with Debian's python3-torch: python3 test/goldens/training.py
Tensors are base64 of little-endian float32, row-major. The same network is built in src/train/training-golden.node.test.ts.
"""
import base64
import json
import os

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(20)
torch.set_num_threads(1)
N, SIZE, CLASSES, STEPS = 8, 8, 5, 10


class Ghost(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        half = outputs // 2
        self.primary_conv = nn.Sequential(nn.Conv2d(inputs, half, 1, bias=False), nn.BatchNorm2d(half))
        self.cheap_operation = nn.Sequential(nn.Conv2d(half, half, 3, padding=1, groups=half, bias=False), nn.BatchNorm2d(half))

    def forward(self, x):
        x = F.relu(self.primary_conv(x))
        return torch.cat([x, F.relu(self.cheap_operation(x))], 1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(8)
        self.ghost = Ghost(8, 16)
        self.reduce = nn.Conv2d(16, 4, 1)
        self.expand = nn.Conv2d(4, 16, 1)
        self.down = nn.Conv2d(16, 12, 3, stride=2, padding=1, bias=False)
        self.down_norm = nn.BatchNorm2d(12)
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = F.relu(self.stem_norm(self.stem(x)))
        x = self.ghost(x)
        gate = F.hardsigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))
        x = x * gate
        x = F.hardswish(self.down_norm(self.down(x)))
        return self.fc(x.mean((2, 3)))


def pack(tensor):
    data = tensor.detach().contiguous().numpy().astype("<f4").tobytes()
    return {"shape": list(tensor.shape), "data": base64.b64encode(data).decode()}


def weights(net):
    return {name: pack(t) for name, t in net.state_dict().items() if not name.endswith("num_batches_tracked")}


net = Net().train()
images = torch.randn(STEPS, N, 3, SIZE, SIZE)
labels = torch.randint(0, CLASSES, (STEPS, N))
out = {
    "learningRate": 0.05,
    "momentum": 0.9,
    "weightDecay": 1e-3,
    "labelSmoothing": 0.1,
    "images": pack(images),
    "labels": labels.tolist(),
    "before": weights(net),
}
decayed = [p for name, p in net.named_parameters() if p.dim() > 1]
others = [p for name, p in net.named_parameters() if p.dim() == 1]
optimizer = torch.optim.SGD(
    [{"params": decayed, "weight_decay": 1e-3}, {"params": others, "weight_decay": 0}],
    lr=0.05,
    momentum=0.9,
    nesterov=True,
)
losses = []
for step in range(STEPS):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(images[step]), labels[step], label_smoothing=0.1)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
out["losses"] = losses
out["after"] = weights(net)
path = os.path.join(os.path.dirname(__file__), "training.json")
with open(path + ".tmp", "w") as file:
    json.dump(out, file)
    file.write("\n")
os.replace(path + ".tmp", path)
