"""The recipes behind ``restoration restore``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How much work goes into an image.

    A first estimate (``quick_estimate``) is corrected by the mean of what independently optimised
    networks have learned on smaller copies of the image (``restoration.correction``), and projected
    onto the narrowed quantisation constraint set.

    Attributes:
        passes: of the first estimate, and of those of the copies.
        stride: pixels between its groups of patches.
        networks: how many networks are optimised, from different seeds.
        steps: optimiser steps of each, on images of 768 x 512 pixels and more.
    """

    passes: int
    stride: int
    networks: int
    steps: int


FAST = Preset(passes=3, stride=5, networks=0, steps=0)
BALANCED = Preset(passes=3, stride=5, networks=2, steps=600)
BEST = Preset(passes=3, stride=5, networks=4, steps=1200)
PRESETS = {"fast": FAST, "balanced": BALANCED, "best": BEST}
