"""
PyTorch twins of the networks in test/networks/networks.ts, written as PyTorch code is written: modules, Sequential,
forward; GhostNet itself is in ghostnet.py. `NETWORKS` maps a case's name to its module and the taps: (path of a PyTorch module, node of our graph whose value is that module's output).
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from ghostnet import GhostModule, GhostNet, GhostNet32, ghostnet_taps


class CifarResNet(nn.Module):
    """ResNet-20 for CIFAR with option A shortcuts; with `ghost`, every 3x3 convolution is a Ghost module."""

    class Block(nn.Module):
        def __init__(self, inp, out, stride, ghost):
            super().__init__()
            self.stride, self.extra, self.ghost = stride, out - inp, ghost
            if ghost:
                self.conv1 = GhostModule(inp, out, kernel=3, stride=stride)
                self.conv2 = GhostModule(out, out, kernel=3, relu=False)
            else:
                self.conv1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False)
                self.bn1 = nn.BatchNorm2d(out)
                self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
                self.bn2 = nn.BatchNorm2d(out)

        def forward(self, x):
            y = self.conv2(self.conv1(x)) if self.ghost else None
            if y is None:
                y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            if self.stride != 1:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.extra))
            return F.relu(y + x)

    def __init__(self, ghost, blocks=3, classes=10):
        super().__init__()
        self.ghost = ghost
        if ghost:
            self.conv1 = GhostModule(3, 16, kernel=3)
        else:
            self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
        channels = 16
        for stage, out in enumerate((16, 32, 64)):
            layers = []
            for block in range(blocks):
                layers.append(CifarResNet.Block(channels, out, 2 if stage > 0 and block == 0 else 1, ghost))
                channels = out
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = self.conv1(x) if self.ghost else F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.fc(x.mean((2, 3)))


class BareGhost(nn.Module):
    """A Ghost module with neither batch norm nor activation."""

    def __init__(self, inp, out, kernel, stride):
        super().__init__()
        half = math.ceil(out / 2)
        self.primary_conv = nn.Conv2d(inp, half, kernel, stride, kernel // 2, bias=False)
        self.cheap_operations = nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False)

    def forward(self, x):
        y = self.primary_conv(x)
        return torch.cat([y, self.cheap_operations(y)], 1)


class BnAfterResNet56(nn.Module):
    class Block(nn.Module):
        def __init__(self, inp, out, stride):
            super().__init__()
            self.conv1, self.bn1 = BareGhost(inp, out, 3, stride), nn.BatchNorm2d(out)
            self.conv2, self.bn2 = BareGhost(out, out, 3, 1), nn.BatchNorm2d(out)
            self.shortcut = nn.Sequential()
            if stride != 1:
                self.shortcut = nn.Sequential(BareGhost(inp, out, 1, stride), nn.BatchNorm2d(out))

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(y + self.shortcut(x))

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = BareGhost(3, 16, 3, 1), nn.BatchNorm2d(16)
        channels = 16
        for stage, out in enumerate((16, 32, 64)):
            layers = []
            for block in range(9):
                layers.append(BnAfterResNet56.Block(channels, out, 2 if stage > 0 and block == 0 else 1))
                channels = out
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


VGG16 = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]


def ghost_vgg16(ratio, classes):
    layers, channels = [], 3
    for out in VGG16:
        layers.append(nn.MaxPool2d(2) if out == "M" else GhostModule(channels, out, kernel=3, ratio=ratio))
        channels = channels if out == "M" else out
    model = nn.Module()
    model.features = nn.Sequential(*layers)
    model.classifier = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(), nn.Linear(512, classes))
    model.forward = lambda x: model.classifier(torch.flatten(model.features(x), 1))
    return model


class ResNet50(nn.Module):
    """torchvision's ResNet-50 (v1.5); with a ratio, all convolutions but the stem are Ghost modules."""

    class Block(nn.Module):
        def __init__(self, inp, planes, stride, first, ratio):
            super().__init__()
            self.ratio = ratio

            def unit(i, o, kernel, s, relu):
                if ratio:
                    return GhostModule(i, o, kernel, ratio, 3, s, relu)
                return nn.Conv2d(i, o, kernel, s, kernel // 2, bias=False)

            self.conv1, self.conv2 = unit(inp, planes, 1, 1, True), unit(planes, planes, 3, stride, True)
            self.conv3 = unit(planes, planes * 4, 1, 1, False)
            if not ratio:
                self.bn1, self.bn2 = nn.BatchNorm2d(planes), nn.BatchNorm2d(planes)
                self.bn3 = nn.BatchNorm2d(planes * 4)
            self.downsample = None
            if first:
                layers = [unit(inp, planes * 4, 1, stride, False)]
                self.downsample = nn.Sequential(*layers, *([] if ratio else [nn.BatchNorm2d(planes * 4)]))

        def forward(self, x):
            short = x if self.downsample is None else self.downsample(x)
            if self.ratio:
                return F.relu(self.conv3(self.conv2(self.conv1(x))) + short)
            y = F.relu(self.bn1(self.conv1(x)))
            y = F.relu(self.bn2(self.conv2(y)))
            return F.relu(self.bn3(self.conv3(y)) + short)

    def __init__(self, ratio=None):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        channels = 64
        for stage, (planes, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(ResNet50.Block(channels, planes, stride, block == 0, ratio))
                channels = planes * 4
            setattr(self, f"layer{stage + 1}", nn.Sequential(*layers))
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def block_taps(*counts):
    return [(f"layer{s + 1}.{b}", f"layer{s + 1}.{b}.relu") for s, n in enumerate(counts) for b in (0, n - 1)]


NETWORKS = {
    "ghostnet-0.5x 96x64 batch 2": lambda: (GhostNet(0.5, 100), ghostnet_taps()),
    "ghostnet-1.0x 64x96 batch 2": lambda: (GhostNet(1.0, 1000), ghostnet_taps()),
    "ghostnet-1.3x 75x106 batch 1": lambda: (GhostNet(1.3, 10), ghostnet_taps()),
    "ghostnet-0.7x s3 d5 stem stride 1 32x32 batch 3": lambda: (
        GhostNet(0.7, 10, stem_stride=1, ratio=3, dw=5),
        [tap for tap in ghostnet_taps() if "ghost1" not in tap[0]],
    ),
    "ghostnet-32 batch 2": lambda: (GhostNet32(), [(f"stages.{i}.0", f"stages.{i}.0.relu") for i in range(3)]),
    "resnet20-cifar batch 2": lambda: (CifarResNet(False), block_taps(3, 3, 3)),
    "ghost-resnet20-cifar batch 2": lambda: (CifarResNet(True), block_taps(3, 3, 3)),
    "ghost-resnet56-bn-after batch 1": lambda: (
        BnAfterResNet56(),
        [(path, node + "2") for path, node in block_taps(9, 9, 9)],
    ),
    "ghost-vgg16-cifar batch 1": lambda: (
        ghost_vgg16(2, 10),
        [(f"features.{i}", f"features.{i}" + ("" if VGG16[i] == "M" else ".concat")) for i in (0, 2, 9, 16, 17)],
    ),
    "ghost-vgg16-cifar s5 batch 1": lambda: (ghost_vgg16(5, 7), [("features.2", "features.2")]),
    "resnet50 64x64 batch 1": lambda: (ResNet50(), block_taps(3, 4, 6, 3)),
    "ghost-resnet50-s4 64x64 batch 1": lambda: (ResNet50(4), block_taps(3, 4, 6, 3)),
}
