"""The seconds of a step on this machine."""

from types import SimpleNamespace

import torch

from restoration.internal_learning import pace
from restoration.networks.correction import CorrectionNetwork
from restoration.networks.deblocking import DeblockingNetwork


def test_a_pace_is_that_of_the_steps_after_the_first(monkeypatch):
    """Steps of 5, 1, 2 and 3 seconds, told by a clock that is read once after the first."""
    now = iter([5.0, 11.0])
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: next(now)))
    net = DeblockingNetwork((4,), (1,), 2)
    before = [weights.clone() for weights in net.parameters()]
    assert pace.deblocking_pace(net, "cpu") == 2.0
    assert all(map(torch.equal, before, net.parameters()))


def test_the_paces_are_of_batches_as_they_learn_from(monkeypatch):
    """Of the network that corrects three channels, and the given one that is told the steps."""
    timed = []
    monkeypatch.setattr(
        pace, "seconds_of_step", lambda net, inputs, device: timed.append((net, inputs)) or 0.5
    )
    net = DeblockingNetwork((4,), (1,), 2)
    assert pace.correction_pace("cpu") == pace.deblocking_pace(net, "cpu") == 0.5
    (corrects, pair), (restores, jpeg) = timed
    assert isinstance(corrects, CorrectionNetwork)
    assert restores is net
    assert [x.shape for x in pair] == [(8, 3, 64, 64)] * 2
    assert [x.shape for x in jpeg] == [(8, 3, 64, 64), (8, 2)]
