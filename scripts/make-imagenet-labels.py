#!/usr/bin/env python3
"""Makes src/data/imagenet-labels.ts from torchvision's list of the 1,000 ILSVRC 2012 class names.

    python3 scripts/make-imagenet-labels.py && npx biome check --write src/data/imagenet-labels.ts
"""
import os, textwrap
from torchvision.models._meta import _IMAGENET_CATEGORIES as names

assert len(names) == 1000 and not any("|" in name or "`" in name for name in names)
lines, line = [], ""
for name in names:
    if len(line) + len(name) + 1 > 118:
        lines.append(line)
        line = ""
    line += name + "|"
lines.append(line[:-1])
target = os.path.join(os.path.dirname(__file__), "..", "src", "data", "imagenet-labels.ts")
with open(target, "w") as file:
    file.write('''/**
 * The 1,000 class names of ILSVRC 2012 (ImageNet-1k) by output index: WordNet ids in ascending order. Names only; the
 * mapping to WordNet ids is not kept. Written by scripts/make-imagenet-labels.py.
 *
 * The names come from WordNet 3.0 (Copyright 2006 Princeton University, WordNet licence) in the spelling of
 * torchvision (Copyright Soumith Chintala 2016, BSD 3-Clause).
 */
const names = `
''' + "\n".join(lines) + '''`;

/** Class names by index, 0 (tench) to 999 (toilet tissue). */
export const imagenetLabels: readonly string[] = Object.freeze(names.replaceAll('\\n', '').split('|'));
''')
