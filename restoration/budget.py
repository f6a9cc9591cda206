"""How much work a recipe is, and the recipe that fits into a time on this machine."""

from __future__ import annotations

import time
from dataclasses import replace

from restoration.internal_learning.copies import SMALLEST, copies_of
from restoration.internal_learning.ensemble import (
    WINDOW_STEP,
    application_units,
    restorer_units,
)
from restoration.internal_learning.library.pictures import SMALLEST as SMALLEST_WINDOWED
from restoration.presets import Preset

FULL_SIZE = 768 * 512  # pixels from which on networks take all steps of their preset
FEWEST = 100  # steps for which networks are worth their processes
STEP_PIXELS = 2**15  # pixels that a pass of the first estimate filters in the time of a step
# Times the passes' pace that of a whole first estimate, which also smooths and looks for matches.
BESIDE_PASSES = 1.8
# Steps of a network before something else is worth more, on images of ``FULL_SIZE`` like the next;
# on one of 192 x 192, more than these gave less than the preset "balanced".
LONGEST = 400
FEWEST_ALONE = 1000  # steps with which a network that restores by itself is an aid
MOST_ALONE = 10_000  # of its steps
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


def networks_units(height: int, width: int, recipe: Preset) -> int:
    """Count the work of all networks of an image's recipe in units, with that of their copies."""
    if not recipe.rounds:
        return 0
    units = sum(
        round_units(height, width, recipe, steps_in(number, recipe.steps))
        for number in range(recipe.rounds)
    )
    if recipe.alone:
        restorer = restorer_units(recipe.alone, height, width)
        units += recipe.networks * restorer * STEP_PIXELS
    return units


def round_units(height: int, width: int, preset: Preset, steps: int) -> int:
    """Count the work of a round of networks in units, the estimates of its copies included."""
    copies = sum(copy.height * copy.width for copy in copies_of(height, width))
    networks = preset.networks * (steps + application_units(height, width))
    return preset.passes * copies + networks * STEP_PIXELS


def recipe_within(seconds: float, pace: float, height: int, width: int, preset: Preset) -> Preset:
    """Choose rounds and steps that fit into a time, once the first estimate is made.

    A second round is begun where a network has all of the ``LONGEST`` steps in one, and at least
    half as many in the first of two, which is about as good. Where there is time for
    ``FEWEST_ALONE`` steps after two such rounds, a network learns to restore the JPEG by itself.
    Small images take fewer, see ``recipe_for``. So the work, and with it the quality, never falls
    as the time grows; not all of it is always used.

    Args:
        seconds: that are left.
        pace: seconds for a unit of work on this machine.
        height: of the image, pixels.
        width: of the image, pixels.
        preset: tells all else.

    Returns:
        The recipe of this very image. No rounds where not even the fewest steps fit, or where it is
        too small.
    """
    most = recipe_for(height, width, replace(preset, rounds=2, steps=LONGEST, alone=MOST_ALONE))
    units = int((RESERVE * seconds - START) / pace) if most.rounds else 0
    recipe = replace(preset, rounds=0)
    for rounds, fewest in ((1, FEWEST), (2, most.steps // 2)):
        left = units - rounds * round_units(height, width, preset, 0)
        steps = int(left / (1 + LATER * (rounds - 1))) // (preset.networks * STEP_PIXELS)
        if steps < fewest:
            return recipe
        recipe = replace(preset, rounds=rounds, steps=min(steps, most.steps), alone=0)
        if steps < most.steps:
            return recipe
    left = units - networks_units(height, width, recipe)
    fitting = left // (preset.networks * STEP_PIXELS) - restorer_units(0, height, width)
    alone = min(int(fitting / WINDOW_STEP), most.alone)
    fewest = recipe_for(height, width, replace(preset, rounds=2, alone=FEWEST_ALONE)).alone
    return replace(recipe, alone=alone) if alone >= fewest else recipe
