"""Baselines, projection and noise estimate on a folder of clean images.

python tests/benchmarks/baselines.py FOLDER [--json FILE]
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restoration.estimate.rejpeg import shifted_jpeg
from restoration.jpeg import CompressedImage, compress, read_lossless, to_tensor
from restoration.jpeg.noise import laplacian_rates, noise_sigma
from restoration.jpeg.projection import project
from restoration.metrics import psnr


def laplacian_dequantisation(jpeg: CompressedImage) -> Tensor:
    """Reconstruct every coefficient at the mean of its cell under a Laplacian.

    With rate a in 1/steps and h = 1/2 (``laplacian_rates``): the mean of a non-zero cell lies
    h coth(a h) - 1/a below its centre, towards zero. The constant coefficient stays at the centre.

    Returns:
        (1, C, H, W) in [0, 1].

    Reference: Price and Rabbani, Biased reconstruction for JPEG decoding, IEEE SPL 1999.
    """
    file, biased = jpeg.quantised, []
    for levels in file.coefficients:
        rates = laplacian_rates(levels.double())
        bias = 0.5 / torch.tanh(rates / 2) - 1 / rates
        bias[0, 0] = 0
        biased.append(levels - levels.sign() * bias.float())
    return replace(file, coefficients=tuple(biased)).decode()


def measure(path: Path, quality: int) -> dict[str, float]:
    """PSNR of each method, and the raw noise estimate's ratio to the true squared error."""
    clean = read_lossless(path)
    jpeg, truth = compress(clean, quality), to_tensor(clean)
    pixels, shifted = to_tensor(jpeg.pixels), shifted_jpeg(jpeg)
    images = {
        "jpeg": pixels,
        "laplacian": laplacian_dequantisation(jpeg),
        "re-JPEG": shifted,
        "re-JPEG projected 0.6": project(shifted, jpeg.quantised, 0.6),
    }
    error = (pixels - truth).square().mean().item() * 255**2
    ratio = noise_sigma(jpeg.quantised, correction=1) ** 2 / error
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
