"""How wide the network of a library is: as wide as its time allows on this machine."""

from __future__ import annotations

from typing import NamedTuple

from restoration.internal_learning.pace import deblocking_pace
from restoration.networks.deblocking import DeblockingNetwork


class Size(NamedTuple):
    """Filters and residual blocks of each level, see ``DeblockingNetwork``."""

    widths: tuple[int, ...]
    blocks: tuple[int, ...]


USUAL = Size((64, 96), (2, 2))
WIDE = Size((128, 192), (2, 3))
ENTRY = 2
# Steps from which on the wider network is taken: a guess, the two were not compared at equal time.
ENOUGH = 5000


def size_within(seconds: float, device: str) -> Size:
    """Choose the wider network where it can take ``ENOUGH`` steps in a time."""
    pace = deblocking_pace(DeblockingNetwork(*WIDE, ENTRY), device)
    return WIDE if seconds >= ENOUGH * pace else USUAL
