"""The recipes behind ``restoration restore``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How much work goes into an image.

    A first estimate (``first_estimate``) is corrected by the mean of what independently optimised
    networks have learned on smaller copies of the image, and projected
    onto the narrowed quantisation constraint set. Networks of a later round go on from those of the
    round before, on copies of what these made of the image.

    Attributes:
        passes: of the first estimate, and of those of the copies.
        count: patches in its groups.
        rounds: how often copies are made.
        networks: how many networks are optimised in each round, from different seeds.
        steps: optimiser steps of each in the first round, on images of 768 x 512 pixels and more;
            half as many in later rounds.
        tuning: where the network of a library is given, its further steps on the image's own
            smaller copies, instead of all rounds.
    """

    passes: int = 3
    count: int = 16
    rounds: int = 0
    networks: int = 2
    steps: int = 400
    tuning: int = 0


FAST = Preset()
BALANCED = Preset(rounds=2, tuning=200)
BEST = Preset(passes=4, count=32, rounds=3, steps=800, tuning=800)
PRESETS = {"fast": FAST, "balanced": BALANCED, "best": BEST}
# of 768 x 512 pixels on two CPU cores
TIMES = {"fast": "3 seconds", "balanced": "1.5 minutes", "best": "4 minutes"}
