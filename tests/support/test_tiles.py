"""Tiles: an image in parts, with what surrounds them."""

from itertools import pairwise

import pytest
import torch

from restoration.errors import RestorationError
from restoration.internal_learning.learning import correction
from restoration.networks.correction import Convolution, CorrectionNetwork
from restoration.pipeline import tile_side
from restoration.support.tiles import spans, tiles_of


@pytest.mark.parametrize("size", [16, 200, 202, 514, 1000, 4000])
@pytest.mark.parametrize("side", [128, 201, 512])
def test_spans_divide_the_axis_evenly(size, side):
    result = spans(size, side)
    assert result[0][0] == 0
    assert result[-1][1] == size
    assert all(end == start for (_, end), (start, _) in pairwise(result))
    lengths = [end - start for start, end in result]
    assert max(lengths) <= side
    assert max(lengths) - min(lengths) <= 2
    assert not any(length % 2 for length in lengths)


def test_tiles_that_are_too_small_are_refused():
    assert [tile_side(200, 300, wanted) for wanted in (None, 0, 128)] == [1024, 300, 128]
    for wanted in (100, -1):
        with pytest.raises(RestorationError, match=f"at least 128 pixels .*, not {wanted}"):
            tile_side(200, 300, wanted)


@pytest.mark.parametrize("shape", [(64, 300), (302, 298)])
def test_tiles_put_back_are_the_image(shape):
    image = torch.rand(1, 3, *shape)
    result = torch.full_like(image, torch.nan)
    for tile in tiles_of(*shape, 128, 6):
        outer = tile.outer(image)
        assert max(outer.shape[-2:]) <= 128 + 12
        tile.place(result, outer)
    assert torch.equal(result, image)


def test_a_tiled_correction_is_the_whole_one():
    """The halo holds all that a network looks at: no seam, whatever the tiles."""
    torch.manual_seed(0)
    net = CorrectionNetwork(3, fine=4, coarse=4, blocks=2)
    for layer in net.modules():
        if isinstance(layer, Convolution):
            torch.nn.init.normal_(layer.matrix, std=0.2)  # no longer zero, and it looks far
    torch.nn.init.normal_(net.place)
    estimate, jpeg = torch.rand(2, 1, 3, 151, 269)
    whole, tiled = (correction(net, estimate, jpeg, side) for side in (270, 128))
    assert whole.std() > 1e-3
    torch.testing.assert_close(tiled, whole, atol=1e-6, rtol=1e-5)
    net.reach = 0
    assert (correction(net, estimate, jpeg, 128) - whole).abs().max() > 1e-5
