"""Processes that work for this one: messages through pipes."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

PACKAGE = str(Path(__file__).parents[2])  # where this package lies, installed or not


class Peer:
    """A process that runs ``python -m MODULE`` and answers messages.

    Not ``multiprocessing``: that would run a user's script again in each process.

    Args:
        module: what it runs; it calls ``serve``.
        threads: of the process.
        environment: variables beside this process's own.
    """

    def __init__(
        self, module: str, threads: int, environment: dict[str, str] | None = None
    ) -> None:
        more = environment or {}
        path = os.pathsep.join([PACKAGE, *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            # -P: a torch.py that lies in the current folder is not torch
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": path} | more,
            start_new_session=True,  # Ctrl-C is for the parent
        )

    def send(self, message: Any) -> None:
        """Send a message.

        Raises:
            OSError: the process has ended.
        """
        assert self.process.stdin is not None
        pickle.dump(message, self.process.stdin)
        self.process.stdin.flush()

    def receive(self) -> Any:
        """Wait for an answer.

        Raises:
            EOFError: the process has ended; ``pickle.UnpicklingError`` in the middle of an answer.
        """
        assert self.process.stdout is not None
        return pickle.load(self.process.stdout)

    def interrupt(self) -> None:
        """Ask the process to end what it does, as Ctrl-C would."""
        self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process, whatever it does; who waits for an answer sees the end of the pipe."""
        self.process.kill()

    def close(self) -> None:
        """Close the pipes of a process that has ended; nobody may wait for an answer now."""
        self.process.communicate()


def cores() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def end_with_parent() -> None:
    """End this process soon after the one that started it, however that one ended.

    Otherwise a run would go on for hours beside the one that the user starts anew.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def answers() -> Callable[[Any], None]:
    """Take over standard output for messages; what libraries print goes to stderr from now on."""
    end_with_parent()
    file: BinaryIO = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(message: Any) -> None:
        pickle.dump(message, file)
        file.flush()

    return answer


def messages() -> Iterator[Any]:
    """Yield what arrives on standard input until it ends."""
    while True:
        try:
            yield pickle.load(sys.stdin.buffer)
        except EOFError:
            return
