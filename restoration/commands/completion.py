"""``restoration --print-completion SHELL``: what completes the program's command lines."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from restoration.errors import RestorationError, UsageError
from restoration.fit_help import kept_help, made_help

OPTION = re.compile(r"^  (?:-\w[^-]*, )?(--[\w.]+)", re.MULTILINE)  # in a help text


def completion(shell: str, commands: Sequence[str]) -> str:
    """Write the script that lets a shell complete commands, options and names of files.

    Args:
        shell: bash or zsh, say.
        commands: of the program; each has a module with a ``parser`` here, but for ``fit``.

    Raises:
        RestorationError: shtab is missing, or does not know the shell (``UsageError``).
    """
    try:
        import shtab
    except ImportError as error:
        raise RestorationError("completion needs shtab: pip install shtab") from error
    if shell not in shtab.SUPPORTED_SHELLS:
        known = ", ".join(shtab.SUPPORTED_SHELLS)
        raise UsageError(f"give --print-completion SHELL, of {known}, not {shell!r}")
    program = argparse.ArgumentParser("restoration", allow_abbrev=False)
    parts = program.add_subparsers()
    for name in commands:
        parser = fit() if name == "fit" else import_module(f"restoration.commands.{name}").parser()
        for action in parser._actions:
            if action.type is Path or (not action.option_strings and not action.choices):
                action.complete = shtab.FILE  # type: ignore[union-attr] # which shtab reads
        parts.add_parser(name, parents=[parser], add_help=False, help=parser.description)
    return str(shtab.complete(program, shell))


def fit() -> argparse.ArgumentParser:
    """Describe ``fit`` as far as completion goes; its parser is not that of the others."""
    # shtab makes no script for zsh or fish of a command without a description
    parser = argparse.ArgumentParser(description="Optimise a network.", add_help=False)
    for option in dict.fromkeys(OPTION.findall(kept_help() or made_help())):
        parser.add_argument(option, type=Path)
    return parser
