"""The ``restoration`` command."""

from __future__ import annotations

import sys
from importlib.metadata import version

HELP = """\
usage: restoration COMMAND ...

Make a badly compressed JPEG better without ever seeing the original.

commands:
  fit         optimise a network on one image, configured by YAML (the researcher's command)

options:
  --help      this text; "restoration fit --help" lists the options of fit
  --version   the version

examples:
  restoration fit --config configs/quickstart.yaml
  restoration fit --config configs/base.yaml --config configs/net/low.yaml \\
      --config configs/loss/mse.yaml --data.image photo.jpg
"""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0 done, 1 failed, 2 wrong usage, 130 stopped by the user."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command = arguments[0] if arguments else None
    if command in (None, "-h", "--help"):
        print(HELP, end="", file=sys.stdout if command else sys.stderr)
        return 0 if command else 2
    if command == "--version":
        print(f"restoration {version('restoration')}")
        return 0
    if command != "fit":
        print(f"restoration: unknown command {command!r}; see restoration --help", file=sys.stderr)
        return 2

    from restoration.errors import Interrupted, RestorationError

    try:
        from restoration.cli import fit  # imports torch and lightning: seconds

        fit(arguments[1:])
    except RestorationError as error:
        print(f"restoration fit: error: {error}", file=sys.stderr)
        return 1
    except (Interrupted, KeyboardInterrupt) as stop:
        print(f"\nrestoration fit: {stop or 'stopped'}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
