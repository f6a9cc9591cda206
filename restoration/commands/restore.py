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
from typing import TYPE_CHECKING, Any

from restoration.commands.inputs import STANDARD, find_inputs, tell_left_out
from restoration.commands.learn import learn_from
from restoration.commands.restore_options import parser
from restoration.commands.restore_plan import (
    Job,
    check_places,
    check_writable,
    format_of,
    is_file_name,
    plan,
)
from restoration.commands.restore_table import show, without_place
from restoration.errors import Interrupted, RestorationError, UsageError, foreseen
from restoration.formats.opening import check_image, read_bytes
from restoration.formats.writing import Format
from restoration.support.durations import readable, seconds_of
from restoration.support.progress import Display

if TYPE_CHECKING:
    from restoration.restoring import Shared

TOGETHER, TOGETHER_TIME = "library.ckpt", "1h"


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
    if options.budget is not None and options.preset is not None and not options.together:
        raise UsageError("give --preset or --budget, not both")
    for option in ("truth", "compare"):
        if getattr(options, option) is not None and len(jobs) > 1:
            raise UsageError(f"--{option} goes with one input, not with {len(jobs)}")
    for path in (options.truth, options.network):
        if path is not None:
            read_bytes(path)
    tell_left_out(left)
    if options.output not in (None, STANDARD) and not is_file_name(options.output):
        make_folder(options.output)
    if options.together:
        learn_together(jobs, options)
    reports: list[dict[str, Any]] = []
    try:
        with ExitStack() as stack:

            @cache
            def shared() -> Shared:
                from restoration.commands.restore_file import settings_of  # imports torch: seconds
                from restoration.restoring import shared_by

                return stack.enter_context(shared_by(settings_of(options)))

            todo = [not is_done(job, options) for job in jobs]
            for number, job in enumerate(jobs, 1):
                ending = all_in(reports, sum(todo[number - 1 :]))
                count = f"[{number}/{len(jobs)}{ending}] " if len(jobs) > 1 else ""
                reports.append(attempt(job, options, form, count, shared))
    except KeyboardInterrupt as stop:
        tell(reports, options, form)
        done = sum("output" in r for r in reports)
        raise Interrupted(
            f"stopped; {done} of {len(jobs)} restored, {onwards(jobs[len(reports) :], options)}"
        ) from stop
    tell(reports, options, form)
    return 1 if any("error" in r for r in reports) else 0


def onwards(left: Sequence[Job], options: argparse.Namespace) -> str:
    """Say what goes on with the files that are left."""
    if not options.overwrite:
        return "the same command goes on with the others"
    if any(os.path.isfile(job.target) for job in left):  # which would be skipped
        return "the same command begins anew"
    return "the same command without --overwrite goes on with the others"


def all_in(reports: Sequence[dict[str, Any]], left: int) -> str:
    """Tell how long all files that are left will take, at the pace of those that are restored."""
    seconds = [r["seconds"] for r in reports if "output" in r]
    return f", all in about {readable(left * sum(seconds) / len(seconds))}" if seconds else ""


def attempt(
    job: Job, options: argparse.Namespace, form: Format, count: str, shared: Callable[[], Shared]
) -> dict[str, Any]:
    """Restore one file, and report on it: also that it was skipped, or why it failed.

    Args:
        job: what to restore.
        options: of the command.
        form: of the file to write.
        count: which of how many files it is.
        shared: returns what the files have in common.

    Raises:
        RestorationError: that cannot be had, so that no file can be restored.
    """
    report: dict[str, Any] = {"input": str(job.source)}
    if is_done(job, options):
        print(f"{job.source}: skipped, {job.target} exists", file=sys.stderr)
        return report | {"skipped": str(job.target)}
    try:
        with foreseen(job.source):
            check_image(job.source, options.max_pixels)
            if options.recursive:
                make_folder(job.target.parent)
            for path in (job.target, options.compare):
                check_writable(path, options.overwrite)  # now, not after minutes of work
    except RestorationError as error:
        return report | failed(error)
    common = shared()
    from restoration.commands.restore_file import restore_file  # imports torch: seconds

    try:
        with foreseen(job.source), Display(partial(str, count + job.source.name)) as display:
            done = restore_file(job.source, job.target, options, form, display.advance, common)
    except RestorationError as error:
        return report | failed(error)
    if done["damage"]:
        print(
            f"{job.source}: the picture is {done['damage']}; restored as far as it is whole",
            file=sys.stderr,
        )
    if done["colours"]:
        print(f"{job.source}: {done['colours']}", file=sys.stderr)
    return report | {"output": str(job.target), **done}


def is_done(job: Job, options: argparse.Namespace) -> bool:
    """Whether a file is skipped, because its result is there, and the sheet that was asked for."""
    wanted = [job.target, *([] if options.compare is None else [options.compare])]
    return job.target != STANDARD and all(map(os.path.isfile, wanted)) and not options.overwrite


def failed(error: RestorationError) -> dict[str, str]:
    """Tell why a file failed; the others do not suffer from it."""
    print(f"restoration restore: error: {error}", file=sys.stderr)
    return {"error": str(error)}


def learn_together(jobs: Sequence[Job], options: argparse.Namespace) -> None:
    """Learn a library on all inputs, and have them restored with it.

    Raises:
        UsageError: there is no folder to keep it in, or another library is given.
        RestorationError: nothing can be learned from.
        Interrupted: the user stopped it.
    """
    if options.output in (None, STANDARD) or is_file_name(options.output):
        raise UsageError("--together needs -o FOLDER, in which the network is kept")
    if options.network is not None:
        raise UsageError("--together makes a network of its own; leave --network out")
    if all(is_done(job, options) for job in jobs):
        return  # nothing would be restored with it
    paths = [job.source for job in jobs if isinstance(job.source, Path)]
    options.network = options.output / TOGETHER
    budget = options.budget or seconds_of(TOGETHER_TIME)
    learn_from(paths, options.network, budget, options.seed, options.device, options.max_pixels)
    options.budget = None  # it is spent


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
