"""Baselines, projection and noise estimate on a folder of clean images.

python tests/benchmarks/baselines.py FOLDER [--json FILE]
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from restoration.estimate.rejpeg import laplacian_dequantisation, shifted_jpeg
from restoration.jpeg import compress, read_lossless, to_tensor
from restoration.jpeg.noise import noise_sigma
from restoration.jpeg.projection import project
from restoration.metrics import psnr


def measure(path: Path, quality: int) -> dict[str, float]:
    """PSNR of each method, and the raw noise estimate's ratio to the true squared error."""
    clean = read_lossless(path)
    jpeg, truth = compress(clean, quality), to_tensor(clean)
    q = [torch.from_numpy(c).float() for c in jpeg.coefficients]
    t = [torch.from_numpy(c).float() for c in jpeg.tables]
    pixels, shifted = to_tensor(jpeg.pixels), shifted_jpeg(jpeg)
    images = {
        "jpeg": pixels,
        "laplacian": laplacian_dequantisation(jpeg),
        "re-JPEG": shifted,
        "re-JPEG projected 0.6": project(shifted, q, t, jpeg.sampling, 0.6),
    }
    error = (pixels - truth).square().mean().item() * 255**2
    ratio = noise_sigma(q, t, correction=1) ** 2 / error
    return {name: psnr(x, truth).item() for name, x in images.items()} | {"noise ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = {}
    for quality in (10, 15, 25):
        rows = {p.stem: measure(p, quality) for p in sorted(options.folder.glob("*.png"))}
        means = {
            n: float(np.mean([r[n] for r in rows.values()])) for n in next(iter(rows.values()))
        }
        ratios = [r["noise ratio"] for r in rows.values()]
        means["noise ratio"] = float(np.exp(np.mean(np.log(ratios))))  # geometric
        report[quality] = {"means": means, "images": rows}
        print(f"Q{quality}", {name: round(value, 3) for name, value in means.items()})
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
