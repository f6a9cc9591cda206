"""Pictures that were typed, or lie in folders that were."""

from __future__ import annotations

import glob
import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from restoration.errors import UsageError
from restoration.support.files import safe_name

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
MADE = ".restored"  # in front of the suffix of what is written
STANDARD = Path("-")  # standard input or output, whatever files are called so
# What is left out of folders, beside files that are named as no JPEGs, and why
FOLDERS, LINKS, CLOSED, HIDDEN = "folders", "links", "closed folders", "hidden files"
RESULTS = "results"
REASONS = {
    FOLDERS: "--recursive looks inside",
    LINKS: "they may lead back",
    CLOSED: "not allowed to read",
    HIDDEN: "their names begin with a dot",
    RESULTS: "of other files, by their names",
}


class Input(NamedTuple):
    """A picture to restore.

    Attributes:
        source: its path.
        below: folder in which it lies, seen from the one that the user named.
    """

    source: Path
    below: Path = Path()


def find_inputs(
    inputs: Sequence[str], recursive: bool = False
) -> tuple[list[Input], dict[str, Counter[str]]]:
    """Resolve files, folders and patterns.

    Args:
        inputs: what was typed.
        recursive: look into the folders in folders, too.

    Returns:
        The files, and for each folder how many of its entries of which kind were left out; also of
        what was typed: what a shell makes of *.jpg holds the results of the time before.

    Raises:
        UsageError: a folder or pattern holds no JPEG, or cannot be looked into.
    """
    found: dict[str, Input] = {}  # by absolute path, so that no file is done twice
    left: dict[str, Counter[str]] = {}
    for text in inputs:
        if not text:
            raise UsageError("a file or folder has an empty name; is a variable unset?")
        path = Path(text)
        try:
            if path != STANDARD and os.path.isdir(path):
                left[text] = Counter()
                files = list(pictures_in(path, Path(), recursive, left[text]))
            elif not os.path.exists(path) and glob.has_magic(text):
                some = sorted(map(Path, glob.glob(text, recursive=True)))
                files = [Input(p) for p in some if p.is_file() and not is_made(p)]
            else:
                found[os.path.abspath(path)] = Input(path)
                continue
        except OSError as error:
            raise UsageError(f"cannot look into {text}: {error.strerror}") from error
        if not files and not path.is_dir():
            raise UsageError(f"no file is named as {text}")
        if not files:
            rest = f"; there are {told_left_out(left[text])}" if left.get(text) else ""
            raise UsageError(f"no JPEG files ({', '.join(SUFFIXES)}) in {text}{rest}")
        for file in files:
            found.setdefault(os.path.abspath(file.source), file)
    results = results_among(list(map(Path, found)))
    if results:
        left["the files given"] = Counter({RESULTS: len(results)})
    return [file for at, file in found.items() if at not in results], {
        text: kinds for text, kinds in left.items() if kinds
    }


def pictures_in(folder: Path, below: Path, recursive: bool, left: Counter[str]) -> Iterator[Input]:
    """Yield the JPEGs in a folder, and count in ``left`` what else it holds."""
    entries = sorted(folder.iterdir())
    results = results_among(entries)
    for path in entries:
        suffix = path.suffix.lower()
        if path.name.startswith("."):  # also what macOS leaves beside photo.jpg: ._photo.jpg
            left[HIDDEN] += 1
        elif path.is_dir():
            if not recursive or path.is_symlink():  # which may lead back
                left[LINKS if recursive else FOLDERS] += 1
                continue
            try:
                yield from pictures_in(path, below / path.name, True, left)
            except OSError:
                left[CLOSED] += 1
        elif suffix not in SUFFIXES:
            if not is_made(path):
                left[suffix or "without ending"] += 1
        elif not is_made(path):
            yield Input(path, below)
        elif str(path) not in results:  # of what lies elsewhere, or named so by chance
            left[RESULTS] += 1


def results_among(paths: Sequence[Path]) -> set[str]:
    """Find the files that are named as results of others among them."""
    names = {
        path.with_name(safe_name(name) + ending)
        for path in paths
        for name in (path.stem, path.name)
        for ending in ("", f"-{short_hash(path.name)}", f"-{short_hash(str(path))}")
    }
    return {str(p) for p in paths if is_made(p) and p.with_name(Path(p.stem).stem) in names}


def short_hash(name: str) -> str:
    """Tell names apart that are alike once written."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


def is_made(path: Path) -> bool:
    """Whether a file is named as results are."""
    return Path(path.stem).suffix == MADE


def tell_left_out(left: dict[str, Counter[str]]) -> None:
    """Print what was left out, see ``find_inputs``."""
    for place, kinds in left.items():
        print(f"{place}: left out {told_left_out(kinds)}", file=sys.stderr)


def told_left_out(kinds: Counter[str]) -> str:
    """Say in one line what was left out of a folder, and why."""
    counted = kinds.most_common()
    parts = [
        (", ".join(f"{n} {kind}" for kind, n in counted if kind not in REASONS), "no JPEGs"),
        *((count(kinds[kind], kind), why) for kind, why in REASONS.items() if kinds[kind]),
    ]
    return "; ".join(f"{what} ({why})" for what, why in parts if what)


def count(number: int, things: str) -> str:
    """Put a number in front of a plural in s."""
    return f"{number} {things if number > 1 else things[:-1]}"
