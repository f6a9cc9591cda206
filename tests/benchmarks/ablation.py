"""What each ingredient of the restoration without a network is worth when it is taken out.

python tests/benchmarks/ablation.py run FOLDER RESULTS.json [--crop 256]
python tests/benchmarks/ablation.py table RESULTS.json

On the tuning images only: the recipe is chosen by this. The same for the networks of a preset is in
the results of presets.py, where `balanced` and its first estimate alone can be compared.
"""

import argparse
import json
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from restoration.data import centre_crop
from restoration.files import write_atomically
from restoration.jpeg import compress, estimate, read_lossless, to_tensor
from restoration.jpeg.estimate import collaborative_restoration
from restoration.jpeg.variation import total_variation
from restoration.metrics import scores

QUALITIES = (10, 25)
WHITE = patch.object(
    estimate,
    "patch_variances",
    lambda q, t, ratio: PATCH_VARIANCES(q, t, ratio).mean().expand(8, 8, 8, 8),
)
PATCH_VARIANCES = estimate.patch_variances
ONLY_THRESHOLDS = patch.object(estimate, "thresholded", lambda passes: passes)

# name: (options of collaborative_restoration, what is replaced)
VARIANTS = {
    "all": ({}, None),
    "start from the JPEG, not from total variation": ({"jpeg_start": True}, None),
    "no chroma from luma": ({"guidance": 0.0}, None),
    "white error spectrum": ({}, WHITE),
    "thresholds alone, no pilot": ({}, ONLY_THRESHOLDS),
    "2 passes": ({"passes": 2}, None),
    "window of 12 pixels": ({"radius": 12}, None),
    "stride 3": ({"stride": 3}, None),
    "cells of 0.4 steps": ({"shrink": 0.4}, None),
    "cells of 0.6 steps": ({"shrink": 0.6}, None),
    "cells of 0.8 steps": ({"shrink": 0.8}, None),
    "whole cells": ({"shrink": 1.0}, None),
}


def restored(jpeg, options, replaced):
    options = dict(options)
    from_jpeg = options.pop("jpeg_start", False)
    start = to_tensor(jpeg.pixels) if from_jpeg else total_variation(jpeg)
    if replaced is None:
        return collaborative_restoration(jpeg, start, **options)
    with replaced:
        return collaborative_restoration(jpeg, start, **options)


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    rows = []
    for name, (changed, replaced) in VARIANTS.items():
        for path in sorted(options.folder.glob("*.png")):
            clean = centre_crop(read_lossless(path), options.crop, path)
            for quality in QUALITIES:
                image = restored(compress(clean, quality), changed, replaced)
                row = {"variant": name, "image": path.stem, "quality": quality}
                rows.append(row | scores(image, to_tensor(clean)))
        write_atomically(options.results, (json.dumps(rows, indent=0) + "\n").encode())
        print(name, flush=True)


def table(options: argparse.Namespace) -> None:
    rows = json.loads(options.results.read_text())
    found = {(r["variant"], r["image"], r["quality"]): r for r in rows}
    head = [f"Q{q} {what}" for q in QUALITIES for what in ("PSNR", "change", "worst", "chroma")]
    print("| variant | " + " | ".join(head) + " |")
    print("|---" * (len(head) + 1) + "|")
    for name in dict.fromkeys(r["variant"] for r in rows):
        cells = [name]
        for quality in QUALITIES:
            some = [r for r in rows if (r["variant"], r["quality"]) == (name, quality)]
            base = [found["all", r["image"], quality] for r in some]
            changes = [r["psnr"] - b["psnr"] for r, b in zip(some, base, strict=True)]
            chroma = [r["chroma_psnr"] - b["chroma_psnr"] for r, b in zip(some, base, strict=True)]
            mean = np.mean([r["psnr"] for r in some])
            cells += [f"{mean:.3f}", f"{np.mean(changes):+.3f}"]
            cells += [f"{min(changes):+.2f}", f"{np.mean(chroma):+.2f}"]
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    command.add_argument("folder", type=Path)
    command.add_argument("results", type=Path)
    command.add_argument("--crop", type=int, default=256)
    command.set_defaults(function=run)
    command = commands.add_parser("table")
    command.add_argument("results", type=Path)
    command.set_defaults(function=table)
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
