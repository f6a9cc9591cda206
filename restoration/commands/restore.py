"""``restoration restore``: files in, files out."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

from restoration.commands.inputs import STANDARD, find_inputs, told_left_out
from restoration.commands.restore_plan import (
    Job,
    check_places,
    check_writable,
    format_of,
    is_file_name,
    plan,
)
from restoration.commands.restore_table import show, without_place
from restoration.errors import Interrupted, RestorationError, UsageError
from restoration.formats.opening import MOST_PIXELS, check_image, read_bytes
from restoration.formats.writing import FORMATS, Format
from restoration.presets import PRESETS
from restoration.support.pool import Pool
from restoration.support.progress import Display
from restoration.support.usage import Parser, duration, quality, seed, share, tile


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        prog="restoration restore",
        description="Make badly compressed JPEGs better, and pictures that once were JPEGs. Each "
        "photo.jpg becomes photo.restored.png, with its colour profile, EXIF, XMP, IPTC, density "
        "and comment.",
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
        help="file for one input, or folder (default: beside it); - for standard output",
    )
    p.add_argument(
        "--format",
        choices=[f.name for f in FORMATS],
        help="of the results: png and webp without loss, png16 and tiff with 16 bits, jpeg at "
        "quality 95 without subsampling, jxl without loss where pillow-jxl-plugin is installed "
        "(default: by the ending of -o, or png)",
    )
    p.add_argument(
        "-r", "--recursive", action="store_true", help="look into the folders in folders, too"
    )
    p.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="fast: 7 seconds; balanced: 3 minutes; best: 9 minutes for 768 x 512 on two cores "
        "(default: balanced; with --network fast)",
    )
    p.add_argument(
        "--strength",
        type=share,
        default=1.0,
        help="0 to 1: from the JPEG to the restored picture, for those who want back some of the "
        "grain (default: 1)",
    )
    p.add_argument(
        "--network",
        type=Path,
        metavar="LIBRARY.ckpt",
        help="what restoration learn made; with balanced it goes on learning on each file",
    )
    p.add_argument(
        "--budget",
        type=duration,
        metavar="TIME",
        help="time for each picture instead of a preset: 30s, 5m, 1h",
    )
    p.add_argument("--seed", type=seed, default=0, help="Seed of all randomness.")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    p.add_argument("--truth", type=Path, help="the original of one input, for measuring only")
    p.add_argument(
        "--tile", type=tile, help="side of the tiles of large images, 0 for none (default: 1024)"
    )
    p.add_argument(
        "--max-pixels", type=int, default=MOST_PIXELS, help="Pixels of the largest image taken."
    )
    p.add_argument("--strict", action="store_true", help="Refuse pictures that are damaged.")
    p.add_argument(
        "--history",
        choices=["auto", "none"],
        default="auto",
        help="auto: undo earlier JPEG compressions that show in the pixels; none: only the file's",
    )
    p.add_argument(
        "--quality", type=quality, help="restore as if saved as a JPEG of this quality, 1 to 100"
    )
    p.add_argument(
        "--strip",
        action="store_true",
        help="write nothing beside the picture but its colour profile, which colours need",
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
    form = format_of(options.output, options.format)
    inputs, left = find_inputs(options.inputs, options.recursive)
    jobs = plan(inputs, options.output, form)
    check_places(jobs, options.truth, options.compare)
    if options.budget is not None and options.preset is not None:
        raise UsageError("give --preset or --budget, not both")
    for option in ("truth", "compare"):
        if getattr(options, option) is not None and len(jobs) > 1:
            raise UsageError(f"--{option} goes with one input, not with {len(jobs)}")
    for path in (options.truth, options.network):
        if path is not None:
            read_bytes(path)
    for folder, kinds in left.items():
        print(f"{folder}: left out {told_left_out(kinds)}", file=sys.stderr)
    if options.output not in (None, STANDARD) and not is_file_name(options.output):
        make_folder(options.output)
    reports: list[dict[str, Any]] = []
    try:
        with ExitStack() as stack:

            @cache
            def pool() -> Pool:
                from restoration.commands.restore_file import settings_of  # imports torch: seconds
                from restoration.restoring import shared_pool

                return stack.enter_context(shared_pool(settings_of(options)))

            for number, job in enumerate(jobs, 1):
                count = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
                reports.append(attempt(job, options, form, count, pool))
    except KeyboardInterrupt as stop:
        tell(reports, options, form)
        again = "the same command without --overwrite" if options.overwrite else "the same command"
        done = sum("output" in r for r in reports)
        raise Interrupted(
            f"stopped; {done} of {len(jobs)} restored, {again} goes on with the others"
        ) from stop
    tell(reports, options, form)
    return 1 if any("error" in r for r in reports) else 0


def attempt(
    job: Job, options: argparse.Namespace, form: Format, count: str, pool: Callable[[], Pool]
) -> dict[str, Any]:
    """Restore one file, and report on it: also that it was skipped, or why it failed.

    Args:
        job: what to restore.
        options: of the command.
        form: of the file to write.
        count: which of how many files it is.
        pool: returns the processes that the files share.
    """
    report: dict[str, Any] = {"input": str(job.source)}
    try:
        if job.target != STANDARD and os.path.isfile(job.target) and not options.overwrite:
            print(f"{job.source}: skipped, {job.target} exists", file=sys.stderr)
            return report | {"skipped": str(job.target)}
        check_image(job.source, options.max_pixels)
        if options.recursive:
            make_folder(job.target.parent)
        for path in (job.target, options.compare):
            check_writable(path, options.overwrite)  # now, not after minutes of work
        from restoration.commands.restore_file import restore_file  # imports torch: seconds

        with Display(partial(str, count + job.source.name)) as display:
            done = restore_file(job.source, job.target, options, form, display.advance, pool())
    except RestorationError as error:  # the other files do not suffer from it
        print(f"restoration restore: error: {error}", file=sys.stderr)
        return report | {"error": str(error)}
    if done["damage"]:
        print(
            f"{job.source}: the picture is {done['damage']}; restored as far as it is whole",
            file=sys.stderr,
        )
    if done["colours"]:
        print(f"{job.source}: {done['colours']}", file=sys.stderr)
    return report | {"output": str(job.target), **done}


def make_folder(path: Path) -> None:
    """Make a folder and those above it, where they are missing.

    Raises:
        RestorationError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestorationError(f"cannot write to {path}: {error.strerror}") from error


def tell(reports: Sequence[dict[str, Any]], options: argparse.Namespace, form: Format) -> None:
    """Print what became of the files: on stderr where the picture itself goes to stdout."""
    told = sys.stderr if options.output == STANDARD else sys.stdout
    if options.json:
        print(json.dumps(reports, indent=2), file=told)
    else:
        show(reports, told)
    lost = without_place(reports, form.name)
    if lost:
        print(lost, file=sys.stderr)


def main(arguments: Sequence[str]) -> int:
    """Run ``restoration restore``; return 0 all done, 1 some failed.

    Raises:
        RestorationError: nothing can be written, or (``UsageError``) the options contradict.
        Interrupted: the user stopped it.
        SystemExit: wrong usage (2), or help was asked for (0).
    """
    return run(parser().parse_args(arguments))
