"""A network as wide as the time allows, from the pace of its steps on this machine."""

from pathlib import Path

import pytest

from restoration.internal_learning.library import sizes
from restoration.internal_learning.library.learning import description_for
from restoration.internal_learning.library.sizes import ENOUGH, USUAL, WIDE, size_within
from restoration.internal_learning.library.windows import Picture
from restoration.jpeg.quality import libjpeg_tables


@pytest.mark.parametrize(("share", "expected"), [(0.9, USUAL), (1.1, WIDE)])
def test_the_wider_network_is_for_those_who_have_the_time(share, expected, monkeypatch):
    monkeypatch.setattr(sizes, "deblocking_pace", lambda net, device: 0.25)
    size = size_within(share * ENOUGH * 0.25, "cpu")
    assert size == expected
    pictures = [Picture(Path("a.npy"), libjpeg_tables(20), ((1, 1),) * 3)]
    assert description_for(pictures, 0, size).network().place.shape[0] == expected.widths[0]
