"""The recipe that fits into a time on this machine."""

from __future__ import annotations

import time
from dataclasses import replace

from restoration.internal_learning.library.sizes import ENTRY, USUAL
from restoration.internal_learning.pace import correction_pace, deblocking_pace
from restoration.internal_learning.work import LATER, Pace, networks_work, recipe_for
from restoration.networks.deblocking import DeblockingNetwork
from restoration.presets import BALANCED, Preset

FEWEST = 100  # steps for which networks are worth their processes
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
RESERVE = 0.9  # share of a time that is planned
START = 5.0  # seconds in which processes for networks start, and the least that these may take


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

    def units_in(self, seconds: float) -> int:
        """Tell the units of all work of so many seconds, at the pace of that which is done."""
        return int(self.told[-1][1] * seconds / max(self.spent, 1e-3))

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


def recipe_in(
    budget: float,
    clock: Clock,
    height: int,
    width: int,
    preset: Preset,
    device: str,
    library: DeblockingNetwork | None,
    start: float = START,
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
        start: seconds until processes for networks are there.
    """
    if RESERVE * (budget - clock.lasted) < START:
        return replace(preset, rounds=0, alone=0)
    net = DeblockingNetwork(*USUAL, ENTRY) if library is None else library
    pace = Pace(clock.pace, correction_pace(device), deblocking_pace(net, device))
    left = RESERVE * (budget - clock.lasted) - start
    if library is None:
        return recipe_within(left, pace, height, width, preset)
    return recipe_with_library(left, pace, height, width, preset)


def recipe_within(left: float, pace: Pace, height: int, width: int, preset: Preset) -> Preset:
    """Choose rounds and steps of networks that fit into a time.

    A second round is begun where a network has all of the ``LONGEST`` steps in one, and at least
    half as many in the first of two, which is about as good. Where there is time for
    ``FEWEST_ALONE`` steps after two such rounds, a network learns to restore the JPEG by itself.
    Small images take fewer, see ``recipe_for``. So the work, and with it the quality, never falls
    as the time grows; not all of it is always used.

    Args:
        left: seconds of the networks, and of the estimates of copies.
        pace: of this machine.
        height: of the image, pixels.
        width: of the image, pixels.
        preset: tells all else.

    Returns:
        The recipe of this very image. No rounds where not even the fewest steps fit, or where it is
        too small.
    """
    full = recipe_for(height, width, replace(preset, rounds=2, steps=LONGEST, alone=0))
    recipe = replace(preset, rounds=0, alone=0)
    if not full.rounds:
        return recipe
    for rounds, fewest in ((1, FEWEST), (2, full.steps // 2)):
        applied = networks_work(height, width, replace(full, rounds=rounds, steps=0))
        time_of_steps = (left - applied.seconds(pace)) / (1 + LATER * (rounds - 1))
        steps = int(time_of_steps / pace.correcting) // preset.networks
        if steps < fewest:
            return recipe
        recipe = replace(full, rounds=rounds, steps=min(steps, full.steps))
        if steps < full.steps:
            return recipe
    fewest, most = (
        recipe_for(height, width, replace(full, alone=some)).alone
        for some in (FEWEST_ALONE, MOST_ALONE)
    )
    alone = min(steps_alone(recipe, left, pace, height, width), most)
    return replace(recipe, alone=alone) if alone >= fewest else recipe


def recipe_with_library(left: float, pace: Pace, height: int, width: int, preset: Preset) -> Preset:
    """Choose the steps of a library's network, and rounds of others, that fit into a time.

    What was learned on other pictures and goes on learning on this one is worth more than what
    begins there; so it comes first. Two whole rounds of the others follow where they fit beside
    ``TUNED`` of its steps. For the arguments see ``recipe_within``.

    Returns:
        The recipe of this very image. No steps where none fit, or where it is too small.
    """
    full = replace(preset, rounds=2, steps=LONGEST, alone=TUNED)
    tuned = recipe_for(height, width, full)
    recipe = replace(preset, rounds=0, alone=0)
    if not tuned.alone:
        return recipe
    if networks_work(height, width, tuned).seconds(pace) <= left:
        recipe = replace(tuned, alone=0)
    most = recipe_for(height, width, replace(full, alone=MOST_TUNED)).alone
    steps = min(steps_alone(recipe, left, pace, height, width), most)
    return replace(recipe, alone=max(steps, 0))


def steps_alone(recipe: Preset, left: float, pace: Pace, height: int, width: int) -> int:
    """Tell how many steps of networks that restore by themselves fit beside a recipe."""
    first = networks_work(height, width, replace(recipe, alone=1)).seconds(pace)
    return 1 + int((left - first) // (pace.restoring * recipe.networks))
