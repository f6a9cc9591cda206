"""Command lines: wrong usage is told in one line, with the option that was probably meant."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

from restoration.errors import RestorationError
from restoration.support.durations import seconds_of

DEVICES = ("auto", "cpu", "cuda", "mps")  # cuda: NVIDIA's (and AMD's) GPUs, mps: Apple's
SMALLEST_TILE = 128  # pixels; smaller ones would be mostly surroundings
# Of what jsonargparse says: the option, its types, the value that was given
KEY = re.compile(r'(?:Parser key|Problem with given class_path|key) "([\w.]+)"')
EXPECTED = re.compile(r"Expected an? <class '(\w+)'>")
VALUE = re.compile(r"(?:Given value|Got value): (.*?)(?: \(|$)")


def plain(message: str, options: Iterable[str]) -> str:
    """Put a parser's message on one line; name the option that an unknown one is likest."""
    line = " ".join(message.split())
    key, value = KEY.search(line), VALUE.search(line)
    if key and value:  # of the alternatives that jsonargparse lists, the types are what helps
        expected = " or ".join(dict.fromkeys(EXPECTED.findall(line))) or "something else"
        return f"{key[1]}: {value[1]} was given where {expected} is expected"
    if line.startswith("unrecognized arguments:"):
        option = line.split()[2].split("=")[0]
        near = difflib.get_close_matches(option, options, 1)
        line = f"unknown option {option}" + (f", did you mean {near[0]}?" if near else "")
    return line


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
