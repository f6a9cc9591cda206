"""How much work a recipe is, and the recipe that fits into a time on this machine."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

from restoration.internal_learning.copies import SMALLEST, copies_of
from restoration.internal_learning.ensemble import application_units, restorer_units
from restoration.internal_learning.library.pictures import SMALLEST as SMALLEST_WINDOWED
from restoration.internal_learning.library.sizes import ENTRY, USUAL
from restoration.internal_learning.pace import correction_pace, deblocking_pace
from restoration.networks.deblocking import DeblockingNetwork
from restoration.presets import BALANCED, Preset

FULL_SIZE = 768 * 512  # pixels from which on networks take all steps of their preset
FEWEST = 100  # steps for which networks are worth their processes
STEP_PIXELS = 2**15  # pixels that a pass of the first estimate filters in the time of a step
# Times the passes' pace that of a whole first estimate, which also smooths and looks for matches.
BESIDE_PASSES = 1.8
# Steps of a network before something else is worth more, on images of ``FULL_SIZE`` like the next;
# on one of 192 x 192, more than these gave less than the preset "balanced".
LONGEST = 400
FEWEST_ALONE = 600  # steps with which a network that restores by itself is an aid
MOST_ALONE = 10_000  # of its steps
TUNED = BALANCED.tuning  # steps of a library's network beside which correcting ones pay
# More of its steps gain on pictures unlike those of the library, and lose on others: 800 instead
# of 200 gave +0.06 dB on a tuning image, and -0.04 and -0.01 on two.
MOST_TUNED = 400
# Share of the first round's steps in later rounds, whose networks go on from those before.
LATER = 0.5
RESERVE = 0.9  # share of a time that is planned
START = 5.0  # seconds until processes for networks are there


class Clock:
    """Measures the pace of a first estimate: seconds for a unit of work.

    A process is slow at first; so the pace of the passes after the first one counts, where it is
    the better one.
    """

    def __init__(self) -> None:
        self.told = [(time.monotonic(), 0)]

    def advance(self, units: int) -> None:
        """Count units that are done."""
        self.told.append((time.monotonic(), self.told[-1][1] + units))

    @property
    def spent(self) -> float:
        """Tell the seconds from the start to the last unit."""
        return self.told[-1][0] - self.told[0][0]

    @property
    def lasted(self) -> float:
        """Tell the seconds from the start to this moment."""
        return time.monotonic() - self.told[0][0]

    @property
    def pace(self) -> float:
        """Tell the seconds for a unit, those that a pass over a pixel takes."""
        (began, _), (first, some), (last, units) = self.told[0], self.told[1], self.told[-1]
        pace = (last - began) / units
        if units > some:
            pace = min(pace, BESIDE_PASSES * (last - first) / (units - some))
        return pace


def recipe_for(height: int, width: int, preset: Preset) -> Preset:
    """Make a preset the recipe of an image: small ones take fewer steps, since they teach less.

    As the fourth root of the pixels: on tuning images of 481 x 321 and 256 x 256 pixels 0.08 and
    0.10 dB were lost when they were as the pixels. The smallest have nothing to learn from.
    """
    if min(height, width) < SMALLEST:
        return replace(preset, rounds=0)
    share = min(height * width / FULL_SIZE, 1) ** 0.25
    alone = preset.alone if min(height, width) >= SMALLEST_WINDOWED else 0
    return replace(preset, steps=max(round(preset.steps * share), 1), alone=round(alone * share))


def estimate_units(height: int, width: int, preset: Preset) -> int:
    """Count the work of a first estimate in units: a pass over a pixel is one."""
    return preset.passes * height * width


def steps_in(number: int, steps: int) -> int:
    """Tell the steps of a network in a round, numbered from 0, from those in the first."""
    return steps if number == 0 else int(LATER * steps)


class Work(NamedTuple):
    """Work of the networks of an image.

    Attributes:
        passed: pixels that the passes of the first estimates of copies filter.
        correcting: optimiser steps of networks that correct an estimate; their application counts
            as steps.
        restoring: the same of networks that restore the JPEG by themselves.
    """

    passed: int
    correcting: int
    restoring: int

    def units(self, library: DeblockingNetwork | None) -> int:
        """Count all of it in units: a pass over a pixel is one."""
        steps = self.correcting + restorer_units(self.restoring, library)
        return self.passed + steps * STEP_PIXELS

    def seconds(self, pace: Pace) -> float:
        """Tell how long it takes on this machine."""
        return (
            self.passed * pace.unit
            + self.correcting * pace.correcting
            + self.restoring * pace.restoring
        )


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


def networks_work(height: int, width: int, recipe: Preset) -> Work:
    """Sum up the work of all networks of an image's recipe, with that of their copies."""
    copies = sum(copy.height * copy.width for copy in copies_of(height, width))
    applied = application_units(height, width)
    steps = sum(steps_in(number, recipe.steps) + applied for number in range(recipe.rounds))
    alone = recipe.alone + applied if recipe.alone else 0
    return Work(
        recipe.rounds * recipe.passes * copies, recipe.networks * steps, recipe.networks * alone
    )


def recipe_in(
    budget: float,
    clock: Clock,
    height: int,
    width: int,
    preset: Preset,
    device: str,
    library: DeblockingNetwork | None,
) -> Preset:
    """Measure the pace of networks here, and choose the recipe for what is left of a time.

    Args:
        budget: seconds in all.
        clock: that has measured the first estimate.
        height: of the image, pixels.
        width: of the image, pixels.
        preset: tells all but rounds and steps.
        device: "cpu", "cuda" or "mps".
        library: the network that restores the JPEG by itself; None for a new one.
    """
    if RESERVE * (budget - clock.lasted) < START:
        return replace(preset, rounds=0, alone=0)
    net = DeblockingNetwork(*USUAL, ENTRY) if library is None else library
    pace = Pace(clock.pace, correction_pace(device), deblocking_pace(net, device))
    left = budget - clock.lasted
    return recipe_within(left, pace, height, width, preset, library is not None)


def recipe_within(
    seconds: float, pace: Pace, height: int, width: int, preset: Preset, library: bool = False
) -> Preset:
    """Choose rounds and steps that fit into a time, once the first estimate is made.

    Without a library: a second round is begun where a network has all of the ``LONGEST`` steps in
    one, and at least half as many in the first of two, which is about as good. Where there is time
    for ``FEWEST_ALONE`` steps after two such rounds, a network learns to restore the JPEG by
    itself. The network of a library restores it first of all: what is learned on other pictures
    and goes on learning on this one is worth more. Two whole rounds follow where they fit beside
    ``TUNED`` of its steps.

    Small images take fewer, see ``recipe_for``. So the work, and with it the quality, never falls
    as the time grows; not all of it is always used.

    Args:
        seconds: that are left.
        pace: of this machine.
        height: of the image, pixels.
        width: of the image, pixels.
        preset: tells all else.
        library: whether the network that restores the JPEG by itself is that of a library.

    Returns:
        The recipe of this very image. No rounds where not even the fewest steps fit, or where it is
        too small.
    """
    left = RESERVE * seconds - START

    def scaled(**changes: int) -> Preset:
        return recipe_for(height, width, replace(preset, **changes))

    def spent(recipe: Preset) -> float:
        return networks_work(height, width, recipe).seconds(pace)

    def alone(recipe: Preset, fewest: int, most: int) -> Preset:
        """Give a recipe the steps of restoring networks that fit, if they are enough."""
        one = spent(replace(recipe, alone=1)) - pace.restoring * preset.networks
        steps = min(int((left - one) / (pace.restoring * preset.networks)), most)
        return replace(recipe, alone=steps) if steps >= max(fewest, 1) else recipe

    none = replace(preset, rounds=0, alone=0)
    full = scaled(rounds=2, steps=LONGEST, alone=0)
    if not full.rounds:
        return none
    if library:
        tuned = scaled(rounds=2, steps=LONGEST, alone=TUNED)
        if not tuned.alone:
            return none
        some = full if spent(tuned) <= left else none
        return alone(some, 1, scaled(rounds=2, alone=MOST_TUNED).alone)
    recipe = none
    for rounds, fewest in ((1, FEWEST), (2, full.steps // 2)):
        applied = spent(replace(full, rounds=rounds, steps=0))
        steps = int((left - applied) / (1 + LATER * (rounds - 1)) / pace.correcting)
        steps //= preset.networks
        if steps < fewest:
            return recipe
        recipe = replace(full, rounds=rounds, steps=min(steps, full.steps))
        if steps < full.steps:
            return recipe
    fewest, most = (scaled(rounds=2, alone=some).alone for some in (FEWEST_ALONE, MOST_ALONE))
    return alone(recipe, fewest, most)
