"""The presets of `restoration restore` on a folder of clean images, beside the JPEG and re-JPEG.

python tests/benchmarks/presets.py run FOLDER RESULTS.json --presets fast balanced
python tests/benchmarks/presets.py table RESULTS.json [--same fast balanced] [--short]

Results are added to the file as they come; what it holds already is not computed again.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from restoration.estimate.rejpeg import shifted_jpeg
from restoration.internal_learning.ensemble import network_pool
from restoration.jpeg import compress, read_lossless, to_tensor
from restoration.metrics import scores
from restoration.pipeline import restore_jpeg
from restoration.presets import PRESETS
from restoration.support.devices import device_named
from restoration.support.files import write_atomically
from restoration.support.pool import Pool
from restoration.support.usage import DEVICES

sys.path.insert(0, str(Path(__file__).parent))
from run_and_table import RunAndTable, add_same, chosen, same_images

QUALITIES = (10, 15, 25)


def run(options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        # as `restoration restore FILES...`: the processes of the networks start once
        pools = {
            name: stack.enter_context(
                network_pool(PRESETS[name].networks, device_named(options.device))
            )
            for name in options.presets
        }
        run_with(options, pools)


def run_with(options: argparse.Namespace, pools: Mapping[str, Pool]) -> None:
    file = options.results
    rows = json.loads(file.read_text()) if file.exists() else []
    done = {(r["image"], r["quality"], r["method"]) for r in rows}
    for quality in options.qualities:
        for path in chosen(options):
            clean = read_lossless(path)
            jpeg, truth = compress(clean, quality), to_tensor(clean)
            for method in ("JPEG", "re-JPEG", *options.presets):
                if (path.stem, quality, method) in done:
                    continue
                began = time.monotonic()
                if method == "JPEG":
                    image = to_tensor(jpeg.pixels)
                elif method == "re-JPEG":
                    image = shifted_jpeg(jpeg)
                else:
                    preset = PRESETS[method]
                    image = restore_jpeg(jpeg, preset, device=options.device, pool=pools[method])
                seconds = round(time.monotonic() - began, 2)
                row = {"image": path.stem, "quality": quality, "method": method, "seconds": seconds}
                rows.append(row | {"device": options.device} | scores(image, truth))
                write_atomically(file, (json.dumps(rows, indent=0) + "\n").encode())
                print(rows[-1], flush=True)


def table(options: argparse.Namespace) -> None:
    rows = json.loads(options.results.read_text())
    rows = same_images(rows, options.same)
    (short if options.short else full)(rows)


def short(rows: list[dict]) -> None:
    """PSNR / MS-SSIM, a row per method."""
    print("| | " + " | ".join(map(str, QUALITIES)) + " |")
    print("|---" * (len(QUALITIES) + 1) + "|")
    for method in ("JPEG", "re-JPEG", *PRESETS):
        cells = []
        for quality in QUALITIES:
            some = [r for r in rows if (r["quality"], r["method"]) == (quality, method)]
            if some:
                every = len({r["image"] for r in rows})
                partial = f" ({len(some)} of {every} images)" if len(some) < every else ""
                psnr, ms_ssim = (np.mean([r[k] for r in some]) for k in ("psnr", "ms_ssim"))
                cells.append(f"{psnr:.2f} / {ms_ssim:.3f}{partial}")
            else:
                cells.append("not measured")
        if cells != ["not measured"] * len(QUALITIES):
            print(f"| {method} | " + " | ".join(cells) + " |")


def full(rows: list[dict]) -> None:
    """All means and the least gain, a row per quality and method."""
    print(
        "| quality | method | images | PSNR | MS-SSIM | chroma PSNR | seconds | worst gain / dB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    jpeg = {(r["image"], r["quality"]): r["psnr"] for r in rows if r["method"] == "JPEG"}
    for quality in QUALITIES:
        for method in ("JPEG", "re-JPEG", *PRESETS):
            some = [r for r in rows if (r["quality"], r["method"]) == (quality, method)]
            if not some:
                continue
            means = {
                k: np.mean([r[k] for r in some])
                for k in ("psnr", "ms_ssim", "chroma_psnr", "seconds")
            }
            worst = min(r["psnr"] - jpeg[r["image"], quality] for r in some)
            print(
                f"| {quality} | {method} | {len(some)} | {means['psnr']:.3f} "
                f"| {means['ms_ssim']:.4f} | {means['chroma_psnr']:.2f} "
                f"| {means['seconds']:.1f} | {worst:+.2f} |"
            )


def main() -> None:
    command = RunAndTable(__doc__, run, table)
    add_same(command.table)
    command.run.add_argument("--presets", nargs="*", choices=list(PRESETS), default=list(PRESETS))
    command.run.add_argument("--qualities", nargs="+", type=int, default=QUALITIES)
    command.run.add_argument("--device", choices=DEVICES, default="cpu")
    command.table.add_argument("--short", action="store_true", help="PSNR and MS-SSIM alone")
    command.main()


if __name__ == "__main__":
    main()
