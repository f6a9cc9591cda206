"""The process that works off runs for ``restoration.experiments.engines.local``."""

from __future__ import annotations

from restoration.experiments.engines.running import attempt
from restoration.support.cpu_settings import keep_freed_memory
from restoration.support.processes import serve


def main() -> None:
    """Work off the runs that arrive."""
    keep_freed_memory()
    serve(lambda run, tell: attempt(run))


if __name__ == "__main__":
    main()
