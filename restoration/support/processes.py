"""Processes of a module's own that do tasks for this one: messages through pipes."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from restoration.errors import Interrupted
from restoration.support.files import PACKAGE

PARENT = "RESTORATION_PARENT"  # the variable that tells a process who started it


class Peer:
    """A process that runs ``python -m MODULE``, which calls ``serve``.

    Args:
        module: Name of the module; it may lie on PYTHONPATH alone.
        environment: Variables of the process beside those of this one.
    """

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        path = os.pathsep.join([str(PACKAGE.parent), *filter(None, [os.getenv("PYTHONPATH")])])
        self.process = subprocess.Popen(
            # -P: a torch.py that lies in the current folder is not torch
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path, **environment, PARENT: str(os.getpid())},
            start_new_session=True,  # Ctrl-C is for the parent
        )

    def do(self, task: Any) -> Iterator[tuple[bool, Any]]:
        """Have a task done; yield what is told of it, and last its result.

        Yields:
            Whether it is the result, and the message.

        Raises:
            OSError: The process had ended before.
            EOFError: It ended meanwhile; ``pickle.UnpicklingError`` in the middle of a message.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        pickle.dump(task, self.process.stdin)
        self.process.stdin.flush()
        ended = False
        while not ended:
            ended, value = pickle.load(self.process.stdout)
            yield ended, value

    def interrupt(self) -> None:
        """Ask the process to end what it does, as Ctrl-C would; Windows can only end it."""
        if os.name == "nt":
            self.process.terminate()
        else:
            self.process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End the process, whatever it does; who waits for a message sees the end of the pipe."""
        self.process.kill()

    def close(self) -> None:
        """End the process and close its pipes; nobody may wait for a message now."""
        self.process.kill()
        self.process.communicate()


def serve(do: Callable[[Any, Callable[[Any], None]], Any]) -> None:
    """Do the tasks of a ``Peer`` until it sends no more, or the user stops one.

    What libraries print goes to stderr from now on: standard output is for messages.

    Args:
        do: Takes a task and a function that sends a message on it; returns the task's result.
    """
    end_with_parent()
    file = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(ended: bool, value: Any) -> None:
        pickle.dump((ended, value), file)
        file.flush()

    stopped = (EOFError, BrokenPipeError, pickle.UnpicklingError, Interrupted, KeyboardInterrupt)
    with suppress(*stopped):  # between two messages or within one
        while True:
            task = pickle.load(sys.stdin.buffer)
            send(True, do(task, partial(send, False)))


def end_with_parent() -> None:
    """End this process soon after the one that started it, however that one ended.

    Otherwise a run would go on for hours beside the one that the user starts anew. It may have
    ended before now, while this process was importing.
    """
    parent = os.getppid()
    if os.name != "nt":  # there a virtual environment's Python starts another
        parent = int(os.environ.get(PARENT, parent))

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def cores() -> int:
    """Count the CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
