"""Small grids for the tests of sweeps."""

from pathlib import Path

from restoration.experiments.engines.running import attempt
from restoration.experiments.grid import Grid
from restoration.experiments.runs import runs_of


def grid(**changes):
    steps = {"trainer": {"max_steps": 6}, "checkpoint": {"every": 2}}
    defaults = {
        "images": ["a.png"],
        "qualities": [10],
        "networks": ["low"],
        "losses": ["mse"],
        "configs": ["configs/base.yaml"],
        "set": steps,
    }
    return Grid(**{**defaults, **changes})


def runs(output="runs", **changes):
    return runs_of(grid(**changes), Path(), Path(output))


class InProcess:
    """An engine that works in this process."""

    workers = 1

    def run(self, some):
        yield from map(attempt, some)
