"""
PyTorch twins of networks that torchvision lacks (test/networks/paper-cases.ts), written from their papers and in other
words than the project's graphs: shifts by padding and cropping, versatile filters by cropping one primary filter, branches
as modules. GhostNetV2, GhostNetV3 and G-Ghost-RegNet are compared as their authors publish them, the ones of other papers
as src/models describes them.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from networks import GHOSTNET, ConvBnAct, GhostModule, SqueezeExcite, make_divisible


def bn(channels):
    return nn.BatchNorm2d(channels)


def conv(inp, out, kernel=1, stride=1, groups=1):
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    padding = tuple(k // 2 for k in kernel)
    return nn.Conv2d(inp, out, kernel, stride, padding, groups=groups, bias=False)


# GhostNetV2 and V3


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


# shifts


def shift3x3(x):
    """Nine equal runs of channels read their nine neighbours, row by row; the rest stays."""
    run = x.shape[1] // 9
    padded = F.pad(x, (1, 1, 1, 1))
    height, width = x.shape[2:]
    parts = [
        padded[:, i * run : (i + 1) * run, i // 3 : i // 3 + height, i % 3 : i % 3 + width] for i in range(9) if run
    ]
    return torch.cat([*parts, x[:, 9 * run :]], 1)


class ShiftBlock(nn.Module):
    def __init__(self, inp, out, stride, expansion):
        super().__init__()
        mid = out * expansion
        self.conv1, self.bn1 = conv(inp, mid), bn(mid)
        self.conv2, self.bn2 = conv(mid, out, 1, stride), bn(out)
        same = stride == 1 and inp == out
        self.shortcut = nn.Sequential() if same else nn.Sequential(conv(inp, out, 1, stride), bn(out))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(shift3x3(y))).relu() + self.shortcut(x)


class ShiftResNet20(nn.Module):
    def __init__(self, expansion, classes=10):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 16, 3), bn(16)
        channels = 16
        for stage, out in enumerate((16, 32, 64)):
            blocks = []
            for i in range(3):
                blocks.append(ShiftBlock(channels, out, 2 if stage and i == 0 else 1, expansion))
                channels = out
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.linear(x.mean((2, 3)))


class Bottleneck(nn.Module):
    """ResNet-50's bottleneck whose 3x3 convolution `middle` makes; conv and shortcut by `make`."""

    def __init__(self, inp, mid, out, stride, first, make=conv, shift_expansion=0):
        super().__init__()
        self.expansion = shift_expansion
        self.conv1, self.bn1 = make(inp, mid), bn(mid)
        if shift_expansion:
            wide = mid * shift_expansion
            self.conv2a, self.bn2a = conv(mid, wide), bn(wide)
            self.conv2b, self.bn2b = conv(wide, mid, 1, stride), bn(mid)
        else:
            self.conv2, self.bn2 = make(mid, mid, 3, stride), bn(mid)
        self.conv3, self.bn3 = make(mid, out), bn(out)
        self.downsample = nn.Sequential(make(inp, out, 1, stride), bn(out)) if first else nn.Sequential()

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        if self.expansion:
            y = shift3x3(F.relu(self.bn2a(self.conv2a(y))))
            y = F.relu(self.bn2b(self.conv2b(y)))
        else:
            y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    """`stem`, insides `mids` (16) and outputs `outs` (4) of ResNet-50's bottlenecks; `flat`: one list of blocks."""

    def __init__(self, stem=64, mids=None, outs=(256, 512, 1024, 2048), flat=False, make=conv, classes=10, **options):
        super().__init__()
        self.conv1, self.bn1 = make(3, stem, 7, 2), bn(stem)
        channels, index, stages = stem, 0, []
        for stage, depth in enumerate((3, 4, 6, 3)):
            blocks = []
            for block in range(depth):
                mid = mids[index] if mids else 64 << stage
                stride = 2 if stage and block == 0 else 1
                blocks.append(Bottleneck(channels, mid, outs[stage], stride, block == 0, make, **options))
                channels, index = outs[stage], index + 1
            stages.append(nn.Sequential(*blocks))
        if flat:
            self.layers = nn.ModuleList(block for stage in stages for block in stage)
        else:
            self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.stages = [stages]  # a plain list in a list: not registered twice
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in self.stages[0]:
            x = stage(x)
        return self.fc(x.mean((2, 3)))


def meta_pruning():
    codes = [19, 9, 15, 13, 10, 9, 10, 6, 9, 13, 11, 12, 7, 18, 7, 13, 12, 10, 19, 18]
    kept = [(10 + 3 * code) / 100 for code in range(31)]
    outs = [int(256 * 2**i * kept[codes[i + 1]]) for i in range(3)] + [2048]
    bases = [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    mids = [int(base * kept[code]) for base, code in zip(bases, codes[4:])]
    return ResNet50(int(64 * kept[codes[0]]), mids, outs, flat=True)


# versatile filters


class Ring(nn.Module):
    def __init__(self, filters, positions, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(filters, positions * channels, 1, 1))


class VersatileConv(nn.Module):
    """
    One primary filter, whole, without its border, and so on; each at `places` offsets of the channels. The parameters
    are the filter's square rings, position by position, which are put back together here.
    """

    def __init__(self, inp, out, kernel=1, stride=1, places=1):
        super().__init__()
        self.kernel, self.stride, self.places = kernel, stride, places
        self.sizes = (kernel + 1) // 2
        self.channels = inp - places + 1
        self.filters = out // self.sizes // places
        for radius in range(self.sizes):
            self.add_module(f"ring_{radius}", Ring(self.filters, max(1, 8 * radius), self.channels))

    def primary(self):
        centre = self.kernel // 2
        like = self.ring_0.weight
        whole = torch.zeros(self.filters, self.channels, self.kernel, self.kernel, dtype=like.dtype)
        for radius in range(self.sizes):
            ring = getattr(self, f"ring_{radius}").weight.reshape(self.filters, -1, self.channels)
            span = range(-radius, radius + 1)
            places = [(dy, dx) for dy in span for dx in span if max(abs(dy), abs(dx)) == radius]
            for i, (dy, dx) in enumerate(places):
                whole[:, :, centre + dy, centre + dx] = ring[:, i]
        return whole

    def forward(self, x):
        whole, parts = self.primary(), []
        for cut in range(self.sizes):
            filters = whole[:, :, cut : self.kernel - cut, cut : self.kernel - cut]
            for place in range(self.places):
                window = x[:, place : place + self.channels]
                parts.append(F.conv2d(window, filters, None, self.stride, self.kernel // 2 - cut))
        return torch.cat(parts, 1)


def versatile(places):
    def make(*args):
        return VersatileConv(*args, places=places)

    return ResNet50(make=make)


# FE-Net


class Unit(nn.Module):
    def __init__(self, inp, hidden, out, pool=False, residual=False):
        super().__init__()
        self.pool, self.residual = pool, residual
        self.conv1, self.bn1 = conv(inp, hidden), bn(hidden)
        self.conv2, self.bn2 = conv(hidden, out), bn(out)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.avg_pool2d(y, 2) if self.pool else shift3x3(y)
        y = self.bn2(self.conv2(y))
        return x + y if self.residual else y


class FEBlock(nn.Module):
    def __init__(self, inp, out, units, pool):
        super().__init__()
        self.parts = [inp // 2 ** min(i + 1, units - 1) for i in range(units)]
        for i in range(1, units):
            active = inp // 2 ** (units - i)
            self.add_module(f"resibssl_{i}", Unit(active, active * 6, active, residual=True))
        self.last = "ibpool" if pool else "ibssl"
        self.add_module(self.last, Unit(inp, inp * 6, out, pool))

    def forward(self, x):
        *waiting, y = torch.split(x, self.parts, 1)
        for i, part in enumerate(reversed(waiting), 1):
            y = torch.cat([part, getattr(self, f"resibssl_{i}")(y)], 1)
        return getattr(self, self.last)(y)


class FENet(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.conv1, self.bn1 = conv(3, 16, 3, 2), bn(16)
        self.ibssl = Unit(16, 64, 16)
        self.ibpool = Unit(16, 80, 32, pool=True)
        rows = [(32, 64, 3, True), (64, 128, 4, True), (128, 128, 4, False), (128, 256, 4, True), (256, 256, 3, False)]
        for i, row in enumerate(rows, 1):
            self.add_module(f"feblock{i}", FEBlock(*row))
        self.conv2, self.bn2 = conv(256, 1380), bn(1380)
        self.fc = nn.Linear(1380, classes)

    def forward(self, x):
        x = self.ibpool(self.ibssl(self.bn1(self.conv1(x))))
        for i in range(1, 6):
            x = getattr(self, f"feblock{i}")(x)
        return self.fc(F.relu(self.bn2(self.conv2(x))).mean((2, 3)))


NETWORKS = {
    "ghostnetv2-1.0x": lambda: (GhostNetV2(), []),
    "ghostnetv2 width 0.5 75x75": lambda: (GhostNetV2(0.5), []),
    "ghostnetv3-1.0x": lambda: (GhostNetV2(branches=True), [], official_branches),
    "g_ghost_regnetx_002": lambda: (GGhostRegNet([1, 1, 4, 7], [24, 56, 152, 368], 8), []),
    "g_ghost_regnetx_032": lambda: (GGhostRegNet([2, 6, 15, 2], [96, 192, 432, 1008], 48), []),
    "fe_net_x1_0": lambda: (FENet(), []),
    "versatile_v1_resnet50": lambda: (versatile(1), []),
    "versatile_v2_resnet50": lambda: (versatile(2), []),
    "metapruning_resnet50_x0_5": lambda: (meta_pruning(), []),
    "shiftresnet50-3": lambda: (ResNet50(shift_expansion=3), []),
    "shiftresnet20-3-cifar": lambda: (ShiftResNet20(3), []),
}
