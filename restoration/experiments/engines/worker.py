"""The process that works off runs for ``restoration.experiments.engines.local``."""

from __future__ import annotations

from restoration.errors import Interrupted
from restoration.experiments.engines.running import attempt
from restoration.support.cpu_settings import keep_freed_memory
from restoration.support.processes import answers, messages


def main() -> None:
    """Serve runs from standard input until it ends or the user stops one."""
    keep_freed_memory()
    answer = answers()
    try:
        for run in messages():
            answer(attempt(run))
    except (Interrupted, KeyboardInterrupt):
        return


if __name__ == "__main__":
    main()
