"""Where fast paths are taken: what they are written for, and one switch over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.autograd import forward_ad

_forced: ContextVar[bool | None] = ContextVar("forced", default=None)


@contextmanager
def forced(on: bool) -> Iterator[None]:
    """Take every fast path whatever the sizes, or none; for tests and measurements."""
    token = _forced.set(on)
    try:
        yield
    finally:
        _forced.reset(token)


def pays(measured: bool) -> bool:
    """Whether a fast path pays: as it was measured, unless ``forced`` says."""
    on = _forced.get()
    return measured if on is None else on


def is_dual(x: Tensor) -> bool:
    """Whether ``x`` carries a tangent, which the functions here do not hand on."""
    return forward_ad.unpack_dual(x).tangent is not None


def is_plain(x: Tensor) -> bool:
    """Whether ``x`` lies on the CPU, carries no tangent, and no precision is reduced."""
    return x.device.type == "cpu" and not is_dual(x) and not torch.is_autocast_enabled("cpu")
