"""The recipes behind ``restoration restore``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How much work goes into an image.

    The result is the weighted mean of a first estimate (``quick_estimate``) and of the outputs of
    independently optimised networks, projected onto the narrowed quantisation constraint set.

    Attributes:
        passes: of the first estimate.
        networks: how many networks are optimised, from different seeds.
        steps: optimiser steps of each.
    """

    passes: int
    networks: int
    steps: int


FAST = Preset(passes=2, networks=0, steps=0)
BALANCED = Preset(passes=8, networks=2, steps=150)
BEST = Preset(passes=8, networks=6, steps=300)
PRESETS = {"fast": FAST, "balanced": BALANCED, "best": BEST}
