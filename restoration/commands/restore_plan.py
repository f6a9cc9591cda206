"""What ``restoration restore`` writes: outputs named, nothing destroyed."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from restoration.commands.inputs import MADE, STANDARD, Input, short_hash
from restoration.errors import RestorationError, UsageError
from restoration.formats.writing import FORMATS, PNG_8, Format, format_of_name
from restoration.support.files import Content, safe_name

PICTURE = re.compile(r"\.[A-Za-z]{2,4}")  # what endings of files look like, and "v1.2" does not

OTHER_IMAGES = (".jpe", ".jfif", ".bmp", ".gif", ".heic", ".avif", ".jp2", ".ppm", ".tga")


@dataclass(frozen=True)
class Job:
    """One file to restore.

    Attributes:
        source: the picture, in memory where it came from standard input.
        target: the file to write, or ``STANDARD``.
    """

    source: Path | Content
    target: Path


def is_file_name(output: Path | None) -> bool:
    """Whether ``-o`` names a file to write, rather than a folder.

    Raises:
        UsageError: it is named as a picture of a format that is not written.
    """
    if output is None or os.path.isdir(output):
        return False
    if output.suffix.lower() in OTHER_IMAGES:
        raise UsageError(
            f"{output}: such files are not written; end the name in one of {endings()}"
        )
    return format_of_name(output) is not None


def format_of(output: Path | None, name: str | None) -> Format:
    """Tell the format of the results, by ``--format`` or the ending of ``-o``; PNG by default.

    Raises:
        UsageError: the two contradict each other, or the format needs a package.
    """
    chosen = next((f for f in FORMATS if f.name == name), None)
    if output is not None and is_file_name(output):
        if chosen is not None and output.suffix.lower() not in chosen.suffixes:
            raise UsageError(
                f"{output} is not named as --format {name} asks; end it in {chosen.suffixes[0]}"
            )
        chosen = chosen or format_of_name(output)
    chosen = chosen or PNG_8
    chosen.check()
    return chosen


def plan(inputs: Sequence[Input], output: Path | None, form: Format = PNG_8) -> list[Job]:
    """Name the output of each input: beside it, in the folder ``output``, or ``output`` itself.

    Raises:
        UsageError: two inputs would be written to one file.
    """
    if STANDARD in (output, *(source for source, _ in inputs)):
        return [piped([source for source, _ in inputs], output, form)]
    if output is not None and is_file_name(output):
        if len(inputs) > 1:
            raise UsageError(f"{output} cannot hold {len(inputs)} images; name a folder")
        return [Job(inputs[0].source, output)]
    if output is not None and len(inputs) == 1 and PICTURE.fullmatch(output.suffix):
        check_folder(output)
    places = [
        (source, (source.parent if output is None else output / below) / safe_name(source.stem))
        for source, below in inputs
    ]
    stems = Counter(place for _, place in places)  # photo.jpg and photo.jpeg keep their suffixes
    names = [
        place.with_name(place.name if stems[place] == 1 else safe_name(source.name))
        for source, place in places
    ]
    taken = Counter(names)  # what a disk has no letters or no room for is not in them
    jobs: dict[Path, Job] = {}
    for (source, _), place in zip(places, names, strict=True):
        name = place.name if taken[place] == 1 else f"{place.name}-{short_hash(source.name)}"
        target = place.with_name(name + MADE + form.suffixes[0])
        if target in jobs:
            raise UsageError(
                f"{jobs[target].source} and {source} would both become {target}; give them one by "
                "one, with folders of their own"
            )
        jobs[target] = Job(source, target)
    return apart(list(jobs.values()), form)


def apart(jobs: Sequence[Job], form: Format) -> list[Job]:
    """Rename what would be one file on a disk that does not tell capitals apart."""
    alike = Counter(folded(job.target) for job in jobs)
    return [
        replace(job, target=hashed(job, form))
        if alike[folded(job.target)] > 1 and folds(job.target.parent)
        else job
        for job in jobs
    ]


def folded(path: Path) -> str:
    """Tell what paths have in common that some disks take for one: capitals, composed letters."""
    return unicodedata.normalize("NFC", str(path)).casefold()


def hashed(job: Job, form: Format) -> Path:
    """Name a result after all of its source's path."""
    ending = MADE + form.suffixes[0]
    name = job.target.name.removesuffix(ending)
    return job.target.with_name(f"{name}-{short_hash(str(job.source))}{ending}")


def folds(folder: Path) -> bool:
    """Try whether the disk of a folder, which may be missing yet, tells capitals apart."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.NamedTemporaryFile(prefix="Aa", dir=folder) as probe:
            return os.path.exists(os.path.join(folder, os.path.basename(probe.name).swapcase()))
    except OSError:  # nothing can be written there
        return False


def check_folder(output: Path) -> None:
    """Refuse to make a folder that is named as a picture, where a single one is written.

    Raises:
        UsageError: it is not there yet.
    """
    if not os.path.isdir(output):
        raise UsageError(
            f"{output}: such files are not written; end the name in one of {endings()}, or make "
            "the folder first"
        )


def endings() -> str:
    """List the endings of files that are written, one of each format."""
    return ", ".join(dict.fromkeys(f.suffixes[0] for f in FORMATS))


def piped(sources: Sequence[Path], output: Path | None, form: Format) -> Job:
    """Plan for a picture that comes from standard input, goes to standard output, or both.

    Raises:
        RestorationError: what is named is closed; ``UsageError`` where there are several
            pictures, no name for the result, or nobody who could read it.
    """
    if len(sources) > 1:
        raise UsageError(f"a pipe holds one image, not {len(sources)}; name a folder of files")
    ending = form.suffixes[0]
    if output is None or not (output == STANDARD or is_file_name(output)):
        raise UsageError(
            f"what comes from standard input has no name; give -o FILE{ending} or -o -"
        )
    if output == STANDARD and sys.stdout is None:
        raise RestorationError("there is no standard output")
    if output == STANDARD and sys.stdout.isatty():
        raise UsageError(f"the picture would go to the terminal; send it on: -o - > photo{ending}")
    if sources[0] != STANDARD:
        return Job(sources[0], output)
    if sys.stdin is None:
        raise RestorationError("there is no standard input")
    return Job(Content(sys.stdin.buffer.read(), "standard input"), output)


def check_places(jobs: Sequence[Job], truth: Path | None, sheet: Path | None) -> None:
    """Refuse outputs that are an input, the truth or another output, by whatever name.

    Raises:
        UsageError: one is; or the sheet is not named as a PNG.
    """
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"{sheet}: the comparison is a PNG file; end its name in .png")
    read = {identity(j.source): j.source for j in jobs if isinstance(j.source, Path)}
    if truth is not None:
        read[identity(truth)] = truth
    targets = [job.target for job in jobs if job.target != STANDARD]
    for path in targets + ([] if sheet is None else [sheet]):
        source = read.get(identity(path))
        if source is not None:
            raise UsageError(f"{path} is {source}, which is read; write to another file")
    if sheet is not None and identity(sheet) in map(identity, targets):
        raise UsageError(f"{sheet} cannot hold both the result and the comparison")


def identity(path: Path) -> object:
    """Tell what all paths that lead to one file have in common, also by links."""
    try:
        status = os.stat(path)
        return status.st_dev, status.st_ino
    except (OSError, ValueError):  # it is not there
        return os.path.realpath(path)


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
    folder = Path(os.path.realpath(path)).parent  # of what a link leads to
    if not os.access(folder, os.W_OK):
        reason = "not writable" if folder.is_dir() else "not a folder"
        named = folder if path.is_symlink() else path.parent
        raise RestorationError(f"cannot write {path}: {named} is {reason}")
