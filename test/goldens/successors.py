"""
PyTorch twins of GhostNet's successors, as their authors publish them: GhostNetV2, GhostNetV3 with its branches, and
G-Ghost-RegNet.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from ghostnet import GHOSTNET, ConvBnAct, GhostModule, SqueezeExcite, make_divisible
from units import bn, conv


def dfc(inp, out):
    return nn.Sequential(
        conv(inp, out), bn(out), conv(out, out, (1, 5), groups=out), bn(out), conv(out, out, (5, 1), groups=out), bn(out)
    )


def attend(module, x, y):
    gate = torch.sigmoid(module.short_conv(F.avg_pool2d(x, 2)))
    return y * F.interpolate(gate, size=y.shape[-2:], mode="nearest")


class GhostModuleV2(GhostModule):
    def __init__(self, inp, out, relu, attention):
        super().__init__(inp, out, relu=relu)
        self.short_conv = dfc(inp, out) if attention else None

    def forward(self, x):
        y = super().forward(x)
        return y if self.short_conv is None else attend(self, x, y)


class ConvBn(nn.Module):
    def __init__(self, *args, **options):
        super().__init__()
        self.conv = conv(*args, **options)
        self.bn = bn(self.conv.out_channels)

    def forward(self, x):
        return self.bn(self.conv(x))


class Branches(nn.Module):
    """Three convolutions, a pointwise one beside larger kernels, a batch norm of the input where shapes allow."""

    def __init__(self, inp, out, kernel, groups=1, stride=1, skip=False):
        super().__init__()
        self.conv = nn.ModuleList(ConvBn(inp, out, kernel, stride, groups) for _ in range(3))
        self.scale = ConvBn(inp, out, 1, stride, groups) if kernel > 1 else None
        self.skip = bn(inp) if skip else None

    def forward(self, x):
        y = sum(branch(x) for branch in self.conv)
        if self.scale is not None:
            y = y + self.scale(x)
        return y if self.skip is None else y + self.skip(x)


class GhostModuleV3(nn.Module):
    def __init__(self, inp, out, relu, attention):
        super().__init__()
        half = math.ceil(out / 2)
        self.out, self.relu = out, relu
        self.primary = Branches(inp, half, 1, skip=inp == half)
        self.cheap = Branches(half, half, 3, groups=half, skip=True)
        self.short_conv = dfc(inp, out) if attention else None

    def forward(self, x):
        act = F.relu if self.relu else lambda y: y
        first = act(self.primary(x))
        y = torch.cat([first, act(self.cheap(first))], 1)[:, : self.out]
        return y if self.short_conv is None else attend(self, x, y)


class BottleneckV2(nn.Module):
    def __init__(self, inp, mid, out, kernel, stride, se, attention, branches):
        super().__init__()
        module = GhostModuleV3 if branches else GhostModuleV2
        self.stride, self.branches = stride, branches
        self.ghost1 = module(inp, mid, True, attention)
        self.ghost2 = module(mid, out, False, False)
        if stride > 1 and branches:
            self.dw = Branches(mid, mid, kernel, groups=mid, stride=stride)
        elif stride > 1:
            self.conv_dw, self.bn_dw = conv(mid, mid, kernel, stride, mid), bn(mid)
        self.se = SqueezeExcite(mid, se) if se > 0 else None
        same = inp == out and stride == 1
        parts = [] if same else [conv(inp, inp, kernel, stride, inp), bn(inp), conv(inp, out), bn(out)]
        self.shortcut = nn.Sequential(*parts)

    def forward(self, x):
        y = self.ghost1(x)
        if self.stride > 1:
            y = self.dw(y) if self.branches else self.bn_dw(self.conv_dw(y))
        if self.se is not None:
            y = self.se(y)
        return self.ghost2(y) + self.shortcut(x)


class GhostNetV2(nn.Module):
    def __init__(self, width=1.0, classes=10, branches=False):
        super().__init__()
        channels = make_divisible(16 * width)
        self.conv_stem, self.bn1 = conv(3, channels, 3, 2), bn(channels)
        stages, layer = [], 0
        for rows in GHOSTNET:
            blocks = []
            for kernel, exp, out, se, stride in rows:
                mid, out = make_divisible(exp * width), make_divisible(out * width)
                blocks.append(BottleneckV2(channels, mid, out, kernel, stride, se, layer > 1, branches))
                channels, layer = out, layer + 1
            stages.append(nn.Sequential(*blocks))
        last = make_divisible(960 * width)
        stages.append(nn.Sequential(ConvBnAct(channels, last, 1)))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = nn.Conv2d(last, 1280, 1)
        self.classifier = nn.Linear(1280, classes)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv_stem(x))))
        x = F.relu(self.conv_head(x.mean((2, 3), keepdim=True)))
        return self.classifier(x.flatten(1))


def official_branches(name):
    """`ghost1.primary.conv.0.bn.weight` here is `ghost1.primary_rpr_conv.0.bn.weight` there."""
    for part in ("primary", "cheap", "dw"):
        for branch in ("conv", "scale", "skip"):
            name = name.replace(f".{part}.{branch}.", f".{part}_rpr_{branch}.")
    return name


# G-Ghost-RegNet


class RegNetBlock(nn.Module):
    def __init__(self, inp, out, group_width, stride=1, downsample=False):
        super().__init__()
        self.conv1, self.bn1 = conv(inp, out), bn(out)
        self.conv2, self.bn2 = conv(out, out, 3, stride, out // min(out, group_width)), bn(out)
        self.conv3, self.bn3 = conv(out, out), bn(out)
        self.downsample = nn.Sequential(conv(inp, out, 1, stride), bn(out)) if downsample else nn.Sequential()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class GhostStage(nn.Module):
    def __init__(self, inp, out, blocks, group_width):
        super().__init__()
        narrow = int(group_width * 0.75)
        self.raw = raw = int(out * 0.5 / narrow) * narrow
        cheap = out - raw
        self.base = RegNetBlock(inp, out, group_width, 2, True)
        self.layers = nn.Sequential(*(RegNetBlock(raw, raw, narrow) for _ in range(blocks - 2)))
        self.end = RegNetBlock(out, out, group_width)
        self.merge = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            conv(out + raw * (blocks - 2), cheap),
            bn(cheap),
            nn.ReLU(),
            conv(cheap, cheap),
            bn(cheap),
        )
        self.cheap = nn.Sequential(conv(cheap, cheap), bn(cheap))

    def forward(self, x):
        base = self.base(x)
        maps, e = [base], base[:, : self.raw]
        for layer in self.layers:
            e = layer(e)
            maps.append(e)
        c = F.relu(self.cheap(base[:, self.raw :]) + self.merge(torch.cat(maps, 1)))
        return self.end(torch.cat([e, c], 1))


class GGhostRegNet(nn.Module):
    def __init__(self, depths, widths, group_width, classes=10):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 32, 3, 2), bn(32)
        channels = 32
        for stage, (blocks, out) in enumerate(zip(depths, widths)):
            if stage > 0 and blocks > 2:
                made = GhostStage(channels, out, blocks, group_width)
            else:
                made = nn.Sequential(
                    *(RegNetBlock(out if i else channels, out, group_width, 1 if i else 2, i == 0) for i in range(blocks))
                )
            setattr(self, f"layer{stage + 1}", made)
            channels = out
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(4):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))
