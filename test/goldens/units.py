"""What the PyTorch twins of other papers' networks are put together from: convolution, batch norm, shift."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def bn(channels):
    return nn.BatchNorm2d(channels)


def conv(inp, out, kernel=1, stride=1, groups=1):
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    padding = tuple(k // 2 for k in kernel)
    return nn.Conv2d(inp, out, kernel, stride, padding, groups=groups, bias=False)


def shift3x3(x):
    """Nine equal runs of channels read their nine neighbours, row by row; the rest stays."""
    run = x.shape[1] // 9
    padded = F.pad(x, (1, 1, 1, 1))
    height, width = x.shape[2:]
    parts = [
        padded[:, i * run : (i + 1) * run, i // 3 : i // 3 + height, i % 3 : i % 3 + width] for i in range(9) if run
    ]
    return torch.cat([*parts, x[:, 9 * run :]], 1)
