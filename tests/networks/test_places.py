"""Places among the blocks, told pixel by pixel."""

import pytest
import torch

from restoration.networks.places import PERIOD, padded, placed


@pytest.mark.parametrize("side", [1, 8, 16])
def test_every_pixel_gets_the_offset_of_its_place(side):
    x, offsets = torch.rand(2, 3, 32, 48), torch.rand(3, side**2, requires_grad=True)
    y = placed(x, offsets)
    for n, c, i, j in [(0, 0, 0, 0), (1, 2, 31, 47), (0, 1, 7, 8), (1, 0, 16, 17)]:
        place = i % side * side + j % side
        assert y[n, c, i, j] == x[n, c, i, j] + offsets[c, place]
    y.sum().backward()
    assert (offsets.grad == 2 * 32 * 48 / side**2).all()


def test_sums_keep_the_type_of_the_features():
    assert placed(torch.rand(1, 2, 16, 16).bfloat16(), torch.rand(2, 256)).dtype == torch.bfloat16


def test_sizes_are_rounded_up_to_whole_periods():
    assert [padded(size) for size in (1, 16, 17, 768)] == [PERIOD, 16, 32, 768]
