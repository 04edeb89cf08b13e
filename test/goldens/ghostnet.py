"""
PyTorch twins of GhostNet and of the package's own GhostNet-32, with the structure and the names of the official
implementation.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def make_divisible(v, divisor=4):
    new = max(divisor, int(v + divisor / 2) // divisor * divisor)
    return new + divisor if new < 0.9 * v else new


class SqueezeExcite(nn.Module):
    def __init__(self, channels, ratio):
        super().__init__()
        reduced = make_divisible(channels * ratio)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.conv_reduce = nn.Conv2d(channels, reduced, 1, bias=True)
        self.act1 = nn.ReLU()
        self.conv_expand = nn.Conv2d(reduced, channels, 1, bias=True)

    def forward(self, x):
        gate = self.conv_expand(self.act1(self.conv_reduce(self.avg_pool(x))))
        return x * (F.relu6(gate + 3.0) / 6.0)


class ConvBnAct(nn.Module):
    def __init__(self, inp, out, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inp, out, kernel, stride, kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.act1 = nn.ReLU()

    def forward(self, x):
        return self.act1(self.bn1(self.conv(x)))


class GhostModule(nn.Module):
    def __init__(self, inp, oup, kernel=1, ratio=2, dw=3, stride=1, relu=True):
        super().__init__()
        self.oup = oup
        init = math.ceil(oup / ratio)
        new = init * (ratio - 1)
        self.primary_conv = nn.Sequential(
            nn.Conv2d(inp, init, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(init),
            nn.ReLU() if relu else nn.Sequential(),
        )
        self.cheap_operation = nn.Sequential(
            nn.Conv2d(init, new, dw, 1, dw // 2, groups=init, bias=False),
            nn.BatchNorm2d(new),
            nn.ReLU() if relu else nn.Sequential(),
        )

    def forward(self, x):
        x1 = self.primary_conv(x)
        x2 = self.cheap_operation(x1)
        return torch.cat([x1, x2], dim=1)[:, : self.oup]


class GhostBottleneck(nn.Module):
    def __init__(self, inp, mid, out, kernel, stride, se, ratio, dw):
        super().__init__()
        self.stride = stride
        self.ghost1 = GhostModule(inp, mid, ratio=ratio, dw=dw, relu=True)
        if stride > 1:
            self.conv_dw = nn.Conv2d(mid, mid, kernel, stride, (kernel - 1) // 2, groups=mid, bias=False)
            self.bn_dw = nn.BatchNorm2d(mid)
        self.se = SqueezeExcite(mid, se) if se > 0 else None
        self.ghost2 = GhostModule(mid, out, ratio=ratio, dw=dw, relu=False)
        if inp == out and stride == 1:
            self.shortcut = nn.Sequential()
        else:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inp, inp, kernel, stride, (kernel - 1) // 2, groups=inp, bias=False),
                nn.BatchNorm2d(inp),
                nn.Conv2d(inp, out, 1, bias=False),
                nn.BatchNorm2d(out),
            )

    def forward(self, x):
        y = self.ghost1(x)
        if self.stride > 1:
            y = self.bn_dw(self.conv_dw(y))
        if self.se is not None:
            y = self.se(y)
        return self.ghost2(y) + self.shortcut(x)


GHOSTNET = [
    [[3, 16, 16, 0, 1]],
    [[3, 48, 24, 0, 2]],
    [[3, 72, 24, 0, 1]],
    [[5, 72, 40, 0.25, 2]],
    [[5, 120, 40, 0.25, 1]],
    [[3, 240, 80, 0, 2]],
    [[3, 200, 80, 0, 1], [3, 184, 80, 0, 1], [3, 184, 80, 0, 1], [3, 480, 112, 0.25, 1], [3, 672, 112, 0.25, 1]],
    [[5, 672, 160, 0.25, 2]],
    [[5, 960, 160, 0, 1], [5, 960, 160, 0.25, 1], [5, 960, 160, 0, 1], [5, 960, 160, 0.25, 1]],
]


class GhostNet(nn.Module):
    def __init__(self, width=1.0, classes=1000, stem_stride=2, ratio=2, dw=3):
        super().__init__()
        channels = make_divisible(16 * width)
        self.conv_stem = nn.Conv2d(3, channels, 3, stem_stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act1 = nn.ReLU()
        stages = []
        for rows in GHOSTNET:
            blocks = []
            for kernel, exp, out, se, stride in rows:
                mid, out = make_divisible(exp * width), make_divisible(out * width)
                blocks.append(GhostBottleneck(channels, mid, out, kernel, stride, se, ratio, dw))
                channels = out
            stages.append(nn.Sequential(*blocks))
        last = make_divisible(960 * width)
        stages.append(nn.Sequential(ConvBnAct(channels, last, 1)))
        self.blocks = nn.Sequential(*stages)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.conv_head = nn.Conv2d(last, 1280, 1, bias=True)
        self.act2 = nn.ReLU()
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x):
        x = self.blocks(self.act1(self.bn1(self.conv_stem(x))))
        x = self.act2(self.conv_head(self.global_pool(x)))
        return self.classifier(x.view(x.size(0), -1))


def ghostnet_taps():
    taps = [("act1", "act1")]
    for i, rows in enumerate(GHOSTNET):
        taps += [(f"blocks.{i}.{j}", f"blocks.{i}.{j}.add") for j in range(len(rows))]
    return taps + [
        ("blocks.1.0.ghost1", "blocks.1.0.ghost1.concat"),
        ("blocks.3.0.se", "blocks.3.0.se.mul"),
        ("blocks.9.0", "blocks.9.0.act1"),
        ("act2", "act2"),
    ]


class GhostNet32(nn.Module):
    """The project's own small network: 3x3 Ghost modules, a stride-2 one and a residual pair per stage."""

    class Pair(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.ghost1 = GhostModule(channels, channels, kernel=3)
            self.ghost2 = GhostModule(channels, channels, kernel=3, relu=False)

        def forward(self, x):
            return F.relu(self.ghost2(self.ghost1(x)) + x)

    def __init__(self, classes=10):
        super().__init__()
        self.conv_stem = nn.Conv2d(3, 32, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        channels, stages = 32, []
        for out in (64, 128, 192):
            stage = nn.Module()
            stage.down = GhostModule(channels, out, kernel=3, stride=2)
            stage.add_module("0", GhostNet32.Pair(out))
            stages.append(stage)
            channels = out
        self.stages = nn.ModuleList(stages)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv_stem(x)))
        for stage in self.stages:
            x = getattr(stage, "0")(stage.down(x))
        return self.classifier(x.mean((2, 3)))
