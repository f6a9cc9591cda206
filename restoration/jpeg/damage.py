"""What is missing of a damaged JPEG, told by what libjpeg complains of."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jpeglib
from jpeglib import DCTJPEG

from restoration.jpeg.frame import END, SCAN, bare, segments

# libjpeg's own warnings, those of damage and those of markers that change nothing
DAMAGE = re.compile(
    r"Corrupt JPEG data|Premature end of JPEG|Inconsistent progression|Invalid SOS parameters"
)
HARMLESS = re.compile(r"Warning: unknown JFIF revision|Unknown Adobe color transform")
STRAY = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
CUT = "premature end"  # in libjpeg's words: the data end before the picture does
UNREFINED = "damaged or cut short: not all of its refinements are there"
ZEROS = bytes(32)
ONE_AT_A_TIME = threading.RLock()  # a process has one stderr
SEARCHED = 2**22  # bytes of the largest file in which the place of a damage is searched


def read_coefficients(data: bytes) -> tuple[DCTJPEG, list[str]]:
    """Read the quantised coefficients of a file.

    What other threads, or a progress bar, write to stderr meanwhile is no complaint.

    Returns:
        What jpeglib reads, and what damage libjpeg complains of, a line each.

    Raises:
        OSError: they cannot be read, and why.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.jpg"
        file.write_bytes(bare(data))
        try:
            with complaints() as lines:
                jpeg = jpeglib.read_dct(file)
                jpeg.load()
        except (OSError, ValueError) as error:
            raise OSError(lines[-1] if lines else str(error)) from error
    for line in lines:
        if not DAMAGE.search(line) and not HARMLESS.search(line):
            print(line, file=sys.stderr)
    damage = [line for line in lines if DAMAGE.search(line)]
    return jpeg, [] if damage and is_padding(data, damage) else damage


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect what libjpeg writes to stderr, where it would name no file; one thread at a time."""
    lines: list[str] = []
    with ONE_AT_A_TIME:
        yield from collected(lines)


def collected(lines: list[str]) -> Iterator[list[str]]:
    """See ``complaints``."""
    try:
        kept = os.dup(2)
    except OSError:  # closed: nothing can be written to it
        yield lines
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            lines += caught.read().decode(errors="replace").splitlines()


def whole_lines(jpeg: DCTJPEG) -> int:
    """Count the lines of a picture that was cut: below them blocks hold nothing at all."""
    unit = int(jpeg.samp_factor[0][0])  # rows of blocks, which lie in the file side by side
    rows = range(0, len(jpeg.Y), unit)
    filled = [row for row in rows if jpeg.Y[row : row + unit].any()]
    if not filled:
        return 0
    last = filled[-1]
    whole = last + unit if jpeg.Y[last : last + unit, -1].any() else last
    per_block = -(-jpeg.height // len(jpeg.Y))
    return min(whole * per_block, jpeg.height)


def sound_bytes(data: bytes) -> int:
    """Count the bytes in front of a damage: of all that a cut leaves, it alone is complained of.

    Zeros are what a file system leaves in place of lost data, and no code is as long.
    """
    lost = zeros_in(data)
    if lost > 0:
        return lost
    good, bad = 0, len(data)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            complained = read_coefficients(data[:middle] + END)[1]
        except OSError:  # the headers are incomplete
            complained = []
        if is_cut(complained):
            good = middle
        else:
            bad = middle
    return good


def is_padding(data: bytes, complained: list[str]) -> bool:
    """Whether all that libjpeg complains of is what encoders fill up with behind the last scan.

    Other bytes there may be what is left of a scan that was misread.
    """
    found = [STRAY.search(line) for line in complained]
    counts = [int(match[1]) for match in found if match]
    end = end_of_scans(data)
    return len(counts) == len(found) and all(
        not data[max(end - count, 0) : end].strip(b"\0\xff") for count in counts
    )


def end_of_scans(data: bytes) -> int:
    """Find the marker that ends the picture, which no scan holds; -1 where there is none."""
    scans = [segment.stop for segment in segments(data) if segment.marker == SCAN]
    return data.find(END, scans[-1]) if scans else -1


def zeros_in(data: bytes) -> int:
    """Find zeros in place of data; -1 where there are none, or only behind the picture."""
    end = data.rfind(END, 0, -len(END))  # the last is that of ``closed``
    return data.find(ZEROS, data.find(bytes([0xFF, SCAN])), end if end > 0 else len(data))


def is_cut(complained: list[str]) -> bool:
    """Whether missing data are all that libjpeg complains of, if it does."""
    return all(CUT in line.lower() for line in complained)


def damage_of(data: bytes, jpeg: DCTJPEG, complained: list[str]) -> str | None:
    """Say in a few words what is missing of a picture, from ``closed``; None where it is whole."""
    if not complained:
        return None
    if jpeg.progressive_mode:
        return UNREFINED
    if is_cut(complained) and zeros_in(data) < 0:
        if end_of_scans(data) < len(data) - len(END):  # the file's own, not that of ``closed``
            return "damaged: parts of it are missing"
        return f"cut short: nothing is left below line {whole_lines(jpeg)}"
    if len(data) > SEARCHED:
        return "damaged"
    try:
        sound, complained = read_coefficients(data[: sound_bytes(data)] + END)
    except OSError:
        return "damaged"
    if not complained:  # whatever else was read belongs to something behind the picture, or not
        closed = data.removesuffix(END).rstrip(b"\0").endswith(END)
        return "damaged" if closed else None
    line = whole_lines(sound)
    return f"damaged from about line {line} on" if line < jpeg.height else "damaged"
