"""Windows: they are smaller copies, compressed as libjpeg does, and told by their number."""

import gc
import io
import os
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from restoration.internal_learning.library import data
from restoration.internal_learning.library.data import Batches, WindowData
from restoration.internal_learning.library.windows import (
    Picture,
    compressed,
    random_quality,
    recoloured,
    window,
    windows,
)
from restoration.jpeg import compress, to_tensor
from restoration.jpeg.quality import estimated_quality, libjpeg_tables
from restoration.networks.deblocking import coarseness, unit

SUBSAMPLED = ((2, 2), (1, 1), (1, 1))
WHOLE = ((1, 1), (1, 1), (1, 1))
HALF = ((1, 2), (1, 1), (1, 1))


def picture(pixels, folder, quality=20, sampling=SUBSAMPLED):
    path = folder / f"{quality}.npy"
    np.save(path, pixels)
    return Picture(path, libjpeg_tables(quality), sampling)


@pytest.mark.parametrize(("sampling", "number"), [(WHOLE, 0), (HALF, 1), (SUBSAMPLED, 2)])
@pytest.mark.parametrize("quality", [5, 30, 90])
def test_windows_are_compressed_as_by_libjpeg(photo, sampling, number, quality):
    some = [photo[:64, :64], photo[100:164, 40:104]]
    tables = libjpeg_tables(quality).expand(2, -1, -1, -1)
    result = compressed(torch.cat([to_tensor(x.copy()) for x in some]), tables, sampling)
    for ours, pixels in zip(result, some, strict=True):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=number)
        theirs = np.asarray(Image.open(file), dtype=float)
        error = np.abs(ours.permute(1, 2, 0).numpy() * 255 - theirs)
        assert error.mean() < 0.85  # what else is rounded in integer arithmetic
        assert (error < 2.5).mean() > 0.93
    assert torch.equal(result * 255, (result * 255).round())


def test_each_window_has_its_own_tables(photo):
    pair = to_tensor(photo[:64, :64].copy()).expand(2, -1, -1, -1)
    tables = torch.stack([libjpeg_tables(q) for q in (5, 90)])
    coarse, fine = compressed(pair, tables, SUBSAMPLED)
    for one, alone in ((coarse, tables[:1]), (fine, tables[1:])):
        assert torch.equal(one, compressed(pair[:1], alone, SUBSAMPLED)[0])


def part_of_the_whole(pixels, side, draw):
    """A square of the picture, ``side`` wide, resized by Pillow to 48 x 48."""
    top, left = (draw.random() * (size - side) for size in pixels.shape[:2])
    box = (left, top, left + side, top + side)
    whole = Image.fromarray(pixels).resize((48, 48), Image.Resampling.BICUBIC, box=box)
    way = int(draw.integers(8))
    result = np.asarray(whole)
    result = result[:, ::-1] if way & 1 else result
    result = result[::-1] if way & 2 else result
    return result.swapaxes(0, 1) if way & 4 else result


@pytest.mark.parametrize("scales", [(0.4, 0.8), (0.6, 1.0)])
def test_a_window_is_what_resizing_the_whole_picture_shows(photo, scales):
    shown = Picture(photo, libjpeg_tables(20), SUBSAMPLED, scales)
    for seed in range(20):
        result = window(shown, 48, np.random.default_rng(seed))
        draw = np.random.default_rng(seed)
        low, high = scales
        side = 48 / (low * (high / low) ** draw.random())
        expected = part_of_the_whole(photo, side, draw)
        assert np.abs(result.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("size", [(50, 70), (70, 50)])
def test_a_picture_that_is_too_small_for_its_scale_is_made_less_small(photo, size):
    """All scales would show more of it than its shorter side, 50 pixels."""
    pixels = np.ascontiguousarray(photo[: size[0], : size[1]])
    small = Picture(pixels, libjpeg_tables(20), SUBSAMPLED, (0.4, 0.8))
    for seed in range(5):
        result = window(small, 48, np.random.default_rng(seed))
        draw = np.random.default_rng(seed)
        draw.random()  # of the scale
        expected = part_of_the_whole(pixels, 50, draw)
        assert np.abs(result.astype(int) - expected).max() <= 1


def test_half_of_the_qualities_are_low():
    generator = np.random.default_rng(0)
    drawn = np.array([random_quality(generator) for _ in range(4000)])
    assert (drawn.min(), drawn.max()) == (5, 95)
    assert (drawn < 28).mean() == pytest.approx(0.5, abs=4 * 0.5 / 4000**0.5)


def test_own_tables_are_told_to_the_network(photo, tmp_path):
    batch = windows([picture(photo, tmp_path, 7)], 64, 32, np.random.default_rng(0))
    own = coarseness(libjpeg_tables(7))
    share = (batch.steps == own).all(1).float().mean()
    assert share == pytest.approx(0.5, abs=4 * 0.5 / 64**0.5)


def test_windows_become_flatter_and_half_of_them_more_colourful():
    generator = np.random.default_rng(0)
    ramp = torch.linspace(0.4, 0.6, 4).view(1, 1, 2, 2).expand(400, 3, -1, -1)
    result = recoloured(ramp, generator)
    assert (result.std(1) == 0).all()  # of grey no colour comes
    contrast = result[:, 0].flatten(1).std(1) / ramp[0, 0].std()
    assert contrast.min() == pytest.approx(0.5, abs=0.04)
    assert contrast.max() == pytest.approx(1, abs=0.04)
    colour = torch.tensor([0.6, 0.5, 0.4]).view(1, 3, 1, 1).expand(400, -1, 16, 16)
    images = recoloured(colour, generator)[:, :, 0, 0]
    spread = (images.amax(1) - images.amin(1)) / 0.2
    assert spread.min() == pytest.approx(0.5, abs=0.05)
    assert 1.8 < spread.max() < 2.05
    flatter = np.log(1 - 0.5 * np.linspace(0, 1, 1000) ** 2).mean()
    stronger = np.log(2) / 2 / 2  # of half of them, whose factor's logarithm is uniform
    assert spread.log().mean() == pytest.approx(flatter + stronger, abs=4 * 0.32 / 400**0.5)
    orders = images.argsort(1).unique(dim=0)
    assert len(orders) == 6


def test_libjpeg_tables_are_those_of_a_file(photo):
    for quality in (5, 50, 90):
        tables = compress(photo, quality).quantised.tables
        assert torch.equal(libjpeg_tables(quality), torch.stack(tables[:2]))
        assert estimated_quality(libjpeg_tables(quality)[0]) == quality


def test_coarseness_is_the_logarithm_of_the_steps():
    assert coarseness(torch.full((2, 8, 8), 64.0)).tolist() == [0, 0]
    assert coarseness(torch.full((8, 8), 16.0)) == -2


def test_the_unit_is_about_the_error_of_a_jpeg(photo):
    for quality in (10, 25, 50, 80):
        jpeg = compress(photo, quality)
        error = (to_tensor(jpeg.pixels) - to_tensor(photo)).square().mean().sqrt()
        steps = coarseness(torch.stack(jpeg.quantised.tables[:2]))[None]
        assert 0.5 < unit(steps).item() / error < 2


def test_a_batch_is_told_by_its_number(photo, tmp_path):
    pictures = [picture(photo, tmp_path, q) for q in (10, 20)]
    here, there = (Batches(pictures, 3, 4, 32, 0.5) for _ in range(2))
    other = Batches(pictures, 4, 4, 32, 0.5)
    there[8]  # what was asked before is of no effect
    assert all(torch.equal(a, b) for a, b in zip(here[7], there[7], strict=True))
    assert not torch.equal(here[7].original, here[8].original)
    assert not torch.equal(here[7].original, other[7].original)


def test_other_processes_make_the_same_batches(photo, tmp_path):
    pictures = [picture(photo, tmp_path)]

    def first(workers):
        batches = iter(WindowData(pictures, 0, 2, 32, workers=workers).train_dataloader())
        return [next(batches) for _ in range(3)]

    for ours, theirs in zip(first(0), first(1), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


class Remains:
    """Stand for a CUDA graph that nothing but itself refers to."""

    def __init__(self, tells):
        self.itself, self.tells = self, tells

    def __del__(self):
        self.tells.write_text(f"freed in {os.getpid()}")


def test_other_processes_free_nothing_of_this_one(photo, tmp_path, monkeypatch):
    """What lies on a GPU is not theirs, and CUDA ends a process that was forked and frees it."""

    def collecting(*given):
        gc.collect()
        return windows(*given)

    monkeypatch.setattr(data, "windows", collecting)
    gc.disable()
    try:
        Remains(tmp_path / "told")
        loader = WindowData([picture(photo, tmp_path)], 0, 2, 32, workers=1).train_dataloader()
        next(iter(loader))
        assert not (tmp_path / "told").exists()
    finally:
        gc.enable()
    gc.collect()
    assert (tmp_path / "told").read_text() == f"freed in {os.getpid()}"


def test_of_a_large_picture_only_what_the_windows_show_is_read(tmp_path):
    large = np.lib.format.open_memmap(tmp_path / "20.npy", "w+", np.uint8, (3000, 4000, 3))
    large.flush()
    pictures = [Picture(tmp_path / "20.npy", libjpeg_tables(20), SUBSAMPLED)] * 1000
    windows(pictures, 8, 64, np.random.default_rng(0))
    tracemalloc.start()
    for seed in range(5):
        windows(pictures, 8, 64, np.random.default_rng(seed))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6  # bytes; the picture has 36e6
