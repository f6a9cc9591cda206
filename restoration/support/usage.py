"""Command lines: wrong usage is told in one line, with the option that was probably meant."""

from __future__ import annotations

import argparse
import difflib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NoReturn

from restoration.errors import RestorationError
from restoration.support.durations import seconds_of

DEVICES = ("auto", "cpu", "cuda", "mps")  # cuda: NVIDIA's (and AMD's) GPUs, mps: Apple's
SMALLEST_TILE = 128  # pixels; smaller ones would be mostly surroundings
# Of what jsonargparse says: the option, its types, the value that was given
KEY = re.compile(r'(?:Parser key|Problem with given class_path|key) "([\w.]+)"')
EXPECTED = re.compile(
    r"Expected an? (?:<class '(?P<type>[\w.]+)'>|typing\.Literal\[(?P<values>.*?)\]|"
    r"(?P<path>dot import path) string)"
)
WORDS = {"NoneType": "null", "collections.abc.Iterable": "list"}  # of types, as YAML has them
NO_PATH = re.compile(r"Expected a dot import path string: (\S+)")
VALUE = re.compile(r"(?:Given value|Got value): (.*?)(?: \(|$)")
NOT_TAKEN = re.compile(r"Option '(\w+)' is not accepted")
NO_CLASS = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
NO_KIND = re.compile(r"Import path (\S+) does not correspond to a subclass of (\w+)")
NO_MODULE = re.compile(r"given class_path '([\w.]+)': No module named '([\w.]+)'")


def plain(message: str, options: Iterable[str]) -> str:
    """Put a parser's message on one line; name what an unknown option or class is likest.

    Args:
        message: of argparse or of jsonargparse.
        options: that there are, and names of arguments of the classes that options take.
    """
    line = " ".join(message.split())
    key, value = KEY.search(line), VALUE.search(line)
    if key and value:  # of the alternatives that jsonargparse lists, the types are what helps
        expected = " or ".join(dict.fromkeys(alternatives(line))) or "something else"
        return f"{key[1]}: {value[1]} was given where {expected} is expected"
    if key and (found := NO_CLASS.search(line)):
        module, name = found.groups()
        return f"{key[1]}: " + unknown("class", name, dir(sys.modules.get(module)), f"{module}.")
    if key and (found := NO_MODULE.search(line)):
        path, module = found.groups()
        if path.startswith(f"{module}."):
            return f"{key[1]}: no module {module} is found; PYTHONPATH tells where to look"
        return f"{key[1]}: {path} needs the module {module}, which is missing"
    if key and (found := NO_KIND.search(line)):
        return f"{key[1]}: {found[1]} is no {found[2]}"
    if key and (found := NO_PATH.search(line)):
        return f"{key[1]}: no class {found[1]} is known; give its path, such as module.{found[1]}"
    if found := NOT_TAKEN.search(line):
        return unknown("option", found[1], options)
    if line.startswith("unrecognized arguments:"):
        return unknown("option", line.split()[2].split("=")[0], options)
    return line


def alternatives(message: str) -> Iterator[str]:
    """Yield what jsonargparse says that an option takes: types, values, or a class's path."""
    for found in EXPECTED.finditer(message):
        if found["values"]:
            yield from (value.strip("' ") for value in found["values"].split(","))
        else:
            yield WORDS.get(found["type"], found["type"]) if found["type"] else "a class's path"


def unknown(kind: str, name: str, names: Iterable[str], prefix: str = "") -> str:
    """Say that there is no such thing, and which of ``names`` was probably meant."""
    near = difflib.get_close_matches(name, names, 1)
    meant = f", did you mean {prefix}{near[0]}?" if near else ""
    return f"unknown {kind} {prefix}{name}{meant}"


def arguments_of(bases: Iterable[type]) -> set[str]:
    """Collect the names of the arguments of all classes that are derived from ``bases``."""
    names: set[str] = set()
    for base in bases:
        names |= arguments_of(base.__subclasses__())
        with suppress(ValueError):  # a class of a library's, written in C
            names |= set(inspect.signature(base).parameters)
    return names


def seed(text: str) -> int:
    """Read a seed; every generator takes those of 32 bits."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise argparse.ArgumentTypeError(f"{text} is no seed: give 0 to {2**32 - 1}")
    return int(text)


def share(text: str) -> float:
    """Read a part of a whole."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie within 0 and 1")
    return value


def quality(text: str) -> int:
    """Read a JPEG quality."""
    if not (text.isdecimal() and 1 <= int(text) <= 100):
        raise argparse.ArgumentTypeError(f"{text} is no JPEG quality: give 1 to 100")
    return int(text)


def pixels(text: str) -> int:
    """Read a number of pixels."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text} is no number of pixels")
    return int(text)


def tile(text: str) -> int:
    """Read the side of tiles."""
    if not (text.isdecimal() and (text == "0" or int(text) >= SMALLEST_TILE)):
        raise argparse.ArgumentTypeError(
            f"{text} is no side of tiles: give at least {SMALLEST_TILE} pixels, or 0 for none"
        )
    return int(text)


class Parser(argparse.ArgumentParser):
    """Report wrong usage in one line; options cannot be abbreviated."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Print ``message`` on stderr and exit with 2."""
        message = plain(message, self._option_string_actions)
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")


def duration(text: str) -> float:
    """Read a duration for a parser, which tells what is wrong with it."""
    try:
        return seconds_of(text)
    except RestorationError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
