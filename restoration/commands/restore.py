"""``restoration restore``: files in, files out."""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from restoration.errors import Interrupted, RestorationError, UsageError
from restoration.presets import PRESETS
from restoration.support.usage import Parser

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
OTHER_IMAGES = (*SUFFIXES, ".webp", ".tif", ".tiff", ".bmp")  # that a result is not written as
MADE = ".restored.png"
METRICS = ("PSNR", "after", "MS-SSIM", "after")  # columns, in pairs: the JPEG, the result


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        prog="restoration restore",
        description="Make badly compressed JPEGs better, and pictures that once were JPEGs. Each "
        "photo.jpg becomes photo.restored.png with its colour profile and EXIF.",
    )
    p.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="pictures, folders of JPEGs or patterns"
    )
    p.add_argument(
        "-o", "--output", type=Path, help="PNG file for one input, or folder (default: beside it)"
    )
    p.add_argument(
        "--preset",
        choices=list(PRESETS),
        default="balanced",
        help="fast: seconds; balanced: minutes; best: up to 20 minutes for 768 x 512 on two cores",
    )
    p.add_argument("--seed", type=int, default=0, help="of all randomness")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    p.add_argument("--truth", type=Path, help="the original of one input, for measuring only")
    p.add_argument(
        "--tile", type=int, help="side of the tiles of large images, 0 for none (default: 1024)"
    )
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


@dataclass(frozen=True)
class Job:
    """One file to restore.

    Attributes:
        source: the JPEG.
        target: the PNG to write.
        named: whether the user named this very file, rather than a folder or pattern.
    """

    source: Path
    target: Path
    named: bool


def find_inputs(inputs: Sequence[str]) -> list[tuple[Path, bool]]:
    """Resolve files, folders and patterns; whether each file was named by itself.

    Raises:
        UsageError: a folder or pattern holds no JPEG, or cannot be looked into.
    """
    found: dict[str, tuple[Path, bool]] = {}  # by absolute path, so that no file is done twice
    for text in inputs:
        path = Path(text)
        try:
            if path.is_dir():
                files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            elif not path.exists() and glob.has_magic(text):
                some = map(Path, glob.glob(text, recursive=True))
                files = sorted(p for p in some if p.is_file())
            else:
                found[os.path.abspath(path)] = path, True
                continue
        except OSError as error:
            raise UsageError(f"cannot look into {text}: {error.strerror}") from error
        if not files:
            raise UsageError(f"no JPEG files ({', '.join(SUFFIXES)}) in {text}")
        for file in files:
            found.setdefault(os.path.abspath(file), (file, False))
    return list(found.values())


def plan(inputs: Sequence[tuple[Path, bool]], output: Path | None) -> list[Job]:
    """Name the output of each input: beside it, in the folder ``output``, or ``output`` itself.

    Raises:
        UsageError: two inputs would be written to one file.
    """
    if output is not None and output.suffix.lower() == ".png" and not output.is_dir():
        if len(inputs) > 1:
            raise UsageError(f"{output} cannot hold {len(inputs)} images; name a folder")
        return [Job(inputs[0][0], output, named=True)]
    if output is not None and output.suffix.lower() in OTHER_IMAGES and not output.is_dir():
        raise UsageError(f"{output}: results are PNG files; end the name in .png")
    places = [
        (source, named, (source.parent if output is None else output) / source.stem)
        for source, named in inputs
    ]
    stems = Counter(place for *_, place in places)  # photo.jpg and photo.jpeg keep their suffixes
    jobs: dict[Path, Job] = {}
    for source, named, place in places:
        name = place.name if stems[place] == 1 else source.name
        target = place.with_name(name + MADE)
        if target in jobs:
            raise UsageError(
                f"{jobs[target].source} and {source} would both become {target}; give them one by "
                "one, with folders of their own"
            )
        jobs[target] = Job(source, target, named)
    return list(jobs.values())


def run(options: argparse.Namespace) -> int:
    """Restore all inputs; return 0 all done, 1 some failed.

    Raises:
        UsageError: the options contradict each other.
        RestorationError: the folder of the outputs cannot be made.
        Interrupted: the user stopped it.
    """
    jobs = plan(find_inputs(options.inputs), options.output)
    for option in ("truth", "compare"):
        if getattr(options, option) is not None and len(jobs) > 1:
            raise UsageError(f"--{option} goes with one input, not with {len(jobs)}")
    if options.output is not None and options.output.suffix.lower() != ".png":
        try:
            options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RestorationError(f"cannot write to {options.output}: {error.strerror}") from error
    from restoration.commands.restore_file import restore_file  # imports torch: seconds

    reports: list[dict[str, Any]] = []
    failed = done = 0
    for number, job in enumerate(jobs, 1):
        if job.target.exists() and not options.overwrite and not job.named:
            print(f"{job.source}: skipped, {job.target} exists", file=sys.stderr)
            reports.append({"input": str(job.source), "skipped": str(job.target)})
            continue
        count = f"[{number}/{len(jobs)}] " if len(jobs) > 1 else ""
        try:
            for path in (job.target, options.compare):
                check_writable(path, options.overwrite)  # now, not after minutes of work
            report = restore_file(job.source, job.target, options, count)
        except RestorationError as error:  # the other files do not suffer from it
            print(f"restoration restore: error: {error}", file=sys.stderr)
            reports.append({"input": str(job.source), "error": str(error)})
            failed += 1
        except KeyboardInterrupt as stop:
            raise Interrupted(f"stopped; {done} of {len(jobs)} files are done") from stop
        else:
            reports.append({"input": str(job.source), "output": str(job.target), **report})
            done += 1
    if options.json:
        print(json.dumps(reports, indent=2))
    elif done:
        show(reports)
    return 1 if failed else 0


def check_writable(path: Path | None, overwrite: bool) -> None:
    """Refuse a file that would be replaced untold, or that has no folder to lie in.

    Raises:
        RestorationError: it exists, or its folder is missing or not writable.
    """
    if path is None:
        return
    if path.exists() and not overwrite:
        raise RestorationError(f"{path} exists; give --overwrite to replace it")
    if not os.access(path.parent, os.W_OK):
        reason = "not writable" if path.parent.is_dir() else "not a folder"
        raise RestorationError(f"cannot write {path}: {path.parent} is {reason}")


def show(reports: Sequence[dict[str, Any]]) -> None:
    """Print the table of finished files on stdout."""
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
    Console().print(table)


def restore(arguments: Sequence[str]) -> int:
    """Run ``restoration restore`` with the given arguments; return the exit code.

    Raises:
        RestorationError: nothing can be written, or (``UsageError``) the options contradict.
        Interrupted: the user stopped it.
        SystemExit: wrong usage (2), or help was asked for (0).
    """
    return run(parser().parse_args(arguments))
