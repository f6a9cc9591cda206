"""``restoration sweep``: a whole grid from one YAML."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from restoration.errors import Interrupted, RestorationError, UsageError
from restoration.experiments.grid import read_grid
from restoration.experiments.runs import Run, runs_of
from restoration.experiments.sweep import Engine, sweep
from restoration.support.durations import readable
from restoration.support.usage import Parser

ENGINES = ("local", "ray")


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        "restoration sweep",
        "Run a grid of images, qualities, networks and losses. Finished runs are skipped, killed "
        "ones go on from their last checkpoint: give the same command again.",
    )
    p.add_argument("grid", metavar="GRID.yaml", help="configs/sweep/smoke.yaml, say.")
    p.add_argument("--data-root", type=Path, default=Path(), help="Folder of the images.")
    p.add_argument("--output", type=Path, required=True, help="Folder of the runs.")
    p.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="Key of the grid."
    )
    p.add_argument("--engine", choices=ENGINES, default="local", help="What does the runs.")
    p.add_argument("--workers", type=int, help="Runs at a time (default: one per GPU or core).")
    p.add_argument("--retries", type=int, default=1, help="Further attempts at failed runs.")
    p.add_argument("--shard", default="1/1", help="3/16: the third of sixteen parts of the grid.")
    p.add_argument("--dry-run", action="store_true", help="List the runs and estimate the time.")
    ray = p.add_argument_group("engine ray")
    ray.add_argument("--address", help="Running cluster, or auto (default: start one here).")
    ray.add_argument("--cpus-per-run", type=int, help="Cores of a run (default: 1).")
    ray.add_argument(
        "--gpus-per-run", type=float, help="0.25: four runs share a GPU (default: none)."
    )
    return p


def shard_of(runs: Sequence[Run], shard: str) -> list[Run]:
    """Take every n-th run: "3/16" is the third of sixteen parts.

    Raises:
        UsageError: It is not that.
    """
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise UsageError(f"--shard {shard}: give 3/16 for the third of sixteen parts")
    return list(runs[int(part) - 1 :: int(parts)])


def engine_of(options: argparse.Namespace) -> Engine:
    """Start the engine that was asked for."""
    if options.engine == "ray":
        from restoration.experiments.engines.ray_cluster import RayEngine

        return RayEngine(
            options.workers,
            options.address,
            options.cpus_per_run or 1,
            options.gpus_per_run or 0.0,
        )
    from restoration.experiments.engines.local import LocalEngine

    return LocalEngine(options.workers)


def show(runs: Sequence[Run], options: argparse.Namespace) -> None:
    """Print what would be run, by network, and how long it would take on this machine."""
    from restoration.experiments.engines.local import LocalEngine
    from restoration.experiments.timing import seconds_of

    workers = LocalEngine(options.workers).workers
    table = Table("network", "runs", "finished", "time left")
    total = 0.0
    count, finished = (
        Counter(r.labels["network"] for r in some)
        for some in (runs, [r for r in runs if r.finished])
    )
    for network, number in count.items():
        left = [r for r in runs if r.labels["network"] == network and not r.finished]
        seconds = seconds_of(left) / workers
        total += seconds
        table.add_row(network, str(number), str(finished[network]), readable(seconds))
    for run in runs:
        print(run.folder, "finished" if run.finished else "")
    console = Console()
    console.print(table)
    console.print(
        f"{len(runs)} runs, about {readable(total)} with {workers} at a time on this machine",
        highlight=False,
    )


def main(arguments: Sequence[str]) -> int:
    """Run ``restoration sweep``; return 0 all done, 1 some failed.

    Raises:
        RestorationError: The grid cannot be run (``UsageError``: the options are wrong).
        Interrupted: The user stopped it.
        SystemExit: Wrong usage (2), or help was asked for (0).
    """
    options = parser().parse_args(arguments)
    if options.workers is not None and options.workers < 1:
        raise UsageError("--workers must be at least 1")
    if options.engine != "ray":
        for option in ("address", "cpus_per_run", "gpus_per_run"):
            if getattr(options, option) is not None:
                raise UsageError(f"--{option.replace('_', '-')} goes with --engine ray")
    elif options.cpus_per_run is not None and options.cpus_per_run < 1:
        raise UsageError("--cpus-per-run must be at least 1")
    elif options.gpus_per_run is not None and options.gpus_per_run < 0:
        raise UsageError("--gpus-per-run must not be negative")
    runs = runs_of(read_grid(options.grid, options.set), options.data_root, options.output)
    runs = shard_of(runs, options.shard)
    if options.dry_run:
        show(runs, options)
        return 0
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestorationError(f"cannot write to {options.output}: {error.strerror}") from error
    if not os.access(options.output, os.W_OK):
        raise RestorationError(f"cannot write to {options.output}: it is not writable")
    # schedulers send it before they kill: the runs save what they have, as at Ctrl-C
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        failed = sweep(runs, engine_of(options), options.retries)
    except KeyboardInterrupt as stop:
        raise Interrupted("stopped; to go on, give the same command again") from stop
    finally:
        signal.signal(signal.SIGTERM, before)
    print(f"{len(runs) - failed} of {len(runs)} runs are finished", file=sys.stderr)
    return 1 if failed else 0
