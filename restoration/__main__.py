"""The ``restoration`` command."""

from __future__ import annotations

import difflib
import io
import os
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from restoration.errors import Interrupted, RestorationError, UsageError
from restoration.support.cpu_settings import keep_freed_memory, set_waiting

# Bytes of freed memory that restore keeps: a part's buffers, not those of a large image.
KEPT = 2**28
COMMANDS = ("restore", "app", "learn", "fit", "sweep", "report", "kodak")
COMPLETION = "--print-completion"
PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff")

HELP = """\
usage: restoration COMMAND ...

Make a badly compressed JPEG better without ever seeing the original.

commands:
  restore     make JPEG files better (what most people want)
  app         do so on a page in the browser
  learn       learn from a library of JPEGs alone what restores such files in seconds
  fit         optimise a network on one image, configured by YAML (the researcher's command)
  sweep       run a whole grid of images, qualities, networks and losses from one YAML
  report      make tables and figures from what a sweep left
  kodak       fetch the 24 images of the paper's experiment

options:
  --help      this text; "restoration restore --help" lists the options of restore
  --version   the version
  --print-completion SHELL   what completes commands and options in bash or zsh (needs shtab)

examples:
  restoration restore photo.jpg
  restoration restore holiday/ -o better/ --preset fast
  restoration app
  restoration learn holiday/ -o library.ckpt --budget 8h
  restoration restore photo.jpg --network library.ckpt
  restoration fit --config configs/quickstart.yaml
  restoration fit --config configs/base.yaml --config configs/net/low.yaml \\
      --config configs/loss/mse.yaml --data.image photo.jpg
  restoration sweep configs/sweep/smoke.yaml --output runs/
  restoration report runs/ -o report/
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 done, 1 failed, 2 wrong usage, 130 stopped by the user."""
    set_waiting()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names may hold any letter
    arguments = sys.argv[1:] if arguments is None else arguments
    command = arguments[0] if arguments else None
    if command in (None, "-h", "--help"):
        print(HELP, end="", file=sys.stdout if command else sys.stderr)
        return 0 if command else 2
    if command == "--version":
        print(f"restoration {version('restoration')}")
        return 0
    if command not in (*COMMANDS, COMPLETION):
        print(f"restoration: unknown command {command!r}; {hint(arguments)}", file=sys.stderr)
        return 2
    try:
        code = run(str(command), arguments[1:])
        if sys.stdout is not None:  # it may have been closed
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read our output has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"restoration {command}: error: {error}", file=sys.stderr)
        return 1
    except RestorationError as error:
        print(f"restoration {command}: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except (Interrupted, KeyboardInterrupt) as stop:
        print(f"\nrestoration {command}: {str(stop) or 'stopped'}", file=sys.stderr)
        return 130


def hint(arguments: list[str]) -> str:
    """Guess what was meant by arguments that do not begin with a command."""
    near = difflib.get_close_matches(arguments[0], COMMANDS, 1)
    if near:
        return f"did you mean {near[0]}?"
    if os.path.exists(arguments[0]) or Path(arguments[0]).suffix.lower() in PICTURES:
        return f"did you mean restoration restore {shlex.join(arguments)}?"
    return "see restoration --help"


def run(command: str, arguments: list[str]) -> int:
    """Import what one command needs, and run it."""
    if command == COMPLETION:
        from restoration.commands.completion import completion

        print(completion(" ".join(arguments), COMMANDS))
        return 0
    if command == "restore":
        keep_freed_memory(KEPT)
        from restoration.commands.restore import main as restore

        return restore(arguments)
    if command == "app":
        from restoration.commands.app import main as app

        return app(arguments)
    if command == "learn":
        from restoration.commands.learn import main as learn

        return learn(arguments)
    if command == "sweep":
        from restoration.commands.sweep import main as sweep

        return sweep(arguments)
    if command == "kodak":
        from restoration.commands.kodak import main as kodak

        return kodak(arguments)
    if command == "report":
        from restoration.commands.report import main as report

        return report(arguments)
    if arguments in (["--help"], ["-h"]):
        from restoration.fit_help import kept_help

        text = kept_help()
        if text is not None:
            print(text, end="")
            return 0
    from restoration.fit_checks import check_data

    check_data(arguments)
    keep_freed_memory()
    from restoration.cli import fit  # imports torch and lightning: seconds

    fit(arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
