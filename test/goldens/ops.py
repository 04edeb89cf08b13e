"""Runs a graph (as parsed JSON) node by node with PyTorch's functional ops, in float64."""
import torch
import torch.nn.functional as F


def pad_of(node):
    top, left, bottom, right = node["padding"]
    return (left, right, top, bottom), top == bottom and left == right


def conv2d(node, x, p):
    pads, symmetric = pad_of(node)
    padding = (node["padding"][0], node["padding"][1])
    if not symmetric:
        x, padding = F.pad(x, pads), 0
    bias = p[node["bias"]] if "bias" in node else None
    return F.conv2d(x, p[node["weight"]], bias, node["stride"], padding, node["dilation"], node["groups"])


def max_pool(node, x):
    pads, symmetric = pad_of(node)
    padding = (node["padding"][0], node["padding"][1])
    if not symmetric:
        assert not node["ceilMode"]
        x, padding = F.pad(x, pads, value=float("-inf")), 0
    return F.max_pool2d(x, node["kernel"], node["stride"], padding, 1, node["ceilMode"])


def avg_pool(node, x):
    pads, symmetric = pad_of(node)
    kernel, stride, ceil, include = node["kernel"], node["stride"], node["ceilMode"], node["countIncludePad"]
    if symmetric:
        return F.avg_pool2d(x, kernel, stride, (node["padding"][0], node["padding"][1]), ceil, include)
    assert not ceil
    mean = F.avg_pool2d(F.pad(x, pads), kernel, stride)
    return mean if include else mean / F.avg_pool2d(F.pad(torch.ones_like(x), pads), kernel, stride)


def shift(node, x):
    y = torch.zeros_like(x)
    height, width = x.shape[2:]
    for c, (dy, dx) in enumerate(node["offsets"]):
        if abs(dy) >= height or abs(dx) >= width:
            continue
        rows, columns = slice(max(0, -dy), height - max(0, dy)), slice(max(0, -dx), width - max(0, dx))
        source = x[:, c, max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
        y[:, c, rows, columns] = source
    return y


ACTIVATIONS = {
    "relu": F.relu,
    "relu6": F.relu6,
    "hardSwish": F.hardswish,
    "hardSigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
    "silu": F.silu,
}

OPS = {
    "conv2d": lambda node, v, p: conv2d(node, v[0], p),
    "batchNorm": lambda node, v, p: F.batch_norm(
        v[0], p[node["mean"]], p[node["variance"]], p[node["scale"]], p[node["shift"]], False, 0, node["eps"]
    ),
    "activation": lambda node, v, p: ACTIVATIONS[node["function"]](v[0]),
    "add": lambda node, v, p: v[0] + v[1],
    "mul": lambda node, v, p: v[0] * v[1],
    "concat": lambda node, v, p: torch.cat(v, 1),
    "slice": lambda node, v, p: v[0][:, node["start"] : node["end"]],
    "padChannels": lambda node, v, p: F.pad(v[0], (0, 0, 0, 0, node["before"], node["after"])),
    "shuffle": lambda node, v, p: F.channel_shuffle(v[0], node["groups"]),
    "permuteChannels": lambda node, v, p: v[0][:, node["order"]],
    "shift": lambda node, v, p: shift(node, v[0]),
    "maxPool": lambda node, v, p: max_pool(node, v[0]),
    "avgPool": lambda node, v, p: avg_pool(node, v[0]),
    "globalAvgPool": lambda node, v, p: F.adaptive_avg_pool2d(v[0], 1),
    "flatten": lambda node, v, p: torch.flatten(v[0], 1),
    "linear": lambda node, v, p: F.linear(v[0], p[node["weight"]], p[node["bias"]] if "bias" in node else None),
    "softmax": lambda node, v, p: F.softmax(v[0], 1),
    "upsample": lambda node, v, p: F.interpolate(v[0], scale_factor=tuple(map(float, node["scale"])), mode="nearest"),
    "dropout": lambda node, v, p: F.dropout(v[0], node["rate"], False),
    "identity": lambda node, v, p: v[0],
}


def run(graph, parameters, inputs):
    """Values of the graph's outputs, in order."""
    known = {name: torch.from_numpy(value).double() for name, value in inputs.items()}
    p = {name: torch.from_numpy(value).double() for name, value in parameters.items()}
    for node in graph["nodes"]:
        if node["kind"] != "input":
            known[node["name"]] = OPS[node["kind"]](node, [known[name] for name in node["inputs"]], p)
    return [known[name].numpy() for name in graph["outputs"]]
