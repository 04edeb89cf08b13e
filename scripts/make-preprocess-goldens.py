#!/usr/bin/env python3
"""Makes test/goldens/preprocess.json: what torchvision (PIL pictures) makes of drawn test pictures.

Run with a Python that has torchvision and Pillow (Debian: python3-torchvision python3-pil):
    python3 scripts/make-preprocess-goldens.py
The pictures are drawn by the integer formula `draw`, which src/data/drawn-picture.ts repeats; only results are stored.
"""
import base64, json, os
import numpy as np
import PIL, torch, torchvision
from PIL import Image
from torchvision import transforms as T
from torchvision.transforms import InterpolationMode as I

MODES = {"bilinear": I.BILINEAR, "bicubic": I.BICUBIC}


def draw(width, height):
    """Smooth ramps, a checkerboard, a disc and noise: soft and hard edges in all three channels."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    ramp = (x * (3 + c) + y * (5 - c)) // 2
    checker = (((x >> 2) ^ (y >> 2)) & 1) * 90
    disc = ((2 * x - width) ** 2 + (2 * y - height) ** 2 < (min(width, height) // 2) ** 2 * 2) * 120
    noise = (x * 7919 + y * 104729 + c * 1299709 + x * y * 31) % 61
    value = (ramp + checker + disc + noise) % 511
    return Image.fromarray(np.where(value > 255, 510 - value, value).astype(np.uint8), "RGB")


def text(picture):
    return base64.b64encode(np.asarray(picture).tobytes()).decode()


resizes = []
for size, target in [
    ((64, 48), (32, 24)), ((61, 47), (23, 19)), ((50, 70), (13, 31)), ((96, 20), (7, 20)), ((33, 90), (33, 11)),
    ((16, 12), (40, 30)), ((13, 17), (31, 23)), ((20, 30), (35, 12)), ((40, 9), (11, 25)), ((5, 3), (17, 16)),
    ((1, 1), (6, 5)), ((45, 1), (8, 3)), ((200, 150), (9, 7)), ((30, 30), (30, 30)),
]:
    for name, mode in MODES.items():
        out = T.Resize((target[1], target[0]), interpolation=mode)(draw(*size))
        resizes.append({"from": size, "to": target, "interpolation": name, "rgb": text(out)})

shorts = []
for size, short in [((61, 47), 20), ((47, 61), 20), ((100, 33), 24), ((21, 64), 30), ((29, 29), 16), ((37, 23), 23)]:
    for name, mode in MODES.items():
        out = T.Resize(short, interpolation=mode)(draw(*size))
        shorts.append({"from": size, "short": short, "interpolation": name, "to": out.size, "rgb": text(out)})

crops = []
for size, crop in [
    ((20, 16), (12, 12)), ((21, 16), (12, 12)), ((23, 17), (12, 12)), ((25, 19), (12, 12)), ((27, 12), (12, 12)),
    ((10, 9), (13, 14)), ((9, 20), (12, 12)), ((20, 9), (12, 13)), ((12, 12), (12, 12)),
]:
    out = T.CenterCrop((crop[1], crop[0]))(draw(*size))
    crops.append({"from": size, "to": crop, "rgb": text(out)})

whole = []
for size, short, crop, name, mean, std in [
    ((80, 61), 36, 32, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((61, 80), 36, 31, "bicubic", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((70, 50), None, 16, "bilinear", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
]:
    first = [T.Resize((crop, crop), interpolation=MODES[name])] if short is None else [
        T.Resize(short, interpolation=MODES[name]), T.CenterCrop(crop)]
    out = T.Compose(first + [T.ToTensor(), T.Normalize(mean, std)])(draw(*size))
    whole.append({"from": size, "short": short, "crop": crop, "interpolation": name, "mean": mean, "std": std,
                  "nchw": base64.b64encode(out.numpy().astype("<f4").tobytes()).decode()})

made = {
    "madeBy": f"torchvision {torchvision.__version__}, torch {torch.__version__}, Pillow {PIL.__version__}",
    "resizes": resizes, "shorts": shorts, "crops": crops, "whole": whole,
}
target = os.path.join(os.path.dirname(__file__), "..", "test", "goldens", "preprocess.json")
with open(target + ".part", "w") as file:
    file.write("{\n")
    for i, (key, value) in enumerate(made.items()):
        tail = "" if i == len(made) - 1 else ","
        if isinstance(value, list):
            rows = ",\n".join("    " + json.dumps(row) for row in value)
            file.write(f'  "{key}": [\n{rows}\n  ]{tail}\n')
        else:
            file.write(f'  "{key}": {json.dumps(value)}{tail}\n')
    file.write("}\n")
os.replace(target + ".part", target)
print(f"wrote {os.path.normpath(target)}: {made['madeBy']}")
