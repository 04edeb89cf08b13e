"""Small ONNX files as PyTorch's exporter writes them, with an input and PyTorch's own output for each.

Run with a Python that has torch (1.13 made the committed files); the `onnx` package is not needed:
    python3 test/goldens/make_onnx.py
Writes test/goldens/onnx/*.onnx and test/goldens/onnx/expected.json. Sizes are tiny: the exporter's patterns matter.
"""

import json
import os
import warnings

import torch
import torch.nn as nn
import torch.nn.functional as F

warnings.filterwarnings("ignore")
folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx")


class Spelled(nn.Module):
    """Hard-swish, hard-sigmoid and SiLU written out as formulas."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.a(x)
        x = x * F.relu6(x + 3) / 6
        y = self.b(x)
        y = x * (F.relu6(y + 3.0) / 6.0)
        y = y * torch.sigmoid(y)
        y = y * (F.relu6(y + 3) * (1 / 6))
        return torch.clamp(y * 4, -0.5, 1.5) + torch.clamp(y, min=0.1) + torch.clamp(y, max=0.2)


class Activations(nn.Module):
    """The same as modules, which the exporter turns into single operators or formulas by opset."""

    def __init__(self):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Hardswish())
        self.b = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4, eps=1e-3), nn.ReLU6())
        self.c = nn.Sequential(nn.Conv2d(4, 4, 1), nn.SiLU())
        self.gate = nn.Hardsigmoid()

    def forward(self, x):
        x = self.a(x)
        y = self.b(x)
        return self.c(y) * self.gate(x) + F.relu(x - y)


def shuffle(x, groups):
    n, c, h, w = x.size()
    return x.view(n, groups, c // groups, h, w).transpose(1, 2).contiguous().view(n, -1, h, w)


class Shuffle(nn.Module):
    """ShuffleNet V2's unit: chunk, branch, concat, shuffle by reshape-transpose-reshape."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, stride=2, padding=1)
        self.left = nn.Conv2d(6, 6, 3, padding=1, groups=6)
        self.right = nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU())
        self.fc = nn.Linear(12, 5)

    def forward(self, x):
        a, b = self.stem(x).chunk(2, dim=1)
        x = shuffle(torch.cat((self.left(a), self.right(b)), 1), 2)
        a, b = x[:, :6], x[:, 6:]
        x = shuffle(torch.cat((a, self.right(b)), 1), 3)
        return self.fc(x.mean([2, 3]))


class SqueezeExcite(nn.Module):
    """Gates by convolutions, and by linear layers between reshapes, as older networks have it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=(1, 0))
        self.reduce, self.expand = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.fc1, self.fc2 = nn.Linear(8, 4), nn.Linear(4, 8)
        self.head = nn.Linear(8, 6)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x = self.stem(x)
        gate = F.relu(self.reduce(F.adaptive_avg_pool2d(x, 1)))
        x = x * F.hardsigmoid(self.expand(gate))
        n, c = x.size(0), x.size(1)
        y = F.adaptive_avg_pool2d(x, 1).view(n, c)
        y = torch.sigmoid(self.fc2(F.relu(self.fc1(y)))).view(n, c, 1, 1)
        x = torch.sigmoid(y) * x * y
        x = F.adaptive_avg_pool2d(x, 1)
        x = x.view(x.size(0), -1)
        return F.softmax(self.head(self.drop(x)), dim=1)


class Pools(nn.Module):
    """Ceil mode, padding, count_include_pad, Pad before a pool and a convolution."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, (3, 2), stride=(1, 2), dilation=(2, 1))

    def forward(self, x):
        x = self.stem(F.pad(x, (0, 1, 2, 1)))
        a = F.max_pool2d(x, 3, 2, ceil_mode=True)
        b = F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False)
        c = F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=True)
        d = F.avg_pool2d(F.pad(x, (1, 0, 1, 0)), 3, 2, padding=0)
        e = F.max_pool2d(F.pad(x, (0, 1, 0, 1), value=float("-inf")), 2, 2)
        f = F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, 2)
        outs = [F.adaptive_avg_pool2d(v, 1).flatten(1) for v in (a, b, c, d, e, f)]
        return torch.cat(outs, 1)


class Crops(nn.Module):
    """Slices of channels, rows and columns, strided ones too; nearest enlargement; zero channels (option A shortcut)."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        x = self.stem(x)
        short = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
        odd = x[:, 1:3, 1::2, 1::2]
        y = torch.cat([short, odd, x[:, -1:, 1:5, 2:6], x[:, 0].unsqueeze(1)[:, :, :4, :4]], 1)
        y = F.interpolate(y, scale_factor=2, mode="nearest")
        return y


class Dense(nn.Module):
    """MatMul with a bias, reshapes with numbers from shapes, a transpose before the flatten."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, 6) / 3)
        self.b = nn.Parameter(torch.randn(6))
        self.stem = nn.Conv2d(3, 2, 3)
        self.fc = nn.Linear(6, 6, bias=False)
        self.scale = nn.Parameter(torch.randn(1, 3, 1, 1))

    def forward(self, x):
        x = self.stem((x - 0.5) / 0.25 * self.scale)
        x = x.permute(0, 2, 3, 1).reshape(x.shape[0], x.shape[1] * x.shape[2] * x.shape[3])
        x = x @ self.w + self.b
        return self.fc(torch.relu(x)) + x


cases = [
    ("spelled", Spelled(), (3, 6, 5), (7, 13, 17)),
    ("activations", Activations(), (3, 6, 6), (9, 13, 14, 17)),
    ("shuffle", Shuffle(), (3, 8, 8), (9, 11, 13, 17)),
    ("squeeze-excite", SqueezeExcite(), (3, 6, 7), (9, 13, 17)),
    ("pools", Pools(), (3, 9, 11), (11, 13, 17)),
    ("crops", Crops(), (3, 8, 8), (10, 11, 13, 17)),
    ("dense", Dense(), (3, 4, 4), (9, 13, 17)),
]


def main():
    os.makedirs(folder, exist_ok=True)
    expected = {}
    torch.manual_seed(7)
    for name, net, shape, opsets in cases:
        for module in net.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.normal_(module.weight, std=(2 / module.weight[0].numel()) ** 0.5)
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
                nn.init.normal_(module.running_mean)
                nn.init.uniform_(module.running_var, 0.5, 2)
        net.eval()
        x = torch.randn(2, *shape)
        with torch.no_grad():
            y = net(x)
        expected[name] = {
            "opsets": list(opsets),
            "input": {"shape": list(x.shape), "data": [round(v, 6) for v in x.flatten().tolist()]},
        }
        x = torch.tensor(expected[name]["input"]["data"]).reshape(x.shape)
        with torch.no_grad():
            y = net(x)
        expected[name]["output"] = {"shape": list(y.shape), "data": [float(f"{v:.7g}") for v in y.flatten().tolist()]}
        for opset in opsets:
            torch.onnx.export(
                net,
                x,
                os.path.join(folder, f"{name}-{opset}.onnx"),
                opset_version=opset,
                input_names=["input"],
                output_names=["output"],
                dynamic_axes={"input": {0: "N"}, "output": {0: "N"}},
                do_constant_folding=opset % 2 == 1,
            )
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump(expected, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
