"""What a library's network is worth on pictures, beside the presets.

python tests/benchmarks/library.py jpegs FOLDER TO [--qualities 10 15 20 25 30 40]
restoration learn TO -o library.ckpt --budget 75m
python tests/benchmarks/library.py run FOLDER RESULTS.json --network library.ckpt [--methods ...]
python tests/benchmarks/library.py table RESULTS.json [--same network balanced]

`jpegs` compresses each clean image of FOLDER once, with the qualities in turns. `run` adds to the
results as they come; what is there already is not computed again. Seconds are those of all cores.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from restoration.data import centre_crop
from restoration.internal_learning.library.applying import finished, restored_by, within_cells
from restoration.internal_learning.library.checkpoint import load_library
from restoration.jpeg import compress, read_lossless, to_tensor
from restoration.metrics import scores
from restoration.pipeline import restore_jpeg
from restoration.presets import PRESETS
from restoration.support.files import write_atomically

sys.path.insert(0, str(Path(__file__).parent))
from run_and_table import RunAndTable, add_same, chosen, processor_seconds, same_images

QUALITIES = (10, 15, 25)
MIXED = (10, 15, 20, 25, 30, 40)

# name: ways, share of the cells' width; the network of the library as it is
APPLIED = {
    "network, 1 way": (1, 0.75),
    "network, 2 ways": (2, 0.75),
    "network": (8, 0.75),
    "network, polished": (8, 0.75),  # what ``restore --network`` does
    "network, cells of 0.5": (8, 0.5),
    "network, cells of 0.9": (8, 0.9),
    "network, whole cells": (8, 1.0),
    "network, no cells": (8, None),
}
# the network goes on learning on the file, beside others: presets that it is given to
TOGETHER = {f"network, {name}": PRESETS[name] for name in ("balanced", "best")}
OTHERS = ("JPEG", *PRESETS)
METHODS = (*OTHERS, *APPLIED, *TOGETHER)


class Restorer:
    """What the methods make of one file; what several of them share is computed once."""

    def __init__(self, jpeg, net):
        self.jpeg = jpeg
        self.net = net
        self.outputs = {}  # by ways: (image, seconds)

    def restored(self, method):
        """Return the image, and the seconds of what was shared."""
        if method == "JPEG":
            return to_tensor(self.jpeg.pixels), 0.0
        if method in PRESETS:
            return restore_jpeg(self.jpeg, PRESETS[method], device="cpu"), 0.0
        if method in TOGETHER:
            preset = TOGETHER[method]
            return restore_jpeg(self.jpeg, preset, device="cpu", library=self.net), 0.0
        ways, shrink = APPLIED[method]
        shared = 0.0
        if ways in self.outputs:
            image, shared = self.outputs[ways]
        else:
            began = processor_seconds()
            image = restored_by(self.net, self.jpeg, ways)
            self.outputs[ways] = image, processor_seconds() - began
        if method == "network, polished":
            return finished(image, self.jpeg.quantised), shared
        if shrink is None:
            return image.clamp(0, 1), shared
        return within_cells(image, self.jpeg.quantised, shrink), shared


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    net = None if options.network is None else load_library(options.network)
    file = options.results
    rows = json.loads(file.read_text()) if file.exists() else []
    done = {(r["image"], r["quality"], r["method"]) for r in rows}
    for path in chosen(options):
        clean = read_lossless(path)
        if options.crop:
            clean = centre_crop(clean, options.crop, path)
        for quality in options.qualities:
            jpeg = compress(clean, quality)
            restorer = Restorer(jpeg, net)
            for method in options.methods:
                if (path.stem, quality, method) in done:
                    continue
                began = processor_seconds()
                image, shared = restorer.restored(method)
                seconds = round(processor_seconds() - began + shared, 2)
                row = {"image": path.stem, "quality": quality, "method": method, "seconds": seconds}
                rows.append(row | scores(image, to_tensor(clean)))
                write_atomically(file, (json.dumps(rows, indent=0) + "\n").encode())
                print(rows[-1], flush=True)


def table(options: argparse.Namespace) -> None:
    rows = same_images(json.loads(options.results.read_text()), options.same)
    jpeg = {(r["image"], r["quality"]): r["psnr"] for r in rows if r["method"] == "JPEG"}
    qualities = sorted({r["quality"] for r in rows})
    head = [f"Q{q} {what}" for q in qualities for what in ("PSNR", "gain", "chroma", "s")]
    print("| method | images | " + " | ".join(head) + " |")
    print("|---" * (len(head) + 2) + "|")
    for method in dict.fromkeys(r["method"] for r in rows):
        cells = [method, str(len({r["image"] for r in rows if r["method"] == method}))]
        for quality in qualities:
            some = [r for r in rows if (r["quality"], r["method"]) == (quality, method)]
            if not some:
                cells += ["-"] * 4
                continue
            means = {k: np.mean([r[k] for r in some]) for k in ("psnr", "chroma_psnr", "seconds")}
            gain = np.mean([r["psnr"] - jpeg[r["image"], quality] for r in some])
            cells += [f"{means['psnr']:.3f}", f"{gain:+.3f}"]
            cells += [f"{means['chroma_psnr']:.2f}", f"{means['seconds']:.1f}"]
        print("| " + " | ".join(cells) + " |")


def jpegs(options: argparse.Namespace) -> None:
    options.to.mkdir(parents=True, exist_ok=True)
    for i, path in enumerate(sorted(options.folder.glob("*.png"))):
        quality = options.qualities[i % len(options.qualities)]
        Image.open(path).save(options.to / f"{path.stem}.jpg", quality=quality)


def main() -> None:
    command = RunAndTable(__doc__, run, table)
    add_same(command.table)
    command.run.add_argument("--network", type=Path, help="a library")
    command.run.add_argument("--methods", nargs="+", choices=METHODS, default=["JPEG", "network"])
    command.run.add_argument("--qualities", nargs="+", type=int, default=QUALITIES)
    command.run.add_argument("--crop", type=int, help="side of what is cut out of the middle")
    files = command.commands.add_parser("jpegs")
    files.add_argument("folder", type=Path, help="of clean images")
    files.add_argument("to", type=Path)
    files.add_argument("--qualities", nargs="+", type=int, default=MIXED)
    files.set_defaults(function=jpegs)
    command.main()


if __name__ == "__main__":
    main()
