"""Learning on smaller copies: what they are, and that it pays."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from restoration.copies import COPIES, copies_of, training_copies
from restoration.correction import CorrectionNetwork, Patches, turned, turned_back
from restoration.jpeg import compress, known, to_tensor
from restoration.jpeg.opening import open_image
from restoration.jpeg.operator import JPEGOperator
from restoration.jpeg.reading import parse
from restoration.jpeg.recompression import compress_like
from restoration.metrics import psnr
from restoration.presets import Preset
from restoration.restoring import restore_jpeg


def jpeg_of(pixels, **settings):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **settings)
    return parse(file.getvalue(), open_image(file.getvalue(), "x"), "x")


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(96, 128), (77, 83)])
def test_compression_is_that_of_libjpeg(photo, subsampling, size):
    pixels = np.ascontiguousarray(photo[: size[0], : size[1]])
    file = jpeg_of(photo, quality=20, subsampling=subsampling)  # of another size
    expected = jpeg_of(pixels, quality=20, subsampling=subsampling)
    result = compress_like(to_tensor(pixels), file)
    for ours, theirs in zip(result.coefficients, expected.coefficients, strict=True):
        assert ours.shape == theirs.shape
        assert (ours != theirs).mean() < 0.002  # integer arithmetic at the cells' borders
    assert np.abs(result.pixels.astype(int) - expected.pixels).mean() < 0.7


def test_compression_of_grey(photo):
    grey = photo.mean(2).astype(np.uint8)
    expected = jpeg_of(grey, quality=20)
    result = compress_like(to_tensor(grey[..., None]), expected)
    assert (result.coefficients[0] != expected.coefficients[0]).mean() < 0.002


def test_copies_are_smaller_and_hold_their_original(photo):
    estimate = to_tensor(photo)
    seen = []
    copies = training_copies(
        compress(photo, 10), estimate, lambda j, _: seen.append(j) or to_tensor(j.pixels) * 0.5
    )
    assert [tuple(c.shape) for c in copies] == [
        (3, 3, int(192 * scale) - top, int(192 * scale) - left) for scale, top, left in COPIES
    ]
    half = np.array(Image.fromarray(photo).resize((96, 96), Image.Resampling.BICUBIC))
    assert psnr(copies[0][2:], to_tensor(half)) > 45  # Pillow's bicubic, rounded
    for copy, jpeg in zip(copies, seen, strict=True):
        torch.testing.assert_close(copy[0], to_tensor(jpeg.pixels)[0] * 0.5)
        torch.testing.assert_close(copy[1], to_tensor(jpeg.pixels)[0])
        assert 20 < psnr(copy[1:2], copy[2:]) < 35


def test_large_images_need_fewer_copies():
    sizes = ((64, 64), (512, 768), (1000, 1000), (3000, 4000))
    assert [len(copies_of(*size)) for size in sizes] == [4, 4, 2, 1]


def test_patches_are_cut_from_the_copies_in_all_ways():
    """Each value names its place: a patch is a turned square of its copy, alike in all three."""
    places = torch.arange(40.0 * 50).view(1, 1, 40, 50)
    copy = torch.cat([places, places + 0.25, places + 0.5])
    patches = Patches([copy], seed=3, number=200, side=8)
    batch = next(iter(patches))
    assert batch.shape == (3, 200, 1, 8, 8)
    assert torch.equal(batch[1], batch[0] + 0.25)
    assert torch.equal(batch[2], batch[0] + 0.5)
    steps = {(int(p[0, 1] - p[0, 0]), int(p[1, 0] - p[0, 0])) for p in batch[0][:, 0]}
    assert steps == {(x, y) for a in (1, -1) for b in (50, -50) for x, y in ((a, b), (b, a))}
    assert torch.equal(next(iter(patches)), batch)
    assert not torch.equal(next(iter(Patches([copy], seed=4, number=200, side=8))), batch)
    assert next(iter(Patches([copy], seed=0, side=64))).shape == (3, 8, 1, 40, 40)


@pytest.mark.parametrize("way", range(8))
def test_turning_back_undoes_turning(way):
    image = torch.rand(1, 2, 3, 5)
    assert torch.equal(turned_back(turned(image, way), way), image)


def test_a_new_network_corrects_nothing():
    assert not CorrectionNetwork(1)(*torch.rand(2, 1, 1, 9, 9)).any()


def test_tiny_images_have_nothing_to_learn_from(photo):
    jpeg = compress(photo[:63, :100], 10)
    results = [restore_jpeg(jpeg, Preset(1, 5, networks, 5), device="cpu") for networks in (0, 1)]
    assert torch.equal(*results)


@pytest.mark.parametrize("grey", [False, True])
def test_odd_sizes_and_other_samplings_are_corrected(photo, grey):
    """The work told is the work done, and the result keeps to the file's cells."""
    pixels = photo[:65, :131, 0] if grey else photo[:65, :131]
    jpeg = jpeg_of(pixels, quality=10, subsampling=1)
    units = []
    image = restore_jpeg(
        jpeg, Preset(1, 5, 1, 8), device="cpu", advance=lambda *told: units.append(told)
    )
    assert sum(done for done, _ in units) == units[0][1]
    assert violations(image, jpeg) < 0.01


def violations(image, jpeg):
    """Share of luma coefficients outside their cells."""
    coefficients, tables = known(jpeg)
    x = JPEGOperator.of_file(jpeg).encode(image)[0][0] / tables[0]
    return ((x - coefficients[0]).abs() > 0.5).float().mean()


@pytest.mark.slow
def test_what_is_learned_pays(photo):
    """On the sample, blind: the correction gains upon the estimate that it corrects."""
    jpeg, truth = compress(photo, 10), to_tensor(photo)
    gains = [
        psnr(restore_jpeg(jpeg, Preset(4, 4, networks, 250), device="cpu"), truth)
        for networks in (0, 1)
    ]
    assert gains[1] > gains[0] + 0.05
