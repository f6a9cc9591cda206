"""How much work the recipe of an image is."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from restoration.internal_learning.copies import SMALLEST, copies_of
from restoration.internal_learning.ensemble import application_units, restorer_units
from restoration.internal_learning.library.pictures import SMALLEST as SMALLEST_WINDOWED
from restoration.networks.deblocking import DeblockingNetwork
from restoration.presets import Preset
from restoration.support.devices import precision

FULL_SIZE = 768 * 512  # pixels from which on networks take all steps of their preset
# Pixels that a pass of the first estimate filters in the time of a step: 74,000 on a CPU, and
# 19,000 where products in bfloat16 are fast, as with AMX.
STEP_PIXELS, REDUCED_STEP_PIXELS = 2**16, 2**14
# Share of the first round's steps in later rounds, whose networks go on from those before.
LATER = 0.5


def recipe_for(height: int, width: int, preset: Preset) -> Preset:
    """Make a preset the recipe of an image: small ones take fewer steps, since they teach less.

    As the fourth root of the pixels: on tuning images of 481 x 321 and 256 x 256 pixels 0.08 and
    0.10 dB were lost when they were as the pixels. The smallest have nothing to learn from.
    """
    if min(height, width) < SMALLEST:
        return replace(preset, rounds=0, alone=0)
    share = min(height * width / FULL_SIZE, 1) ** 0.25
    alone = preset.alone if min(height, width) >= SMALLEST_WINDOWED else 0
    return replace(preset, steps=max(round(preset.steps * share), 1), alone=round(alone * share))


def estimate_units(height: int, width: int, preset: Preset) -> int:
    """Count the work of a first estimate in units: a pass over a pixel is one."""
    return preset.passes * height * width


def step_units(device: str) -> int:
    """Count an optimiser step in units: a pass over a pixel is one."""
    return STEP_PIXELS if precision(device) == "32-true" else REDUCED_STEP_PIXELS


def steps_in(number: int, steps: int) -> int:
    """Tell the steps of a network in a round, numbered from 0, from those in the first."""
    return steps if number == 0 else int(LATER * steps)


class Pace(NamedTuple):
    """The pace of this machine.

    Attributes:
        unit: seconds for a pass of a first estimate over a pixel.
        correcting: seconds of an optimiser step of a network that corrects an estimate.
        restoring: seconds of one of a network that restores the JPEG by itself.
    """

    unit: float
    correcting: float
    restoring: float


class Work(NamedTuple):
    """Work of the networks of an image.

    Attributes:
        passed: pixels that the passes of the first estimates of copies filter, and the last one
            over what networks made.
        correcting: optimiser steps of networks that correct an estimate; their application counts
            as steps.
        restoring: the same of networks that restore the JPEG by themselves.
    """

    passed: int
    correcting: int
    restoring: int

    def units(self, library: DeblockingNetwork | None, device: str) -> int:
        """Count all of it in units: a pass over a pixel is one."""
        steps = self.correcting + restorer_units(self.restoring, library)
        return self.passed + steps * step_units(device)

    def seconds(self, pace: Pace) -> float:
        """Tell how long it takes on this machine."""
        return (
            self.passed * pace.unit
            + self.correcting * pace.correcting
            + self.restoring * pace.restoring
        )


def networks_work(height: int, width: int, recipe: Preset) -> Work:
    """Sum up the work of all networks of an image's recipe, with that of their copies."""
    copies = sum(copy.height * copy.width for copy in copies_of(height, width))
    applied = application_units(height, width)
    steps = sum(steps_in(number, recipe.steps) + applied for number in range(recipe.rounds))
    alone = recipe.alone + applied if recipe.alone else 0
    passed = recipe.rounds * recipe.passes * copies
    if recipe.rounds or recipe.alone:
        passed += height * width
    return Work(passed, recipe.networks * steps, recipe.networks * alone)
