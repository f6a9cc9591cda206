"""Files: written whole or not at all, and found beside the package when shipped with it."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from restoration.errors import RestorationError

UMASK = os.umask(0)  # which can only be asked for by setting it
os.umask(UMASK)
LONGEST_NAME = 160  # bytes, of 255, which leaves room for what is put behind
PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Content:
    """A file that is in memory.

    Attributes:
        data: all its bytes.
        name: what errors call it.
    """

    data: bytes
    name: str

    def __str__(self) -> str:
        return self.name


File = str | Path | Content  # by its path, or in memory


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing: a reader sees the old file or the whole new one, never a part.

    Where it is a link, what it leads to is written.

    Raises:
        RestorationError: the folder is missing or not writable, or the disk is full.
    """
    temporary: str | None = None
    try:
        place = Path(os.path.realpath(path))
        # a name of its own that nobody can foresee, short enough beside a long one
        descriptor, temporary = tempfile.mkstemp(".tmp", ".", place.parent)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        mode = 0o666 & ~UMASK  # of any other new file
        if place.exists():
            mode = stat.S_IMODE(place.stat().st_mode)  # writing into it would have kept that
        os.chmod(temporary, mode)
        os.replace(temporary, place)
    except OSError as error:
        raise RestorationError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same folder from it.

    Raises:
        RestorationError: one is in it, or it cannot be written.
    """
    lock = FileLock(folder / "lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise RestorationError(f"another process works in {folder}") from error
    except OSError as error:
        raise RestorationError(f"cannot write {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` as ``atomic_file`` does."""
    with atomic_file(path) as file:
        file.write(content)


def safe_name(text: str) -> str:
    """Turn any text into the name of a file that stays in its folder and fits on a disk.

    Separators and what cannot be printed become underscores, dots in front are taken away, and of a
    long name the beginning is kept.
    """
    kept = "".join(c if c.isprintable() and c not in "/\\:" else "_" for c in text).lstrip(".")
    short = kept.encode(errors="replace")[:LONGEST_NAME].decode(errors="ignore")
    return short.strip() or "_"


def find(path: str | Path) -> Path:
    """Return ``path``, or the file of that name shipped with the package where ``path`` is missing.

    So ``configs/base.yaml`` and ``samples/coffee.png`` work from any folder. The configurations
    lie inside an installed package, and beside the package in a checkout.
    """
    path = Path(path)
    if not path.exists() and not path.is_absolute():
        for folder in (PACKAGE, PACKAGE.parent):
            if (folder / path).is_file():
                return folder / path
    return path
