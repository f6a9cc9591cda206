"""Ctrl-C, or SIGTERM, that waits for a good moment."""

from __future__ import annotations

import signal
import threading
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any

from restoration.errors import Interrupted


class Interruption(AbstractContextManager["Interruption"]):
    """Remember Ctrl-C instead of raising it; a second one is raised at once.

    SIGTERM, which schedulers send before they kill, counts as a first Ctrl-C: Lightning would end
    the process as if all were done. It is no second one: where all processes of a job get it, the
    one that started this one asks for the same by another signal.

    Attributes:
        asked: the first signal by which the end was asked for, if it was.
    """

    def __init__(self) -> None:
        self.asked: int | None = None
        self.ctrl_c = 0
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        """Take over Ctrl-C; Python allows that in the main thread only."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self.interrupt)
        return self

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Remember the first call, raise at a second Ctrl-C."""
        self.ctrl_c += number == signal.SIGINT
        if number == signal.SIGINT and self.ctrl_c > 1:
            raise KeyboardInterrupt
        self.asked = self.asked or number

    def ended_by(self, exception: BaseException) -> None:
        """Give Ctrl-C back after what ended Lightning's loop.

        Raises:
            Interrupted: Ctrl-C came before the first step or a second time; Lightning would end the
                process without a word.
        """
        self.__exit__()
        if isinstance(exception, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.default_int_handler)  # which Lightning has ignored
            raise Interrupted(
                "stopped; nothing was saved since the last checkpoint, if there is one"
            ) from exception

    def __exit__(self, *_: object) -> None:
        """Reinstall the handlers that were there before, where ours are still in place.

        Lightning may have taken its own back before now: they hold a trainer, whose end they were.
        """
        while self.previous:
            number, before = self.previous.popitem()
            if signal.getsignal(number) == self.interrupt:
                signal.signal(number, before)
