"""What the colours of its windows give a small network that learns on a few JPEGs.

python tests/benchmarks/library.py jpegs FOLDER JPEGS
python tests/benchmarks/colours.py run FOLDER RESULTS.json --jpegs JPEGS [--every 4] [--steps 2000]
python tests/benchmarks/colours.py table RESULTS.json

`run` learns with each way to colour windows and restores the middle of those images of FOLDER that
it did not learn on, in one way and at quality 10 and 25; results are added to the file. Ways of
which results are there and that are not offered were tried and are gone.
"""

import argparse
import json
import math
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from run_and_table import RunAndTable, chosen

from restoration.data import centre_crop
from restoration.internal_learning.library import windows
from restoration.internal_learning.library.applying import restored_by, within_cells
from restoration.internal_learning.library.checkpoint import load_library
from restoration.internal_learning.library.learning import description_for, learn
from restoration.internal_learning.library.pictures import pictures_of
from restoration.internal_learning.library.sizes import Size
from restoration.jpeg import compress, read_lossless, to_tensor
from restoration.metrics import chroma_psnr, psnr
from restoration.support.files import write_atomically

SMALL = Size((48, 64), (2, 2))
SHARES = {"exchanged": 0.0, "exchanged, half up to twice as strong": windows.SATURATED}
QUALITIES = (10, 25)
SIDE = 192  # pixels


def run(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    files = sorted(options.jpegs.glob("*.jpg"))[:: options.every]
    if not files:
        sys.exit(f"colours.py: error: no .jpg files in {options.jpegs}")
    seen = {file.stem for file in files}
    rows = json.loads(options.results.read_text()) if options.results.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        pictures = pictures_of(files, Path(folder), print)
        for colours, share in SHARES.items():
            library = Path(folder, f"{share}.ckpt")
            with patch.object(windows, "SATURATED", share):
                description = description_for(pictures, 0, SMALL)
                learn(pictures, library, description, math.inf, options.steps)
            net = load_library(library)
            for path in (p for p in chosen(options) if p.stem not in seen):
                clean = centre_crop(read_lossless(path), SIDE, path)
                for quality in QUALITIES:
                    jpeg, truth = compress(clean, quality), to_tensor(clean)
                    image = within_cells(restored_by(net, jpeg, 1), jpeg.quantised)
                    row = {"colours": colours, "files": len(files), "steps": options.steps}
                    row |= {"folder": path.parent.name, "image": path.stem, "quality": quality}
                    for name, metric in (("gain", psnr), ("chroma", chroma_psnr)):
                        before, after = (
                            metric(x, truth).item() for x in (to_tensor(jpeg.pixels), image)
                        )
                        row[name] = round(after - before, 4)
                    rows.append(row)
                    write_atomically(options.results, (json.dumps(rows, indent=0) + "\n").encode())


def table(options: argparse.Namespace) -> None:
    rows = json.loads(options.results.read_text())
    sets = sorted({(r["files"], r["folder"], kind(r)) for r in rows})
    print("| colours | " + " | ".join(f"{n} files: {f}, {k}" for n, f, k in sets) + " |")
    print("|---" * (len(sets) + 1) + "|")
    for colours in dict.fromkeys(r["colours"] for r in rows):
        cells = []
        for some in sets:
            parts = []
            for quality in QUALITIES:
                values = [
                    (r["gain"], r["chroma"])
                    for r in rows
                    if (r["colours"], r["quality"]) == (colours, quality)
                    and (r["files"], r["folder"], kind(r)) == some
                ]
                if values:
                    gain, chroma = np.mean(values, 0)
                    parts.append(f"{gain:.2f}, {chroma:.2f}")
            cells.append(" / ".join(parts))
        print(f"| {colours} | " + " | ".join(cells) + " |")


def kind(row: dict) -> str:
    """Tell the collection an image is of: "bsd" of "bsd101085"."""
    return row["image"].rstrip("0123456789")


def main() -> None:
    command = RunAndTable(__doc__, run, table)
    command.run.add_argument("--jpegs", type=Path, required=True, help="folder to learn on")
    command.run.add_argument("--every", type=int, default=4, help="of them, 4: each fourth")
    command.run.add_argument("--steps", type=int, default=2000)
    command.main()


if __name__ == "__main__":
    main()
