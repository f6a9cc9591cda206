"""Learning on smaller copies: what they are, and that it pays."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from restoration.formats.opening import open_image
from restoration.internal_learning.copies import NUMBER, copies_of, scales_of, training_copies
from restoration.internal_learning.ensemble import network_pool
from restoration.internal_learning.learning import Patches, turned, turned_back
from restoration.internal_learning.work import recipe_for
from restoration.jpeg import Quantised, compress, to_8bit, to_tensor
from restoration.jpeg.reading import parse
from restoration.jpeg.recompression import compress_like
from restoration.metrics import psnr
from restoration.networks.correction import Convolution, CorrectionNetwork
from restoration.pipeline import restore_jpeg
from restoration.presets import Preset


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
    result = compress_like(to_tensor(pixels), file.quantised)
    pairs = zip(result.coefficients, expected.quantised.coefficients, strict=True)
    for ours, theirs in pairs:
        assert ours.shape == theirs.shape
        assert (ours != theirs).float().mean() < 0.002  # integer arithmetic at the cells' borders
    assert (result.decode() - to_tensor(expected.pixels)).abs().mean() * 255 < 0.7


def test_compression_of_grey(photo):
    grey = photo.mean(2).astype(np.uint8)
    expected = jpeg_of(grey, quality=20)
    result = compress_like(to_tensor(grey[..., None]), expected.quantised)
    unequal = result.coefficients[0] != expected.quantised.coefficients[0]
    assert unequal.float().mean() < 0.002


def test_copies_are_smaller_and_hold_their_original(photo):
    estimate = to_tensor(photo)
    seen: list[Quantised] = []
    told: list[int] = []
    copies = training_copies(
        compress(photo, 10).quantised,
        estimate,
        lambda f: seen.append(f) or f.decode() * 0.5,
        advance=told.append,
    )
    windows = copies_of(192, 192)
    for copy, (scale, top, left, h, w) in zip(copies, windows, strict=True):
        side = int(192 * scale)
        small = np.array(Image.fromarray(photo).resize((side, side), Image.Resampling.BICUBIC))
        window = small[top : top + h, left : left + w]
        assert psnr(copy[2:], to_tensor(window)) > 40  # Pillow's bicubic, rounded
    decoded = {to_8bit(f.decode()).numpy().tobytes(): f.decode() for f in seen}  # in any order
    for copy in copies:
        torch.testing.assert_close(copy[:1], decoded.pop(copy[1:2].numpy().tobytes()) * 0.5)
        assert 20 < psnr(copy[1:2], copy[2:]) < 35
    assert told == [c.height * c.width for c in windows]


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("size", [(64, 64), (65, 1000), (512, 768), (3000, 4000)])
def test_windows_have_many_grids_lie_inside_and_are_spread(size, number):
    copies = copies_of(*size, number)
    inside = [(int(size[0] * c.scale), int(size[1] * c.scale)) for c in copies]
    for c, (H, W) in zip(copies, inside, strict=True):
        assert 0 <= c.top <= H - c.height
        assert 0 <= c.left <= W - c.width
        assert c.height * c.width <= 80_000
    assert len({(c.scale, c.top % 8, c.left % 8) for c in copies}) >= NUMBER - 1
    middles = [
        ((c.top + c.height / 2) / H, (c.left + c.width / 2) / W)
        for c, (H, W) in zip(copies, inside, strict=True)
    ]
    np.testing.assert_allclose(np.mean(middles, 0), 0.5, atol=0.08)


@pytest.mark.parametrize("size", [(64, 21_000), (40_000, 64)])
def test_copies_of_strips_hold_whole_periods(size):
    """However long, they are not made so small that there is nothing to cut out of them."""
    assert min(side for copy in copies_of(*size) for side in copy[3:]) >= 16


def test_copies_of_small_images_are_larger():
    assert scales_of(321, 481) == scales_of(3000, 4000) == (0.5, 0.7)
    # as measured: 0.6 and 0.85 at 256 x 256, 0.7 and 0.95 at 192 x 192
    assert scales_of(256, 256) == pytest.approx((0.6, 0.85), abs=0.02)
    assert scales_of(192, 192) == pytest.approx((0.67, 0.93), abs=0.01)
    assert scales_of(64, 64) == (0.95, 0.95)


def test_each_round_looks_at_other_windows_of_the_same_sizes():
    first, second = copies_of(512, 768), copies_of(512, 768, 1)
    assert [c[:1] + c[3:] for c in first] == [c[:1] + c[3:] for c in second]  # as much work
    assert not {c[:3] for c in first} & {c[:3] for c in second}


def test_large_images_are_sampled_everywhere():
    seen = np.zeros((3, 4), bool)  # a grid of large cells
    for c in copies_of(3000, 4000):
        y, x = ((c.top + c.height / 2) / c.scale, (c.left + c.width / 2) / c.scale)
        seen[int(y // 1000), int(x // 1000)] = True
    assert seen.sum() >= 10


@pytest.mark.parametrize("kernel", [1, 2, 3])
def test_a_convolution_is_that_of_its_matrix(kernel):
    layer, x = Convolution(2, 3, kernel), torch.rand(1, 2, 4, 6)
    if kernel == 2:
        columns = F.unfold(x, 2, stride=2)  # (1, 8, 6)
        size = (2, 3)
    else:
        columns = F.unfold(x, kernel, padding=kernel // 2)  # (1, 2 k^2, 24)
        size = (4, 6)
    ones = torch.ones(1, 1, columns.shape[-1])
    expected = (layer.matrix @ torch.cat([columns, ones], 1)).view(1, 3, *size)
    torch.testing.assert_close(layer(x), expected)


def test_small_images_take_fewer_steps():
    preset = Preset(steps=600)
    sizes = ((64, 64), (256, 384), (512, 768), (3000, 4000))
    assert [recipe_for(*size, preset).steps for size in sizes] == [192, 424, 600, 600]
    assert recipe_for(64, 64, Preset(steps=1)).steps == 1


def test_patches_are_cut_from_the_copies_in_all_ways():
    """Each value names its place: a patch is a turned square of its copy, alike in all three.

    Its corners are corners of coding units, whichever way it is turned.
    """
    places = torch.arange(40.0 * 50).view(1, 1, 40, 50)
    copy = torch.cat([places, places + 0.25, places + 0.5])
    patches = Patches([copy], seed=3, number=200, side=16)
    batch = next(iter(patches))
    assert batch.shape == (3, 200, 1, 16, 16)
    assert torch.equal(batch[1], batch[0] + 0.25)
    assert torch.equal(batch[2], batch[0] + 0.5)
    steps = {(int(p[0, 1] - p[0, 0]), int(p[1, 0] - p[0, 0])) for p in batch[0][:, 0]}
    assert steps == {(x, y) for a in (1, -1) for b in (50, -50) for x, y in ((a, b), (b, a))}
    first = batch[0].flatten(1).amin(1).long()
    assert {(int(n) // 50, int(n) % 50) for n in first} == {
        (y, x) for y in (0, 16) for x in (0, 16, 32)
    }
    assert torch.equal(next(iter(patches)), batch)
    assert not torch.equal(next(iter(Patches([copy], seed=4, number=200, side=16))), batch)
    assert next(iter(Patches([copy[..., :39]], seed=0, side=64))).shape == (3, 8, 1, 32, 32)


@pytest.mark.parametrize("way", range(8))
def test_turning_back_undoes_turning(way):
    image = torch.rand(1, 2, 3, 5)
    assert torch.equal(turned_back(turned(image, way), way), image)


def test_a_new_network_corrects_nothing():
    assert not CorrectionNetwork(1)(*torch.rand(2, 1, 1, 16, 32)).any()


def test_tiny_images_have_nothing_to_learn_from(photo):
    jpeg = compress(photo[:63, :100], 10)
    results = [
        restore_jpeg(jpeg, Preset(rounds=rounds, steps=5), device="cpu") for rounds in (0, 1)
    ]
    assert torch.equal(*results)


@pytest.fixture(scope="module")
def pool():
    with network_pool(1, "cpu") as pool:
        yield pool


@pytest.mark.parametrize(
    ("grey", "preset"),
    [
        (False, Preset(passes=1, rounds=2, steps=8)),
        (True, Preset(passes=1, rounds=1, steps=8, alone=8)),
    ],
)
def test_odd_sizes_and_other_samplings_are_corrected(photo, grey, preset, pool):
    """The work told is the work done, and the result keeps to the file's cells."""
    pixels = photo[:97, :131, 0] if grey else photo[:97, :131]
    jpeg = jpeg_of(pixels, quality=10, subsampling=1)
    units = []
    image = restore_jpeg(
        jpeg, preset, device="cpu", advance=lambda *told: units.append(told), pool=pool
    )
    assert sum(done for done, _ in units) == units[0][1]
    assert violations(image, jpeg) < 0.01


def violations(image, jpeg):
    """Share of luma coefficients outside their cells."""
    file = jpeg.quantised
    x = file.operator.encode(image)[0][0] / file.tables[0]
    return ((x - file.coefficients[0]).abs() > 0.5).float().mean()


@pytest.mark.slow
def test_what_is_learned_pays(photo):
    """On the sample, blind: the correction gains upon the estimate that it corrects."""
    jpeg, truth = compress(photo, 10), to_tensor(photo)
    estimate, corrected = (
        psnr(restore_jpeg(jpeg, Preset(rounds=rounds, networks=1, steps=250), device="cpu"), truth)
        for rounds in (0, 1)
    )
    assert corrected > estimate + 0.05
