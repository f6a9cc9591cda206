"""What the projection is worth, and the best width of its cells: from the checkpoints of a sweep.

python tests/benchmarks/shrink.py RUNS RESULTS.json

Each run's smoothed output at its last step is projected onto cells of several widths. On runs on
tuning images only: the default width is chosen by this.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from restoration.data import centre_crop
from restoration.experiments.report.tables import name_of
from restoration.experiments.results import read_records
from restoration.jpeg import compress, read_lossless, to_tensor
from restoration.jpeg.projection import project
from restoration.metrics import psnr
from restoration.support.files import write_atomically

SHRINKS = (1.0, 0.8, 0.6, 0.5, 0.4, 0.2)


def smoothed_output(checkpoint: Path) -> torch.Tensor:
    states = torch.load(checkpoint, weights_only=True)["callbacks"]
    return next(s["average"] for name, s in states.items() if "OutputSmoothing" in name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("results", type=Path)
    options = parser.parse_args()
    rows = []
    for record in read_records(options.runs)[0]:
        source = Path(record.result["image"])
        clean = centre_crop(read_lossless(source), record.result["size"][0], source)
        jpeg, truth = compress(clean, record.configuration.quality), to_tensor(clean)
        smoothed = smoothed_output(record.folder / "last.ckpt")
        row = {
            "image": record.image,
            "quality": record.configuration.quality,
            "loss": name_of(record.configuration),
            "JPEG": psnr(to_tensor(jpeg.pixels), truth).item(),
            "smoothed": psnr(smoothed, truth).item(),
        }
        for shrink in SHRINKS:
            image = project(smoothed, jpeg.quantised, shrink)
            row[f"{shrink:g}"] = psnr(image, truth).item()
        rows.append(row)
        write_atomically(options.results, (json.dumps(rows, indent=0) + "\n").encode())
    columns = ["JPEG", "smoothed", *(f"{s:g}" for s in SHRINKS)]
    print("| quality | loss | runs | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 3) + "|")
    for quality in sorted({r["quality"] for r in rows}):
        for losses in ({"MSE"}, {r["loss"] for r in rows}):
            some = [r for r in rows if r["quality"] == quality and r["loss"] in losses]
            name = "MSE" if losses == {"MSE"} else "all"
            means = (f"{np.mean([r[c] for r in some]):.3f}" for c in columns)
            print(f"| {quality} | {name} | {len(some)} | " + " | ".join(means) + " |")


if __name__ == "__main__":
    main()
