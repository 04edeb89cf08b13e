"""
Makes the golden files of the op cases and of whole networks with PyTorch (1.13 or newer), in float64 on the CPU.

    python3 test/goldens/make.py            (from the root of the repository, after `npm ci`)
    python3 test/goldens/make.py zoo        (only zoo.json, which needs torchvision 0.14 too)
    python3 test/goldens/make.py papers     (only papers.json)

Weights and inputs come from seeds (generator.py), so the files hold only what PyTorch answered. Needed only when a
case or a network changes; the tests themselves need no Python and say so when a golden is out of date.
"""
import importlib
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch

import generator
import ops

HERE = os.path.dirname(os.path.abspath(__file__))


def exported():
    bundle = ["npx", "esbuild", os.path.join(HERE, "export-cases.ts"), "--bundle", "--format=esm", "--platform=node"]
    with tempfile.NamedTemporaryFile(suffix=".mjs") as script:
        script.write(subprocess.run(bundle, check=True, capture_output=True).stdout)
        script.flush()
        return json.loads(subprocess.run(["node", script.name], check=True, capture_output=True).stdout)


def network_golden(case, modules):
    graph = case["graph"]
    # a module may call its parameters otherwise than we do: the third says what our name is
    module, taps, *rename = modules[case["name"]]()
    parameters = generator.weights(graph, case["seed"])
    for name, parameter in graph["parameters"].items():
        if parameter["role"] == "scale":
            parameters[name] = parameters[name] * np.float32(case.get("normScale", 1))
    ours = rename[0] if rename else lambda name: name
    names = {ours(name): name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    assert set(names) == set(parameters), (case["name"], set(names) ^ set(parameters))
    # a state dict of its own, for the version numbers that some modules want to see in it
    state = module.state_dict()
    for name, value in parameters.items():
        assert state[names[name]].shape == value.shape, (case["name"], name)
        state[names[name]] = torch.from_numpy(value)
    module.load_state_dict(state, strict=False)
    module = module.double().eval()
    seen = {}
    by_path = dict(module.named_modules())
    for path, node in taps:
        by_path[path].register_forward_hook(lambda _m, _x, y, node=node: seen.__setitem__(node, y.numpy()))
    (x,) = generator.inputs(graph, case["batch"], case["seed"], case["inputScale"]).values()
    with torch.no_grad():
        y = module.forward(torch.from_numpy(x).double())
    seen[graph["outputs"][0]] = y.numpy()
    return {"hash": case["hash"], "tensors": {node: generator.record(value) for node, value in seen.items()}}


def op_golden(case):
    graph = case["graph"]
    parameters = generator.weights(graph, case["seed"])
    outputs = ops.run(graph, parameters, generator.inputs(graph, case["batch"], case["seed"], case["inputScale"]))
    return {"hash": case["hash"], "tensors": dict(zip(graph["outputs"], map(generator.record, outputs)))}


def write(name, goldens):
    lines = [json.dumps(key, ensure_ascii=False) + ":" + json.dumps(value, separators=(",", ":")) for key, value in goldens.items()]
    path = os.path.join(HERE, name)
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write("{\n" + ",\n".join(lines) + "\n}\n")
    os.replace(path + ".part", path)
    subprocess.run(["npx", "biome", "format", "--write", path], check=True, capture_output=True)
    print(f"{name}: {len(goldens)} cases, {os.path.getsize(path):,} bytes")


def main():
    torch.set_num_threads(1)
    everything = exported()
    wanted = sys.argv[1:] or ["op-cases", "networks", "papers", "zoo"]
    with torch.no_grad():
        if "op-cases" in wanted:
            write("op-cases.json", {case["name"]: op_golden(case) for case in everything["cases"]})
        for name in ("networks", "papers", "zoo"):
            if name in wanted:
                # zoo needs torchvision
                modules = importlib.import_module(name).NETWORKS
                write(f"{name}.json", {case["name"]: network_golden(case, modules) for case in everything[name]})


main()
