"""What ``restoration restore`` reads and writes: inputs found, outputs named, nothing destroyed."""

from __future__ import annotations

import glob
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from restoration.errors import RestorationError, UsageError
from restoration.support.files import Content, safe_name

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
OTHER_IMAGES = (*SUFFIXES, ".webp", ".tif", ".tiff", ".bmp")  # that a result is not written as
MADE = ".restored.png"
STANDARD = Path("-")  # standard input or output


@dataclass(frozen=True)
class Job:
    """One file to restore.

    Attributes:
        source: the picture, in memory where it came from standard input.
        target: the PNG to write, or ``STANDARD``.
        named: whether the user named this very file, rather than a folder or pattern.
    """

    source: Path | Content
    target: Path
    named: bool


def find_inputs(inputs: Sequence[str]) -> list[tuple[Path, bool]]:
    """Resolve files, folders and patterns; whether each file was named by itself.

    A dash is kept: it stands for standard input.

    Raises:
        UsageError: a folder or pattern holds no JPEG, or cannot be looked into.
    """
    found: dict[str, tuple[Path, bool]] = {}  # by absolute path, so that no file is done twice
    for text in inputs:
        path = Path(text)
        try:
            if text == "-":
                files = [STANDARD]
            elif os.path.isdir(path):
                files = sorted(
                    p
                    for p in path.iterdir()
                    # macOS leaves ._photo.jpg beside photo.jpg: attributes, no picture
                    if p.suffix.lower() in SUFFIXES and not p.name.startswith("._")
                )
            elif not os.path.exists(path) and glob.has_magic(text):
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
    if STANDARD in (output, *(source for source, _ in inputs)):
        return [piped([source for source, _ in inputs], output)]
    if output is not None and output.suffix.lower() == ".png" and not output.is_dir():
        if len(inputs) > 1:
            raise UsageError(f"{output} cannot hold {len(inputs)} images; name a folder")
        return [Job(inputs[0][0], output, named=True)]
    if output is not None and output.suffix.lower() in OTHER_IMAGES and not output.is_dir():
        raise UsageError(f"{output}: results are PNG files; end the name in .png")
    places = [
        (source, named, (source.parent if output is None else output) / safe_name(source.stem))
        for source, named in inputs
    ]
    stems = Counter(place for *_, place in places)  # photo.jpg and photo.jpeg keep their suffixes
    jobs: dict[Path, Job] = {}
    for source, named, place in places:
        name = place.name if stems[place] == 1 else safe_name(source.name)
        target = place.with_name(name + MADE)
        if target in jobs:
            raise UsageError(
                f"{jobs[target].source} and {source} would both become {target}; give them one by "
                "one, with folders of their own"
            )
        jobs[target] = Job(source, target, named)
    return list(jobs.values())


def piped(sources: Sequence[Path], output: Path | None) -> Job:
    """Plan for a picture that comes from standard input, goes to standard output, or both.

    Raises:
        RestorationError: there is no standard input; ``UsageError`` where there are several
            pictures, no name for the result, or nobody who could read it.
    """
    if len(sources) > 1:
        raise UsageError(f"a pipe holds one image, not {len(sources)}; name a folder of files")
    if output is None or not (output == STANDARD or output.suffix.lower() == ".png"):
        raise UsageError("what comes from standard input has no name; give -o FILE.png or -o -")
    if output == STANDARD and sys.stdout.isatty():
        raise UsageError("the picture would go to the terminal; send it on: -o - > photo.png")
    if sources[0] != STANDARD:
        return Job(sources[0], output, named=True)
    if sys.stdin is None:
        raise RestorationError("there is no standard input")
    return Job(Content(sys.stdin.buffer.read(), "standard input"), output, named=True)


def check_places(jobs: Sequence[Job], truth: Path | None, sheet: Path | None) -> None:
    """Refuse outputs that are an input, the truth or another output, by whatever name.

    Raises:
        UsageError: one is; or the sheet is not named as a PNG.
    """
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"{sheet}: the comparison is a PNG file; end its name in .png")
    read = [job.source for job in jobs if isinstance(job.source, Path)]
    read += [] if truth is None else [truth]
    written = [job.target for job in jobs if job.target != STANDARD]
    written += [] if sheet is None else [sheet]
    for path in written:
        for source in read:
            if is_same(path, source):
                raise UsageError(f"{path} is {source}, which is read; write to another file")
    if sheet is not None and any(is_same(sheet, job.target) for job in jobs):
        raise UsageError(f"{sheet} cannot hold both the result and the comparison")


def is_same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, also by links."""
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):  # one of them is not there
        return os.path.realpath(one) == os.path.realpath(other)


def check_writable(path: Path | None, overwrite: bool) -> None:
    """Refuse a file that would be replaced untold, or that has no folder to lie in.

    Raises:
        RestorationError: it exists, or its folder is missing or not writable.
    """
    if path is None or path == STANDARD:
        return
    try:
        if os.path.isdir(path):
            raise RestorationError(f"{path} is a folder")
        exists = path.exists()
    except OSError as error:  # a name that is too long, say
        raise RestorationError(f"cannot write {path}: {error.strerror}") from error
    if exists and not overwrite:
        raise RestorationError(f"{path} exists; give --overwrite to replace it")
    if not os.access(path.parent, os.W_OK):
        reason = "not writable" if path.parent.is_dir() else "not a folder"
        raise RestorationError(f"cannot write {path}: {path.parent} is {reason}")
