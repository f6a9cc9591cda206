"""``restoration restore``: files in, files out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from restoration.commands.restore_plan import (
    STANDARD,
    check_places,
    check_writable,
    find_inputs,
    plan,
)
from restoration.errors import Interrupted, RestorationError, UsageError
from restoration.presets import PRESETS
from restoration.support.usage import Parser, seed

METRICS = ("PSNR", "after", "MS-SSIM", "after")  # columns, in pairs: the JPEG, the result


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        prog="restoration restore",
        description="Make badly compressed JPEGs better, and pictures that once were JPEGs. Each "
        "photo.jpg becomes photo.restored.png with its colour profile and EXIF.",
    )
    p.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, folders of JPEGs or patterns; - for standard input",
    )
    p.add_argument(
        "-o",
        "--output",
        type=Path,
        help="PNG file for one input, or folder (default: beside it); - for standard output",
    )
    p.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="fast: 7 seconds; balanced: 3 minutes; best: 9 minutes for 768 x 512 on two cores "
        "(default: balanced; with --network fast)",
    )
    p.add_argument(
        "--network",
        type=Path,
        metavar="LIBRARY.ckpt",
        help="what restoration learn made; with balanced it goes on learning on each file",
    )
    p.add_argument("--seed", type=seed, default=0, help="Seed of all randomness.")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    p.add_argument("--truth", type=Path, help="the original of one input, for measuring only")
    p.add_argument(
        "--tile", type=int, help="side of the tiles of large images, 0 for none (default: 1024)"
    )
    p.add_argument(
        "--max-pixels", type=int, default=200_000_000, help="Pixels of the largest image taken."
    )
    p.add_argument("--strict", action="store_true", help="Refuse pictures that are damaged.")
    p.add_argument(
        "--history",
        choices=["auto", "none"],
        default="auto",
        help="auto: undo earlier JPEG compressions that show in the pixels; none: only the file's",
    )
    p.add_argument(
        "--quality", type=int, help="restore as if saved as a JPEG of this quality, 1 to 100"
    )
    p.add_argument("--compare", type=Path, metavar="SHEET.png", help="write before and after")
    p.add_argument("--json", action="store_true", help="print the reports as JSON")
    p.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    return p


def run(options: argparse.Namespace) -> int:
    """Restore all inputs; return 0 all done, 1 some failed.

    Raises:
        UsageError: the options contradict each other.
        RestorationError: the folder of the outputs cannot be made.
        Interrupted: the user stopped it.
    """
    jobs = plan(find_inputs(options.inputs), options.output)
    check_places(jobs, options.truth, options.compare)
    for option in ("truth", "compare"):
        if getattr(options, option) is not None and len(jobs) > 1:
            raise UsageError(f"--{option} goes with one input, not with {len(jobs)}")
    told = sys.stderr if options.output == STANDARD else sys.stdout
    if options.output not in (None, STANDARD) and options.output.suffix.lower() != ".png":
        try:
            options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RestorationError(f"cannot write to {options.output}: {error.strerror}") from error
    # these import torch: seconds
    from restoration.commands.restore_file import restore_file, settings_of
    from restoration.public import shared_pool

    reports: list[dict[str, Any]] = []
    failed = done = 0
    with shared_pool(settings_of(options)) as pool:
        for number, job in enumerate(jobs, 1):
            if job.target.exists() and not options.overwrite and not job.named:
                print(f"{job.source}: skipped, {job.target} exists", file=sys.stderr)
                reports.append({"input": str(job.source), "skipped": str(job.target)})
                continue
            count = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
            try:
                for path in (job.target, options.compare):
                    check_writable(path, options.overwrite)  # now, not after minutes of work
                report = restore_file(job.source, job.target, options, count, pool)
            except RestorationError as error:  # the other files do not suffer from it
                print(f"restoration restore: error: {error}", file=sys.stderr)
                reports.append({"input": str(job.source), "error": str(error)})
                failed += 1
            except KeyboardInterrupt as stop:
                raise Interrupted(f"stopped; {done} of {len(jobs)} files are done") from stop
            else:
                reports.append({"input": str(job.source), "output": str(job.target), **report})
                if report["damage"]:
                    print(
                        f"{job.source}: the picture is {report['damage']}; "
                        "restored as far as it is whole",
                        file=sys.stderr,
                    )
                done += 1
    if options.json:
        print(json.dumps(reports, indent=2), file=told)
    elif done:
        show(reports, told)
    return 1 if failed else 0


def show(reports: Sequence[dict[str, Any]], file: TextIO) -> None:
    """Print the table of finished files."""
    finished = [r for r in reports if "output" in r]
    measured = finished[0]["jpeg"] is not None
    table = Table(
        Column("file", overflow="fold"),
        "size",
        Column("quality", overflow="fold"),
        "seconds",
        *METRICS[: len(METRICS) * measured],
    )
    for r in finished:
        width, height = r["size"]
        cells = [
            escape(r["output"]),
            f"{width}x{height}",
            r["history"] or f"{r['quality']}",
            f"{r['seconds']:.1f}",
        ]
        for name, form in (("psnr", ".2f"), ("ms_ssim", ".4f")) if measured else ():
            values = (r[image][name] for image in ("jpeg", "restored"))
            cells += ["-" if v is None else format(v, form) for v in values]
        table.add_row(*cells)
    Console(file=file).print(table)


def main(arguments: Sequence[str]) -> int:
    """Run ``restoration restore``; return 0 all done, 1 some failed.

    Raises:
        RestorationError: nothing can be written, or (``UsageError``) the options contradict.
        Interrupted: the user stopped it.
        SystemExit: wrong usage (2), or help was asked for (0).
    """
    return run(parser().parse_args(arguments))
