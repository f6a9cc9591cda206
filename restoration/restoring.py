"""Restore JPEG files: what a person uses."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from restoration.errors import RestorationError
from restoration.jpeg import (
    CompressedImage,
    estimated_quality,
    known,
    read_jpeg,
    read_truth,
    to_tensor,
)
from restoration.jpeg.estimate import quick_estimate
from restoration.jpeg.projection import project
from restoration.members import Member, optimise_all
from restoration.metrics import Scores, scores, to_pixels
from restoration.presets import PRESETS, Preset
from restoration.tiles import blend, cut, tiles_of

# Larger images are tiled: a tile of this side takes about 1.1 GiB to optimise, so that four side by
# side and an image of 12 megapixels fit into 8 GiB.
TILE_SIDE = 640
UNTILED = 2**20  # pixels

# Weight of converged networks beside the first estimate.
SHARE = 0.4

Advance = Callable[[int, int], None]  # (units of work done now, units in all)


@dataclass(frozen=True)
class Report:
    """What was done to one file.

    Attributes:
        size: width and height in pixels, upright.
        quality: JPEG quality, estimated from the luma table.
        preset: name of the recipe.
        seed: of all randomness.
        seconds: from reading to the restored pixels.
        jpeg: how far the JPEG is from the truth, where that was given.
        restored: how far the result is from the truth, where that was given.
    """

    size: tuple[int, int]
    quality: int
    preset: str
    seed: int
    seconds: float
    jpeg: Scores | None = None
    restored: Scores | None = None


class Restored(NamedTuple):
    """A restored image, upright, and the report on it."""

    image: Image.Image
    report: Report


def restore(
    path: str | Path,
    preset: str = "balanced",
    seed: int = 0,
    device: str = "auto",
    truth: str | Path | None = None,
    tile: int | None = None,
    advance: Advance | None = None,
) -> Restored:
    """Restore a JPEG file.

    Args:
        path: of the JPEG.
        preset: "fast" (seconds), "balanced" (minutes) or "best".
        seed: of all randomness.
        device: "cpu", "cuda" or "auto", which takes a GPU if there is one.
        truth: the original, for measuring only.
        tile: side of the tiles in which the networks work; 0 for the whole image at once. By
            default images above a megapixel are tiled.
        advance: called now and then with the units of work done since, and those in all: a unit is
            a pass of the first estimate or an optimiser step, which take about equally long.

    Returns:
        The image, upright, and the report. ``image.save(path, icc_profile=..., exif=...)`` writes
        it; its ``info`` holds the JPEG's profile and EXIF.

    Raises:
        RestorationError: the file, the truth or an option cannot be used.
    """
    if preset not in PRESETS:
        raise RestorationError(f"no preset {preset!r}; there are {', '.join(PRESETS)}")
    began = time.monotonic()
    jpeg = read_jpeg(path)
    clean = None if truth is None else to_tensor(read_truth(truth, jpeg))
    image = restore_jpeg(jpeg, PRESETS[preset], seed, device, tile, advance)
    upright = jpeg.upright(to_pixels(image))
    seconds = time.monotonic() - began
    upright.info |= {k: v for k, v in (("icc_profile", jpeg.icc), ("exif", jpeg.exif)) if v}
    report = Report(
        size=upright.size,
        quality=estimated_quality(jpeg.tables[0]),
        preset=preset,
        seed=seed,
        seconds=round(seconds, 2),
        jpeg=None if clean is None else scores(to_tensor(jpeg.pixels), clean),
        restored=None if clean is None else scores(image, clean),
    )
    return Restored(upright, report)


def restore_jpeg(
    jpeg: CompressedImage,
    preset: Preset,
    seed: int = 0,
    device: str = "auto",
    tile: int | None = None,
    advance: Advance | None = None,
) -> Tensor:
    """Restore a JPEG that is in memory; see ``restore``.

    The weighted mean of the first estimate and the networks' outputs is projected onto the narrowed
    quantisation constraint set.

    Returns:
        (1, C, H, W) in [0, 1], in the orientation in which the JPEG is stored.
    """
    device = device_named(device)
    H, W, _ = jpeg.pixels.shape
    tiles = tiles_of(H, W, tile_side(H, W, tile)) if preset.networks else []
    units_of_pass = max(len(tiles), 1)
    total = units_of_pass * (preset.passes + preset.networks * preset.steps)

    def done(units: int) -> None:
        if advance:
            advance(units, total)

    estimate = quick_estimate(jpeg, preset.passes, preset.stride, lambda: done(units_of_pass))
    if preset.networks:
        members = [
            Member(
                cut(jpeg, t),
                t.of(estimate).contiguous().numpy(),
                preset.steps,
                seed + i,
                device,
            )
            for t in tiles
            for i in range(preset.networks)
        ]
        outputs = optimise_all(members, done)
        n = preset.networks
        means = [
            torch.stack([torch.from_numpy(o) for o in outputs[i : i + n]]).mean(0)
            for i in range(0, len(outputs), n)
        ]
        output = blend(tiles, means, H, W)
        estimate = torch.lerp(estimate, output, share(estimate, output, to_tensor(jpeg.pixels)))
    return project(estimate, *known(jpeg), jpeg.sampling).clamp_(0, 1)


def share(estimate: Tensor, output: Tensor, target: Tensor) -> float:
    """Weigh the networks' mean output beside the first estimate by how well it fits the JPEG.

    w = 0.4 min(1, MSE(estimate, target) / MSE(output, target)). The first estimate lies about as
    far from the JPEG as the original does; an output that lies further away has not converged and
    would make the result worse. No truth is needed.

    Args:
        estimate: (1, C, H, W) in [0, 1].
        output: mean over the networks, of the same shape.
        target: the decoded JPEG.
    """
    distances = [(x - target).square().mean().item() for x in (estimate, output)]
    return SHARE * min(1.0, distances[0] / max(distances[1], 1e-12))


def tile_side(height: int, width: int, wanted: int | None) -> int:
    """Resolve the side of the tiles: as wanted, the whole image for 0, or chosen by the size."""
    if wanted is not None:
        return wanted or max(height, width)
    return TILE_SIDE if height * width > UNTILED else max(height, width)


def device_named(device: str) -> str:
    """Resolve "auto".

    Raises:
        RestorationError: unknown, or a GPU is asked for and there is none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise RestorationError(f"no device {device!r}; there are auto, cpu and cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise RestorationError("there is no CUDA GPU that torch can use; give --device cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
