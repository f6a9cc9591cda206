"""How much work a recipe is, and the recipe that fits into a time on this machine."""

from __future__ import annotations

import time
from dataclasses import replace

from restoration.internal_learning.copies import copies_of
from restoration.internal_learning.ensemble import application_units
from restoration.presets import Preset

FULL_SIZE = 768 * 512  # pixels from which on networks take all steps of their preset
FEWEST = 100  # steps for which networks are worth their processes
STEP_PIXELS = 2**15  # pixels that a pass of the first estimate filters in the time of a step
# Times the passes' pace that of a whole first estimate, which also smooths and looks for matches.
BESIDE_PASSES = 1.8
LONGEST = 800  # steps of a network before another round is worth more
MOST_STEPS, MOST_ROUNDS = 4000, 3
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


def steps_for(height: int, width: int, preset: Preset) -> int:
    """Tell how many steps each network takes: fewer for small images, of which it learns less.

    As the fourth root of the pixels: on tuning images of 481 x 321 and 256 x 256 pixels 0.08 and
    0.10 dB were lost when they were as the pixels.
    """
    return max(round(preset.steps * min(height * width / FULL_SIZE, 1) ** 0.25), 1)


def estimate_units(height: int, width: int, preset: Preset) -> int:
    """Count the work of a first estimate in units: a pass over a pixel is one."""
    return preset.passes * height * width


def steps_in(number: int, steps: int) -> int:
    """Tell the steps of a network in a round, numbered from 0, from those in the first."""
    return steps if number == 0 else int(LATER * steps)


def rounds_units(height: int, width: int, preset: Preset, rounds: int, steps: int) -> int:
    """Count the work of all rounds in units, where networks take some steps in the first."""
    return sum(
        round_units(height, width, preset, steps_in(number, steps)) for number in range(rounds)
    )


def round_units(height: int, width: int, preset: Preset, steps: int) -> int:
    """Count the work of a round of networks in units, the estimates of its copies included."""
    copies = sum(copy.height * copy.width for copy in copies_of(height, width))
    networks = preset.networks * (steps + application_units(height, width))
    return preset.passes * copies + networks * STEP_PIXELS


def recipe_within(seconds: float, pace: float, height: int, width: int, preset: Preset) -> Preset:
    """Choose the rounds and steps that fit into a time, once the first estimate is made.

    Another round is begun where networks would take more than ``LONGEST`` steps; so the work, and
    with it the quality, grows with the time.

    Args:
        seconds: that are left.
        pace: seconds for a unit of work on this machine.
        height: of the image, pixels.
        width: of the image, pixels.
        preset: tells all but rounds and steps.

    Returns:
        The recipe; its steps are those for this very image. No rounds where not even the fewest
        steps fit.
    """
    units = int((RESERVE * seconds - START) / pace)
    for rounds in range(1, MOST_ROUNDS + 1):
        left = units - rounds * round_units(height, width, preset, 0)
        steps = int(left / (1 + LATER * (rounds - 1))) // (preset.networks * STEP_PIXELS)
        if steps < FEWEST:
            return replace(preset, rounds=0)
        if steps <= LONGEST:
            break
    return replace(preset, rounds=rounds, steps=min(steps, MOST_STEPS))
