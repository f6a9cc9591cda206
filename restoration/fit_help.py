"""The help of ``restoration fit``, kept in a file: Lightning takes seconds to import.

``python -m restoration.fit_help`` writes it anew.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stdout, suppress
from importlib.metadata import version
from pathlib import Path

FILE = Path(__file__).with_name("fit_help.txt")
WIDTH = 100


def kept_help() -> str | None:
    """Return the help that is kept; None where it tells of another Lightning."""
    release, _, text = FILE.read_text(encoding="utf-8").partition("\n")
    return text if release == release_of_lightning() else None


def release_of_lightning() -> str:
    """Name the release that the trainer's options are of, without its last number."""
    return "Lightning " + ".".join(version("lightning").split(".")[:2])


def made_help() -> str:
    """Let the parser make the help, as wide as it is kept."""
    from restoration.cli import fit  # imports torch and lightning: seconds

    os.environ["COLUMNS"] = str(WIDTH)
    with redirect_stdout(io.StringIO()) as text, suppress(SystemExit):
        fit(["--help"])
    return text.getvalue()


if __name__ == "__main__":
    FILE.write_text(f"{release_of_lightning()}\n{made_help()}", encoding="utf-8")
    print(f"written: {FILE}", file=sys.stderr)
