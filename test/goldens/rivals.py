"""
PyTorch twins of networks that the GhostNet paper compares with and torchvision lacks, as src/models describes them:
Shift-ResNets, MetaPruning's ResNet-50, versatile filters, FE-Net.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

from units import bn, conv, shift3x3


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
