"""The exceptions that a user is meant to read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

# what torch says of CPUs and GPUs, and their libraries; "illegal memory access" is another thing
NO_MEMORY = re.compile("out of memory|allocate memory|not enough memory|ALLOC_FAILED")


class RestorationError(ValueError):
    """What is wrong with the user's input and what to do about it, in one line.

    The command line prints the message on stderr, without a traceback, and exits with 1.
    """


class UsageError(RestorationError):
    """Options that contradict each other; the command line exits with 2."""


class DivergenceError(RestorationError):
    """An optimisation whose loss is no longer a number."""


class Interrupted(Exception):  # noqa: N818 - not an error
    """The user stopped a run; the message says what there is and how to go on."""


@contextmanager
def enough_memory(
    name: object, advice: str = "give --preset fast or a smaller --tile"
) -> Iterator[None]:
    """Say of which file there was not enough memory for the work, and what may help.

    Raises:
        RestorationError: there was not.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # the latter are torch's
        if isinstance(error, RuntimeError) and not NO_MEMORY.search(str(error)):
            raise
        raise RestorationError(
            f"{name}: the memory does not suffice; close other programs, or {advice}"
        ) from error


@contextmanager
def foreseen(name: object) -> Iterator[None]:
    """Turn what nobody foresaw into an error of one file, so that others are not left undone.

    Raises:
        RestorationError: anything was raised but what is meant to stop the program.
    """
    try:
        with enough_memory(name):
            yield
    except (RestorationError, BrokenPipeError):  # the latter: whoever read our output has left
        raise
    except OSError as error:
        raise RestorationError(f"{name}: {error}") from error
    except Exception as error:
        told = " ".join(f"{type(error).__name__} {error}".split())
        raise RestorationError(
            f"{name}: {told}; this should not happen: please report it, with the file"
        ) from error
