"""A network as wide as the time allows, from the pace of its steps on this machine."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from restoration.internal_learning.library import restoring, sizes
from restoration.internal_learning.library.learning import description_for
from restoration.internal_learning.library.sizes import ENOUGH, USUAL, WIDE, pace_of, size_within
from restoration.internal_learning.library.windows import Picture
from restoration.jpeg import compress
from restoration.jpeg.quality import libjpeg_tables
from restoration.networks.deblocking import DeblockingNetwork
from restoration.presets import FAST


@pytest.mark.parametrize(("share", "expected"), [(0.9, USUAL), (1.1, WIDE)])
def test_the_wider_network_is_for_those_who_have_the_time(share, expected, monkeypatch):
    monkeypatch.setattr(sizes, "pace_of", lambda net, device: 0.25)
    size = size_within(share * ENOUGH * 0.25, "cpu")
    assert size == expected
    pictures = [Picture(Path("a.npy"), libjpeg_tables(20), ((1, 1),) * 3)]
    assert description_for(pictures, 0, size).network().place.shape[0] == expected.widths[0]


def test_a_pace_is_that_of_the_steps_after_the_first(monkeypatch):
    """Steps of 5, 1, 2 and 3 seconds, told by a clock that is read once after the first."""
    now = iter([5.0, 11.0])
    monkeypatch.setattr(sizes, "time", SimpleNamespace(monotonic=lambda: next(now)))
    net = DeblockingNetwork((4,), (1,), 2)
    before = [weights.clone() for weights in net.parameters()]
    assert pace_of(net, "cpu", 1, 16) == 2.0
    assert all(map(torch.equal, before, net.parameters()))


def test_a_budget_counts_the_steps_that_fit(photo, monkeypatch):
    """Half a second a step: what the estimate and the application leave of a minute."""
    asked = []
    net = DeblockingNetwork((4,), (1,), 2)
    monkeypatch.setattr(restoring, "pace_of", lambda net, device: 0.5)
    monkeypatch.setattr(
        restoring, "tuned", lambda net, file, estimate, steps, **_: asked.append(steps) or net
    )
    jpeg = compress(photo[:128, :128], 10)
    began = time.monotonic()
    restoring.restore_with(net, jpeg, FAST, budget=60.0)
    spent = time.monotonic() - began
    assert (0.9 * 60 - spent) / 0.5 - 2 <= asked[0] <= 0.9 * 60 / 0.5 - 1
    restoring.restore_with(net, jpeg, FAST, budget=0.5)
    assert len(asked) == 1  # no time for any
