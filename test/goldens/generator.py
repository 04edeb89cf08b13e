"""The random numbers of src/models/random.ts and test/op-cases/values.ts in numpy, bit for bit, and golden records."""
import base64
import math

import numpy as np


def hash_text(text):
    """FNV-1a over UTF-16 units."""
    value = 0x811C9DC5
    for unit in np.frombuffer(text.encode("utf-16-le"), np.uint16):
        value = ((value ^ int(unit)) * 0x01000193) & 0xFFFFFFFF
    return value


def uniform(seed, count):
    """`count` numbers in [0, 1) of the stream seeded `seed`."""
    z = (np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B9)) & np.uint64(0xFFFFFFFF)
    for factor, shift in ((0x85EBCA6B, 16), (0xC2B2AE35, 13)):
        z = ((z ^ (z >> np.uint64(shift))) * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    return (z ^ (z >> np.uint64(16))).astype(np.float64) / 4294967296.0


def values(seed, name, shape, low, high):
    """Uniform float32 values in [low, high), determined by seed and name."""
    mixed = hash_text(name) ^ ((seed * 0x9E3779B1) & 0xFFFFFFFF)
    return (low + (high - low) * uniform(mixed, math.prod(shape))).astype(np.float32).reshape(shape)


HAAR = np.array(
    [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, -0.5, -0.5], [0.5, -0.5, 0.5, -0.5], [0.5, -0.5, -0.5, 0.5]], np.float32
)


def weights(graph, seed):
    """Values of every parameter of a graph (as parsed JSON), by name."""
    result = {}
    for name, parameter in graph["parameters"].items():
        shape, role = parameter["shape"], parameter["role"]
        if role == "weight":
            bound = math.sqrt(3 / math.prod(shape[1:]))
            result[name] = values(seed, name, shape, -bound, bound)
        elif role == "constant":
            assert math.prod(shape[1:]) == 4
            result[name] = np.stack([HAAR[i % 4] for i in range(shape[0])]).reshape(shape)
        elif role == "scale":
            result[name] = values(seed, name, shape, 0.5, 1.5)
        elif name.endswith("running_var"):
            result[name] = values(seed, name, shape, 0.5, 2)
        else:
            result[name] = values(seed, name, shape, -0.5, 0.5)
    return result


def inputs(graph, batch, seed, scale):
    """Values of every input node, by name."""
    return {
        node["name"]: values(seed, "input " + node["name"], [batch, *node["shape"]], -scale, scale)
        for node in graph["nodes"]
        if node["kind"] == "input"
    }


def record(array):
    """A golden record (test/op-cases/golden.ts) of a float64 array."""
    flat = array.reshape(-1).astype(np.float64)
    count = flat.size
    positions = list(range(count)) if count <= 128 else [i * count // 48 for i in range(48)]
    rounded = flat.astype(np.float32)
    assert np.isfinite(rounded).all()
    return {
        "shape": list(array.shape),
        "samples": base64.b64encode(rounded[positions].astype("<f4").tobytes()).decode(),
        "largest": float("%.7g" % np.abs(flat).max()),
        "projections": [float("%.10g" % (flat * (uniform(seed, count) * 2 - 1)).sum()) for seed in (1, 2)],
    }
