"""Settings of a process that speed up its steps and leave their results alone."""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
# Some tens of microseconds. Of a step at 256 x 256 that takes 45 ms with 1,000 it saves a tenth;
# beside another process both are as fast, with 2,000 a step takes a sixth longer there.
SPINS = 1500


def set_waiting() -> None:
    """Let threads that wait for each other give up their core soon; before torch is imported.

    Threads that spin for long halve the speed as soon as another process wants a core; those that
    sleep at once take a sixth longer for a step on a machine of their own.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))  # what GNU's library takes instead


def keep_freed_memory(most: int = 2**31 - 1) -> None:
    """Keep freed memory for the next step, instead of asking the system for it anew at each.

    By default glibc returns large blocks; the pages of the next ones must be cleared and mapped
    again, which can take a third of a step. Without glibc nothing is changed.

    Args:
        most: Number of bytes to keep; blocks of more than half of it are always returned.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return
    mallopt(M_MMAP_THRESHOLD, most // 2)
    mallopt(M_TRIM_THRESHOLD, most)
