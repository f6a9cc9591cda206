"""``restoration app``: a page in the browser."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from restoration.errors import RestorationError
from restoration.support.usage import Parser

HOST = "127.0.0.1"
PORTS = range(7860, 7880)


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        prog="restoration app",
        description="Open a page in the browser that restores pictures: drop them, compare, "
        "download. It serves this computer alone and keeps nothing.",
    )
    p.add_argument("--port", type=port, help="of the page (default: the first free from 7860 on)")
    p.add_argument("--no-browser", action="store_true", help="Open no browser, print the address.")
    return p


def port(text: str) -> int:
    """Read the number of a port; 0 stands for any that is free."""
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"{text} is no port: give 0 to 65535")
    return int(text)


def main(arguments: Sequence[str]) -> int:
    """Run ``restoration app`` until it is stopped.

    Raises:
        RestorationError: gradio is missing, or the port is taken.
        KeyboardInterrupt: the user stopped it.
        SystemExit: wrong usage (2), or help was asked for (0).
    """
    options = parser().parse_args(arguments)
    if find_spec("gradio") is None:
        raise RestorationError('the page needs gradio: pip install "restoration[app]"')
    try:
        listening = listen(options.port)
    except OSError as error:
        wanted = "7860 and the next ones" if options.port is None else options.port
        reason = os.strerror(error.errno or 0)
        raise RestorationError(f"port {wanted}: {reason}; give another --port") from error
    address = "http://{}:{}".format(*listening.getsockname())
    print(f"The page is at {address} until Ctrl-C.", flush=True)
    with tempfile.TemporaryDirectory(prefix="restoration-", ignore_cleanup_errors=True) as folder:
        root = Path(folder).resolve()
        # before the import, which reads them
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["GRADIO_TEMP_DIR"] = str(root / "uploads")
        from restoration.app.server import serve

        if not options.no_browser and has_screen():
            webbrowser.open(address)
        serve(listening, root)
    return 0


def listen(port: int | None) -> socket.socket:
    """Open the server's socket on 127.0.0.1.

    Args:
        port: its port; None for the first of ``PORTS`` that is free.

    Raises:
        OSError: none is free.
    """
    for number in PORTS if port is None else [port]:
        try:
            return socket.create_server((HOST, number))
        except OSError as error:
            failure = error
    raise failure


def has_screen() -> bool:
    """Whether a browser would open in a window, rather than in this terminal."""
    return sys.platform in ("win32", "darwin") or any(
        map(os.getenv, ("DISPLAY", "WAYLAND_DISPLAY"))
    )
