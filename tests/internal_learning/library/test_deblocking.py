"""The network of a library: identity at first, its reach, its tiles, the grid of blocks."""

import numpy as np
import pytest
import torch

from restoration.internal_learning.library import applying
from restoration.internal_learning.library.applying import restored_by, steps_of, within_cells
from restoration.internal_learning.library.pictures import KEPT, part_of
from restoration.jpeg import compress, to_pixels, to_tensor
from restoration.jpeg.quality import libjpeg_tables
from restoration.networks.deblocking import DeblockingNetwork, coarseness, unit
from restoration.networks.places import PERIOD

SHAPES = [((8, 12), (1, 1), 1), ((8, 12), (1, 1), 2), ((8,), (1,), 1)]


def network(widths=(8, 12), blocks=(1, 1), entry=2):
    torch.manual_seed(0)
    net = DeblockingNetwork(widths, blocks, entry)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return net.requires_grad_(False)


def shares_of_equal(one, other):
    pairs = zip(one.coefficients, other.coefficients, strict=True)
    return [(a == b).float().mean() for a, b in pairs]


def test_a_new_network_changes_nothing():
    jpeg = torch.rand(2, 3, 32, 48)
    assert torch.equal(DeblockingNetwork()(jpeg, torch.zeros(2, 2)), jpeg)


@pytest.mark.parametrize(("widths", "blocks", "entry"), SHAPES)
def test_an_output_looks_as_far_as_its_reach(widths, blocks, entry):
    net = network(widths, blocks, entry)
    jpeg = torch.rand(1, 3, 96, 96, requires_grad=True)
    near = torch.zeros(96, 96, dtype=torch.bool)
    for place in range(40, 44):  # all phases of the halved sizes
        output = net(jpeg, torch.zeros(1, 2))[0, :, place, place].sum()
        (gradient,) = torch.autograd.grad(output, jpeg)
        distance = (torch.arange(96) - place).abs()
        inside = (distance[:, None] <= net.reach) & (distance <= net.reach)
        seen = gradient[0].abs().sum(0) > 0
        assert not (seen & ~inside).any()
        near |= seen
    rows = near.any(1).nonzero()
    assert 43 - rows.min() >= net.reach - 2 * entry  # no more is promised than is seen


def test_tiles_do_not_change_the_result(photo, monkeypatch):
    monkeypatch.setattr(applying, "precision", lambda device: "32-true")  # less is rounded
    net = network()
    jpeg = compress(photo[:150, :185], 10)  # no whole number of blocks
    whole, tiled = (restored_by(net, jpeg, 8, side) for side in (1024, 64))
    assert whole.shape == (1, 3, 150, 185)
    assert torch.allclose(whole, tiled, atol=1e-5)
    assert (whole - to_tensor(jpeg.pixels)).std() > 0.005


def test_the_network_sees_the_grid_of_the_file_in_every_way():
    """A network that only copies its places shows the borders of the blocks, however turned."""
    net = network((8,), (0,), 1)
    border = torch.arange(48) % 8 % 7 == 0
    with torch.no_grad():
        net.head.matrix.zero_()
        net.place.view(8, PERIOD, PERIOD)[:] = border[:PERIOD].float()  # of columns
        last = net.tail[1].matrix
        last.zero_()
        last[:, 4:-1:9] = 1  # the middle of each kernel
    jpeg = compress(np.full((40, 24, 3), 100, np.uint8), 10)
    shown = (restored_by(net, jpeg) - to_tensor(jpeg.pixels)) / unit(steps_of(jpeg.quantised))
    expected = 8 * (border[:40, None].float() + border[:24].float()) / 2
    assert torch.allclose(shown, expected.expand(1, 3, -1, -1), atol=1e-4)


def test_grey_stays_grey(photo):
    jpeg = compress(photo[..., :1], 10)
    result = restored_by(network(), jpeg, 1)
    assert result.shape == (1, 1, 192, 192)
    assert steps_of(jpeg.quantised)[0, 1] == coarseness(libjpeg_tables(10)[1])


def test_results_lie_in_the_cells(photo):
    jpeg = compress(photo, 10)
    once = within_cells(torch.full((1, 3, 192, 192), 0.5), jpeg.quantised)
    again = compress(to_pixels(once), 10).quantised
    assert min(shares_of_equal(again, jpeg.quantised)) > 0.99


@pytest.mark.parametrize("grey", [False, True])
def test_the_middle_of_a_large_picture_is_a_jpeg_of_its_own(photo, grey):
    large = np.tile(photo[..., :1] if grey else photo, (6, 7, 1))[: 6 * 192 - 3, : 7 * 192 - 5]
    part = part_of(compress(large, 15).quantised)
    h, w = part.height, part.width
    assert 0.9 * KEPT < h * w <= KEPT
    assert w / h == pytest.approx(7 / 6, abs=0.05)
    again = compress(to_pixels(part.decode()), 15).quantised
    assert min(shares_of_equal(again, part)) > 0.99  # the same cells: the grids are the same
    assert part_of(part) is part
