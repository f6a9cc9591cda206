"""Tiles: cutting a JPEG along its blocks and blending the parts."""

import io
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from restoration.errors import RestorationError
from restoration.jpeg import compress, to_tensor
from restoration.jpeg.baselines import plain_decode
from restoration.jpeg.opening import open_image
from restoration.jpeg.reading import parse
from restoration.presets import Preset
from restoration.restoring import restore_jpeg
from restoration.tiles import OVERLAP, blend, cut, spans, tiles_of


@pytest.mark.parametrize("size", [16, 200, 201, 513, 1000, 4000])
@pytest.mark.parametrize("side", [128, 200, 512])
def test_spans_cover_the_axis_and_overlap(size, side):
    result = spans(size, side)
    assert result[0][0] == 0
    assert result[-1][1] == size
    assert all(end - start <= side for start, end in result)
    assert all(start % 16 == 0 for start, _ in result)
    assert all(end - start == OVERLAP for (_, end), (start, _) in pairwise(result))
    assert max(e - s for s, e in result) - min(e - s for s, e in result[:-1] or result) <= 32


def test_an_image_smaller_than_any_tile_is_one():
    assert [(t.top, t.bottom, t.left, t.right) for t in tiles_of(16, 64, 64)] == [(0, 16, 0, 64)]


def test_tiles_that_are_too_small_are_refused():
    with pytest.raises(RestorationError, match="at least 128 pixels, not 100"):
        spans(1000, 100)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_cut_tile_decodes_to_the_same_pixels(photo, subsampling):
    file = io.BytesIO()
    Image.fromarray(photo[:187, :181]).save(file, "JPEG", quality=30, subsampling=subsampling)
    jpeg = parse(file.getvalue(), open_image(file.getvalue(), "x"), "x")
    whole = plain_decode(jpeg)
    for tile in tiles_of(187, 181, 144):
        part = plain_decode(cut(jpeg, tile))
        expected = tile.of(whole)
        assert part.shape == expected.shape
        # chroma upsampling looks one sample beyond the tile's edges
        torch.testing.assert_close(part[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


def test_blending_equal_parts_gives_the_image_back(photo):
    image = to_tensor(photo)
    tiles = tiles_of(192, 192, 128)
    assert len(tiles) == 9
    torch.testing.assert_close(blend(tiles, [t.of(image) for t in tiles], 192, 192), image)


def test_a_step_between_tiles_is_spread_over_the_overlap():
    tiles = tiles_of(128, 400, 224)
    parts = [torch.full((1, 1, 128, t.right - t.left), float(i)) for i, t in enumerate(tiles)]
    row = blend(tiles, parts, 128, 400)[0, 0, 60].numpy()
    assert row[0] == 0
    assert row[-1] == len(tiles) - 1
    assert np.abs(np.diff(row)).max() <= 1.01 / OVERLAP


def test_cutting_elsewhere_than_between_coding_units_is_refused(photo):
    tile = tiles_of(192, 192, 128)[-1]
    shifted = type(tile)(tile.top + 8, tile.bottom, tile.left, tile.right)
    with pytest.raises(RestorationError, match="whole coding units"):
        cut(compress(photo, 10), shifted)


@pytest.mark.slow
def test_tiled_networks_leave_no_seam(photo):
    """Steps across the borders of tiles are those of the whole image, not larger."""
    jpeg = compress(photo, 10)
    recipe = Preset(passes=1, stride=5, networks=2, steps=60)
    whole, tiled = (restore_jpeg(jpeg, recipe, device="cpu", tile=t) for t in (0, 128))
    assert not torch.equal(whole, tiled)
    borders = sorted({edge for start, end in spans(192, 128) for edge in (start, end)} - {0, 192})
    for image in (whole.transpose(-1, -2), whole):
        other = tiled if image is whole else tiled.transpose(-1, -2)
        for border in borders:
            seams = [(x[..., border] - x[..., border - 1]).square().mean() for x in (image, other)]
            assert seams[1] < 1.1 * seams[0]
