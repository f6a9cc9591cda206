"""What each ingredient of the restoration is worth when it is taken out.

python tests/benchmarks/ablation.py run FOLDER RESULTS.json [--crop 256] [--images mcm18]
python tests/benchmarks/ablation.py run FOLDER RESULTS.json --of networks [...]
python tests/benchmarks/ablation.py table RESULTS.json

Of `fast`, the estimate without a network, or of the networks of `balanced` that correct it. On the
tuning images only: the recipe is chosen by this.
"""

import argparse
import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch

from restoration.data import centre_crop
from restoration.estimate import passes as estimate
from restoration.estimate.passes import collaborative_restoration
from restoration.estimate.total_variation import total_variation
from restoration.internal_learning import copies
from restoration.internal_learning.library import applying
from restoration.internal_learning.library.applying import within_cells
from restoration.jpeg import compress, read_lossless, to_tensor
from restoration.metrics import scores
from restoration.pipeline import restore_jpeg
from restoration.presets import BALANCED, FAST
from restoration.support.files import write_atomically

sys.path.insert(0, str(Path(__file__).parent))
from run_and_table import RunAndTable, chosen, processor_seconds

QUALITIES = (10, 25)
WHITE = patch.object(
    estimate,
    "patch_variances",
    lambda q, t, ratio: PATCH_VARIANCES(q, t, ratio).mean().expand(8, 8, 8, 8),
)
PATCH_VARIANCES = estimate.patch_variances
NARROW, WHOLE = (partial(within_cells, shrink=shrink) for shrink in (0.5, 1.0))
ONLY_THRESHOLDS = patch.object(estimate, "thresholded", lambda passes: passes)

# name: (options of collaborative_restoration, what is replaced)
VARIANTS = {
    "all": ({}, None),
    "start from the JPEG, not from total variation": ({"jpeg_start": True}, None),
    "no chroma from luma": ({"guidance": 0.0}, None),
    "white error spectrum": ({}, WHITE),
    "thresholds alone, no pilot": ({}, ONLY_THRESHOLDS),
    "2 passes": ({"passes": 2}, None),
    "4 passes": ({"passes": 4}, None),
    "8 passes": ({"passes": 8}, None),
    "window of 12 pixels": ({"radius": 12}, None),
    "stride 3": ({"stride": 3}, None),
    "cells of 0.4 steps": ({"shrink": 0.4}, None),
    "cells of 0.6 steps": ({"shrink": 0.6}, None),
    "cells of 0.8 steps": ({"shrink": 0.8}, None),
    "whole cells": ({"shrink": 1.0}, None),
}


def scaled(*scales):
    """Replace the scales of the copies, which follow from the image's size."""
    return patch.object(copies, "scales_of", lambda height, width: scales)


# name: (changes of the preset, what is replaced)
NETWORKS = {
    "all": ({}, None),
    "no network": ({"rounds": 0}, None),
    "one round": ({"rounds": 1}, None),
    "three rounds": ({"rounds": 3}, None),
    "two networks": ({"networks": 2}, None),
    "half the steps": ({"steps": BALANCED.steps // 2}, None),
    "twice the steps": ({"steps": BALANCED.steps * 2}, None),
    "8 copies": ({}, patch.object(copies, "NUMBER", 8)),
    "copies at half the size alone": ({}, scaled(0.5)),
    "copies of 0.5 and 0.7": ({}, scaled(0.5, 0.7)),  # as in large images
    "copies of 0.6 and 0.85": ({}, scaled(0.6, 0.85)),
    "cells of 0.5 steps at the end": ({}, patch.object(applying, "within_cells", NARROW)),
    "whole cells at the end": ({}, patch.object(applying, "within_cells", WHOLE)),
    "no last pass": ({}, patch.object(applying, "polished", lambda image, *_: image)),
    "larger groups": ({"count": 32}, None),
    "and a network by itself": ({"alone": 2000}, None),
}


def restored(jpeg, options, replaced):
    options = {"passes": FAST.passes} | options
    from_jpeg = options.pop("jpeg_start", False)
    start = to_tensor(jpeg.pixels) if from_jpeg else total_variation(jpeg.quantised)
    with replaced or nullcontext():
        return collaborative_restoration(jpeg.quantised, start, **options)


def corrected(jpeg, changed, replaced):
    with replaced or nullcontext():
        return restore_jpeg(jpeg, replace(BALANCED, **changed), device="cpu")


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    rows = []
    variants, restore = (NETWORKS, corrected) if options.of == "networks" else (VARIANTS, restored)
    for name in options.variants or variants:
        changed, replaced = variants[name]
        for path in chosen(options):
            clean = read_lossless(path)
            if options.crop:
                clean = centre_crop(clean, options.crop, path)
            for quality in QUALITIES:
                began = processor_seconds()
                image = restore(compress(clean, quality), changed, replaced)
                seconds = round(processor_seconds() - began, 1)
                row = {"variant": name, "image": path.stem, "quality": quality, "seconds": seconds}
                rows.append(row | scores(image, to_tensor(clean)))
                print(rows[-1], flush=True)
        write_atomically(options.results, (json.dumps(rows, indent=0) + "\n").encode())


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
    command = RunAndTable(__doc__, run, table)
    command.run.add_argument("--of", choices=("estimate", "networks"), default="estimate")
    command.run.add_argument("--crop", type=int, default=256, help="side; 0 for whole images")
    command.run.add_argument("--variants", nargs="+", help="of those in this file; by default all")
    command.main()


if __name__ == "__main__":
    main()
