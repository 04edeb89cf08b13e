"""Times training steps of a network in PyTorch: the graph's JSON on stdin, one JSON line on stdout.

    python3 bench/training-torch.py BATCH THREADS STEPS < graph.json
Interprets the graph's nodes with torch functions, float32, SGD with momentum 0.9 and weight decay 5e-4, channels first.
"""
import json
import sys
import time

import torch
from torch.nn import functional as F

batch, threads, steps = map(int, sys.argv[1:4])
torch.set_num_threads(threads)
torch.manual_seed(0)
graph = json.load(sys.stdin)
weights = {}
for name, parameter in graph["parameters"].items():
    shape, role = parameter["shape"], parameter["role"]
    if role == "weight":
        value = torch.randn(shape) * (2 / max(1, torch.Size(shape[1:]).numel())) ** 0.5
    else:
        value = torch.ones(shape) if role == "scale" or name.endswith("running_var") else torch.zeros(shape)
    weights[name] = value.requires_grad_(role not in ("statistic", "constant"))
learned = [value for value in weights.values() if value.requires_grad]
optimizer = torch.optim.SGD(learned, lr=0.01, momentum=0.9, weight_decay=5e-4)
activations = {"relu": F.relu, "relu6": F.relu6, "hardSigmoid": F.hardsigmoid, "hardSwish": F.hardswish, "sigmoid": torch.sigmoid, "silu": F.silu}


def forward(images):
    values = {}
    for node in graph["nodes"]:
        kind = node["kind"]
        x = [values[name] for name in node.get("inputs", [])]
        if kind == "input":
            y = images
        elif kind == "conv2d":
            top, left, bottom, right = node["padding"]
            bias = weights[node["bias"]] if "bias" in node else None
            padding = (top, left)
            if (top, left) != (bottom, right):
                x[0], padding = F.pad(x[0], (left, right, top, bottom)), 0
            y = F.conv2d(x[0], weights[node["weight"]], bias, node["stride"], padding, node["dilation"], node["groups"])
        elif kind == "batchNorm":
            y = F.batch_norm(x[0], weights[node["mean"]], weights[node["variance"]], weights[node["scale"]], weights[node["shift"]], True, node["momentum"], node["eps"])
        elif kind == "activation":
            y = activations[node["function"]](x[0])
        elif kind == "add":
            y = x[0] + x[1]
        elif kind == "mul":
            y = x[0] * x[1]
        elif kind == "concat":
            y = torch.cat(x, 1)
        elif kind == "slice":
            y = x[0][:, node["start"] : node["end"]]
        elif kind == "padChannels":
            y = F.pad(x[0], (0, 0, 0, 0, node["before"], node["after"]))
        elif kind == "avgPool":
            y = F.avg_pool2d(x[0], node["kernel"], node["stride"], node["padding"][:2], False, node["countIncludePad"])
        elif kind == "maxPool":
            y = F.max_pool2d(x[0], node["kernel"], node["stride"], node["padding"][:2])
        elif kind == "globalAvgPool":
            y = x[0].mean((2, 3), keepdim=True)
        elif kind == "flatten":
            y = x[0].flatten(1)
        elif kind == "linear":
            y = F.linear(x[0], weights[node["weight"]], weights[node["bias"]] if "bias" in node else None)
        elif kind == "identity":
            y = x[0]
        else:
            raise SystemExit(f"node kind {kind} is not known here")
        values[node["name"]] = y
    return values[graph["outputs"][0]]


images = torch.rand([batch] + graph["nodes"][0]["shape"]) * 2 - 1
labels = torch.arange(batch) % 10
times = []
for _ in range(steps + 2):
    started = time.perf_counter()
    optimizer.zero_grad()
    F.cross_entropy(forward(images), labels).backward()
    optimizer.step()
    times.append((time.perf_counter() - started) * 1000)
print(json.dumps({"version": torch.__version__, "times": times[2:]}))
