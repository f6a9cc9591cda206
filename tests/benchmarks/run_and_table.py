"""The two commands of a benchmark: `run FOLDER RESULTS.json` and `table RESULTS.json`."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from restoration.errors import RestorationError
from restoration.experiments.archive import unpacked
from restoration.experiments.results import Record, read_records


class RunAndTable:
    """Its options.

    Args:
        description: of the benchmark.
        run: called with the options of ``run``.
        table: called with those of ``table``.
    """

    def __init__(
        self,
        description: str | None,
        run: Callable[[argparse.Namespace], None],
        table: Callable[[argparse.Namespace], None],
    ) -> None:
        self.parser = argparse.ArgumentParser(
            description=description, formatter_class=argparse.RawTextHelpFormatter
        )
        self.commands = self.parser.add_subparsers(required=True)
        self.run = self.commands.add_parser("run")
        self.run.add_argument("folder", type=Path, help="of clean images")
        self.run.add_argument("results", type=Path)
        self.run.add_argument("--images", nargs="+", default=[], help="of the folder, not all")
        self.run.set_defaults(function=run)
        self.table = self.commands.add_parser("table")
        self.table.add_argument("results", type=Path)
        self.table.set_defaults(function=table)

    def main(self) -> None:
        """Do what the command line says."""
        options = self.parser.parse_args()
        computes = hasattr(options, "folder")
        if not computes and not options.results.is_file():
            self.parser.error(f"no results in {options.results}; make them by run")
        if computes and not list(options.folder.glob("*.png")):
            self.parser.error(f"no PNG images in {options.folder}")
        options.function(options)


def runs_given(parser: argparse.ArgumentParser) -> tuple[argparse.Namespace, list[Record]]:
    """Parse the options of a script that is about runs, and read these."""
    parser.add_argument("runs", type=Path, help="folder, or what report --pack made")
    options = parser.parse_args()
    try:
        with unpacked(options.runs) as folder:
            return options, read_records(folder)[0]
    except RestorationError as error:
        parser.error(str(error))


def processor_seconds() -> float:
    """Seconds of all processors, those of finished processes of networks included."""
    user, system, ended_user, ended_system, _ = os.times()
    return user + system + ended_user + ended_system


def chosen(options: argparse.Namespace) -> list[Path]:
    """List the images that ``run`` is to work on."""
    paths = sorted(options.folder.glob("*.png"))
    return [p for p in paths if p.stem in options.images or not options.images]


def add_same(table: argparse.ArgumentParser) -> None:
    """Offer the option of a ``table`` whose rows go through ``same_images``."""
    table.add_argument("--same", nargs="+", default=[], help="methods whose common images count")


def same_images(rows: list[dict], methods: list[str]) -> list[dict]:
    """Keep the rows of images and qualities that all methods have: a fair comparison."""
    known = dict.fromkeys(r["method"] for r in rows)
    for method in methods:
        if method not in known:
            sys.exit(f"no results of {method!r}; there are {', '.join(known)}")
    having = [
        {(r["image"], r["quality"]) for r in rows if r["method"] == method} for method in methods
    ]
    return [r for r in rows if all((r["image"], r["quality"]) in some for some in having)]
