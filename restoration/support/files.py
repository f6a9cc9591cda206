"""Files: written whole or not at all, and found beside the package when shipped with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from restoration.errors import RestorationError

PACKAGE = Path(__file__).parents[1]


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` for writing: a reader sees the old file or the whole new one, never a part.

    Raises:
        RestorationError: the folder is missing or not writable, or the disk is full.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RestorationError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` as ``atomic_file`` does."""
    with atomic_file(path) as file:
        file.write(content)


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
