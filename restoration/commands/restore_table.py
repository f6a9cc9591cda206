"""What ``restoration restore`` says at its end: a table, a count, what had no place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

Reports = Sequence[dict[str, Any]]
STATES = {"output": "restored", "error": "failed", "skipped": "skipped"}
SHORT = ("size", "JPEG quality", "seconds")
MEASURES = (("psnr", "dB", ".2f"), ("ms_ssim", "MS-SSIM", ".3f"))
TOO_SMALL = "needs sides of 176 pixels"
EQUAL = "equal to the original"  # where the PSNR is infinite


def show(reports: Reports, file: TextIO | None = None) -> None:
    """Print what became of the files and how many there are of which kind; on stdout by default."""
    finished = [r for r in reports if "output" in r]
    if len(finished) == 1:
        Console(file=file).print(rows(finished[0]))
    elif finished:
        Console(file=file).print(table(finished))
    if len(reports) > 1 or any("skipped" in r for r in reports):
        print(summary(reports), file=file)


def table(finished: Reports) -> Table:
    """Make a table with a line for each file; it is as wide as the terminal at most."""
    made = Table(Column("file", overflow="fold"), *SHORT, box=box.SIMPLE_HEAD, pad_edge=False)
    for r in finished:
        made.add_row(escape(r["output"]), *known(r).values())
    return made


def rows(report: dict[str, Any]) -> Table:
    """Make a table of one file; where a truth was given it tells the distance to that."""
    made = Table.grid(Column(), Column(overflow="fold"), padding=(0, 2))
    told = {"restored": escape(report["output"]), **known(report)}
    if report["jpeg"] is not None:
        for name, unit, form in MEASURES:
            both = [report[image][name] for image in ("jpeg", "restored")]
            if name == "ms_ssim" and None in both:
                told[f"JPEG -> restored, {unit}"] = TOO_SMALL
                continue
            told[f"JPEG -> restored, {unit}"] = " -> ".join(
                EQUAL if x is None else format(x, form) for x in both
            )
    for title, value in told.items():
        made.add_row(title, value)
    return made


def known(report: dict[str, Any]) -> dict[str, str]:
    """Tell what there is to tell of every file, by column."""
    width, height = report["size"]
    quality = report["history"] or str(report["quality"])
    return dict(zip(SHORT, (f"{width}x{height}", quality, f"{report['seconds']:.1f}"), strict=True))


def summary(reports: Reports) -> str:
    """Count what became of the files; where something is left to do, say how it is done."""
    counts = {word: sum(state in r for r in reports) for state, word in STATES.items()}
    told = ", ".join(f"{n} {word}" for word, n in counts.items() if n or word == "restored")
    if counts["failed"]:
        return told + "; the same command goes on"
    return told + ("; --overwrite replaces what there is" if counts["skipped"] else "")


def without_place(reports: Reports, name: str) -> str | None:
    """Say in one line what of the files had no place in results of the format ``name``."""
    counts = Counter(what for r in reports for what in r.get("left_out", ()))
    if not counts:
        return None
    several = len(reports) > 1
    told = (f"{what} ({n} files)" if several and n > 1 else what for what, n in counts.items())
    return f"no place in {name} for: {', '.join(told)}"
