"""Working off a grid: what is left, how it goes on, what failed."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from restoration.errors import RestorationError
from restoration.experiments.engines.running import Outcome, write_labels
from restoration.experiments.runs import Run
from restoration.run_folder import FAILED
from restoration.support.files import write_atomically
from restoration.support.progress import Display


class Engine(Protocol):
    """What works off runs.

    Attributes:
        workers: Number of runs at a time.
    """

    workers: int

    def run(self, runs: Sequence[Run]) -> Iterator[Outcome]:
        """Yield how runs end, as they do; an error of a run is never raised."""


LOOK_AGAIN = 5.0  # seconds after which runs that others hold are looked at again


class Tally:
    """Count runs, and tell the time left from the runs that are done, network by network.

    Args:
        runs: Runs that are to be done.
        workers: Number of runs at a time.
    """

    def __init__(self, runs: Sequence[Run], workers: int) -> None:
        self.left = {run.identity: run for run in runs}
        self.workers = workers
        self.done = 0
        self.failed = 0
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        run = self.left.pop(outcome.identity)
        if outcome.held:
            return
        if outcome.error is None:
            self.done += 1
            self.seconds[run.labels["network"]].append(outcome.seconds)
        else:
            self.failed += 1

    @property
    def remaining(self) -> float | None:
        """Seconds left, None while nothing is known."""
        known = [s for values in self.seconds.values() for s in values]
        if not known:
            return None
        means = {network: sum(s) / len(s) for network, s in self.seconds.items()}
        overall = sum(known) / len(known)
        total = sum(means.get(run.labels["network"], overall) for run in self.left.values())
        return total / max(min(self.workers, len(self.left)), 1)

    def __str__(self) -> str:
        running = min(self.workers, len(self.left))
        return f"{self.done} done, {self.failed} failed, {running} running, {len(self.left)} left"


def sweep(runs: Sequence[Run], engine: Engine, retries: int) -> int:
    """Work off the runs that are not finished; failed ones again, ``retries`` times.

    A run that fails for good leaves ``failed.json`` with its error; the others do not suffer. Wrong
    settings are neither tried again nor told again for each run that has them.

    Args:
        runs: All runs of a grid, finished ones too.
        engine: What does the work.
        retries: Number of further attempts at a failed run.

    Returns:
        The number of runs that failed.
    """
    by_identity = {run.identity: run for run in runs}
    todo = [run for run in by_identity.values() if not run.finished]
    for run in by_identity.values():
        if run.finished:  # maybe by an earlier version, which said less
            with suppress(OSError, RestorationError):  # a folder to read alone
                write_labels(run)
    if len(todo) < len(by_identity):
        print(f"{len(by_identity) - len(todo)} runs are finished already", file=sys.stderr)
    attempts: Counter[str] = Counter()
    failed = 0
    told: set[str | None] = set()
    while todo:
        again, waiting = [], True
        for outcome in watched(todo, engine):
            run = by_identity[outcome.identity]
            if outcome.held:  # by another sweep, which may finish it or die
                again.append(run)
                continue
            waiting = False
            if outcome.error is None:
                (run.folder / FAILED).unlink(missing_ok=True)
                continue
            attempts[run.identity] += 1
            last = outcome.refused or attempts[run.identity] > retries
            if last:
                failed += 1
            else:
                again.append(run)
            leave_error(run, outcome, attempts[run.identity])
            if outcome.refused:
                if outcome.error in told:
                    continue
                told.add(outcome.error)
            print(
                f"{run.folder}: {'failed' if last else 'will be tried again'}: {outcome.error}",
                file=sys.stderr,
            )
        todo = again
        if todo and waiting:
            time.sleep(LOOK_AGAIN)
    return failed


def leave_error(run: Run, outcome: Outcome, attempts: int) -> None:
    """Write ``failed.json`` if that can be: a full disk must not end the others."""
    record = {"error": outcome.error, "attempts": attempts, "details": outcome.details}
    with suppress(OSError, ValueError):
        run.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(run.folder / FAILED, json.dumps(record, indent=2).encode())


def watched(runs: Sequence[Run], engine: Engine) -> Iterator[Outcome]:
    """Pass on outcomes, and show how it goes on."""
    if not runs:
        return
    tally = Tally(runs, engine.workers)
    with Display(lambda: str(tally), lambda: tally.remaining) as display:
        for outcome in engine.run(runs):
            tally.add(outcome)
            display.advance(1, len(runs))
            yield outcome
