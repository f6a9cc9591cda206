"""What is found of earlier compressions, and what it gains to undo them.

python tests/benchmarks/history.py pairs FOLDER [--number N] [--grey] [--json FILE]
python tests/benchmarks/history.py scales FOLDER [--number N] [--json FILE]
python tests/benchmarks/history.py alarms FOLDER... [--json FILE]
python tests/benchmarks/history.py table --json FILE

``pairs`` compresses the middle of each picture, crops it and compresses it again (or not: PNG);
``scales`` resizes it in between, by Pillow's bicubic filter; ``alarms`` looks for earlier
compressions where there are none. Pictures that were JPEGs before (BSD) are made smaller for it,
which leaves no whole grid.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from restoration.formats.opening import open_image
from restoration.history import find_history
from restoration.jpeg import (
    CompressedImage,
    compress,
    pixels_of,
    read_lossless,
    to_pixels,
    to_tensor,
)
from restoration.jpeg.reading import parse
from restoration.metrics import psnr
from restoration.pipeline import restore_earlier, restore_jpeg
from restoration.presets import FAST

SIDE = 192
COLOUR = [(q, p) for p in (90, 75, 50, None) for q in (10, 20, 40)]  # (first, second); None: PNG
GREY = [(10, 30), (10, 50), (30, 10)]
CROPS = [(3, 5), (8, 0)]  # rows and columns cropped in between; the second leaves the luma grid
RESIZED = [(q, p) for p in (85, None) for q in (10, 20, 40)]
SCALES = (0.75, 1.5)
QUALITIES = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 95)  # of single compressions
SAMPLINGS = (0, 2)  # Pillow's names of 4:4:4 and 4:2:0
COLUMNS = ("found", "picture", "today", "new", "single", "single restored")


def fast(jpeg, advance=None):
    return restore_jpeg(jpeg, FAST)


def middle(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut out the middle, of at most 192 x 192 pixels."""
    top, left = (max(size - SIDE, 0) // 2 for size in pixels.shape[:2])
    return np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])


def measure(clean: NDArray[np.uint8], pairs: list, crops: list) -> dict[str, dict[str, float]]:
    """PSNR of all methods for every pair of qualities and every crop of one picture."""
    rows = {}
    firsts = {q: compress(clean, q) for q, _ in pairs}
    restored = {q: restore_jpeg(jpeg, FAST) for q, jpeg in firsts.items()}
    for q, p in pairs:
        for dy, dx in crops:
            truth = to_tensor(np.ascontiguousarray(clean[dy:, dx:]))
            pixels = np.ascontiguousarray(firsts[q].pixels[dy:, dx:])
            single = psnr(to_tensor(pixels), truth)
            own = None
            image = to_tensor(pixels)
            if p is not None:
                second = compress(pixels, p)
                own, pixels = second.quantised, second.pixels
                image = restore_jpeg(second, FAST)
            history = find_history(pixels, own)
            new = image if history is None else restore_earlier(pixels, own, history, fast)
            corner = (-dy % 8, -dx % 8)
            right = history is not None and history.trace.offset == corner
            values = (
                float(right and history.trace.quality == q),
                psnr(to_tensor(pixels), truth),
                psnr(image, truth),
                psnr(new, truth),
                single,
                psnr(restored[q][..., dy:, dx:], truth),
            )
            key = f"{q} under {p or 'PNG'}, cropped by ({dy}, {dx})"
            rows[key] = {n: round(float(v), 4) for n, v in zip(COLUMNS, values, strict=True)}
    return rows


def measure_resized(clean: NDArray[np.uint8]) -> dict[str, dict[str, float]]:
    """The same for pictures that are resized after their first compression."""
    rows = {}
    clean = np.ascontiguousarray(clean[: SIDE // 8 * 8, : SIDE // 8 * 8])
    for q, p in RESIZED:
        first = compress(clean, q)
        restored = restore_jpeg(first, FAST)
        for scale in SCALES:
            truth, pixels, best = (
                resized(x, scale) for x in (clean, first.pixels, to_pixels(restored))
            )
            single = psnr(to_tensor(pixels), to_tensor(truth))
            own, image = None, to_tensor(pixels)
            if p is not None:
                second = compress(pixels, p)
                own, pixels = second.quantised, second.pixels
                image = restore_jpeg(second, FAST)
            history = find_history(pixels, own)
            new = image if history is None else restore_earlier(pixels, own, history, fast)
            right = history is not None and history.scaling is not None
            right = right and history.scaling.before == clean.shape[:2]
            values = (
                float(right and history.trace.quality == q),
                *(psnr(x, to_tensor(truth)) for x in (to_tensor(pixels), image, new)),
                single,
                psnr(to_tensor(best), to_tensor(truth)),
            )
            key = f"{q}, resized to {100 * scale:.0f} %, under {p or 'PNG'}"
            rows[key] = {n: round(float(v), 4) for n, v in zip(COLUMNS, values, strict=True)}
    return rows


def resized(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Resize by Pillow's bicubic filter."""
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    return pixels_of(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def show(images: dict[str, dict[str, dict[str, float]]]) -> None:
    """Print means over pictures, gains with their standard errors, and the worst picture."""
    by_key = defaultdict(list)
    for rows in images.values():
        for key, row in rows.items():
            by_key[key].append(row)
    print(
        f"{'pair':36} {'found':>7} {'picture':>7} {'today':>12} {'new':>12} {'single':>7}"
        f" {'single gain':>12} {'share':>6} {'worst':>6}"
    )
    for key, some in by_key.items():
        x = {n: np.array([r[n] for r in some]) for n in COLUMNS}
        today, new = x["today"] - x["picture"], x["new"] - x["picture"]
        gain = x["single restored"] - x["single"]
        print(
            f"{key:36} {int(x['found'].sum()):3}/{len(some):<3} {x['picture'].mean():7.2f}"
            f" {of(today)} {of(new)} {x['single'].mean():7.2f} {of(gain)}"
            f" {new.mean() / gain.mean():6.2f} {(new - today).min():6.2f}"
        )


def of(values: NDArray) -> str:
    """Format a mean and its standard error."""
    return f"{values.mean():5.2f} +-{values.std(ddof=1) / len(values) ** 0.5:4.2f}"


def saved(pixels: NDArray[np.uint8], quality: int, subsampling: int) -> CompressedImage:
    """Compress with a chroma subsampling."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="JPEG", quality=quality, subsampling=subsampling)
    data = file.getvalue()
    return parse(data, open_image(data, "image"), "image")


def some_of(folder: Path, number: int | None) -> list[Path]:
    """List pictures of a folder, evenly spread, or all."""
    paths = sorted(folder.glob("*.png"))
    return paths if number is None else paths[:: max(len(paths) // number, 1)][:number]


def pairs_of(options: argparse.Namespace) -> dict:
    """Measure all pictures of a folder."""
    images = {}
    for path in some_of(options.folders[0], options.number):
        clean = middle(read_lossless(path))
        if options.grey:
            clean = pixels_of(Image.fromarray(clean).convert("L"))
        if options.what == "scales":
            if path.stem.startswith("bsd"):  # JPEGs before, which shows in larger copies
                clean = middle(resized(read_lossless(path), 0.6))
            images[path.stem] = measure_resized(clean)
        else:
            images[path.stem] = measure(
                clean, GREY if options.grey else COLOUR, [(4, 4)] if options.grey else CROPS
            )
        print(path.stem, flush=True)
        if options.json:
            options.json.write_text(json.dumps(images, indent=1) + "\n")
    show(images)
    return images


def alarms_of(options: argparse.Namespace) -> dict:
    """Look for what is not there."""
    alarms, cases, seconds = [], 0, []
    for folder in options.folders:
        for path in some_of(folder, options.number):
            pixels = read_lossless(path)
            if path.stem.startswith("bsd"):
                image = Image.fromarray(pixels)
                size = (image.width * 9 // 10, image.height * 9 // 10)
                pixels = pixels_of(image.resize(size, Image.Resampling.LANCZOS))
            cases_of = [(pixels, None, "clean")] + [
                (jpeg.pixels, jpeg.quantised, f"quality {quality}, subsampling {sampling}")
                for quality in QUALITIES
                for sampling in SAMPLINGS
                for jpeg in [saved(pixels, quality, sampling)]
            ]
            for decoded, own, told in cases_of:
                began = time.process_time()
                found = find_history(decoded, own)
                seconds.append((time.process_time() - began) / pixels[..., 0].size * 768 * 512)
                cases += 1
                if found:
                    alarms.append(f"{path.stem}, {told}: {found}")
            print(path.stem, cases, len(alarms), flush=True)
    print(f"{len(alarms)} false alarms in {cases} cases", *alarms, sep="\n")
    print(f"{np.median(seconds):.2f} s of one thread for 768 x 512 pixels, median")
    return {"cases": cases, "alarms": alarms, "seconds": round(float(np.median(seconds)), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["pairs", "scales", "alarms", "table"])
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--number", type=int, help="pictures of each folder at most")
    parser.add_argument("--grey", action="store_true", help="pairs of the published yardstick")
    parser.add_argument("--json", type=Path, help="file to write to, or to make a table of")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.what == "table":
        show(json.loads(options.json.read_text()))
        return
    report = alarms_of(options) if options.what == "alarms" else pairs_of(options)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
