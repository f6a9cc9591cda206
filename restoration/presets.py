"""The recipes behind ``restoration restore``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How much work goes into an image.

    A first estimate (``first_estimate``) is corrected by what a network, or the mean of several
    that are optimised independently, has learned on smaller copies of the image, filtered once more
    (``polished``) and projected onto the narrowed quantisation constraint set. Networks of a later
    round go on from those of the round before, on copies of what these made of the image.

    Attributes:
        passes: of the first estimate, and of those of the copies.
        count: patches in its groups.
        rounds: how often copies are made.
        networks: how many networks are optimised in each round, from different seeds.
        steps: optimiser steps of each in the first round, on images of 768 x 512 pixels and more;
            half as many in later rounds.
        alone: steps of as many networks that, after all rounds, learn from windows made on the fly
            to restore the JPEG by themselves; the result is the mean of both.
        tuning: the same where the network of a library is given, from which they go on.
    """

    passes: int = 3
    count: int = 16
    rounds: int = 0
    networks: int = 1
    steps: int = 400
    tuning: int = 0
    alone: int = 0


FAST = Preset()
BALANCED = Preset(rounds=2, tuning=200)
BEST = Preset(passes=4, count=32, rounds=2, networks=2, tuning=400, alone=3000)
PRESETS = {"fast": FAST, "balanced": BALANCED, "best": BEST}
# of 768 x 512 pixels on two CPU cores
TIMES = {"fast": "3 seconds", "balanced": "1 minute", "best": "7 minutes"}
