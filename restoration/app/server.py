"""The page's server: on this computer, for this computer."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from types import FrameType

import fastapi
import gradio as gr
import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from restoration.app.files import Visits
from restoration.app.layout import CSS
from restoration.app.page import Page
from restoration.app.work import Desk

NAMES = ("127.0.0.1", "localhost")  # by which browsers call it
PATIENCE = 1  # second that open pages have when the server ends
HEADERS = {
    # A browser loads nothing from elsewhere, whatever the page may say; gradio's own scripts are
    # partly in the page, and it builds functions from text.
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",  # nor does it keep pictures
    "Referrer-Policy": "no-referrer",
}


class Guard:
    """Refuses what other pages and names ask for, and what would fetch from elsewhere.

    Args:
        app: The server behind it (ASGI).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or refuse it, and add ``HEADERS`` to the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                names = [name for name, _ in own]
                others = [h for h in message["headers"] if h[0].lower() not in names]
                message = {**message, "headers": [*others, *own]}
            await send(message)

        if allowed(scope):
            await self.app(scope, receive, answer)
        else:
            await fastapi.Response("not allowed", 403)(scope, receive, answer)


def allowed(scope: Scope) -> bool:
    """Whether a request comes from the page itself and stays on this computer."""
    headers = {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
    host = headers.get("host", "")
    origin = headers.get("origin", f"http://{host}")
    fetches = any(part in scope["path"] for part in ("file=http", "/proxy=", "file/http"))
    return host.split(":")[0] in NAMES and origin == f"http://{host}" and not fetches


def serve(listening: socket.socket, root: Path) -> None:
    """Serve the page until Ctrl-C or another signal ends it.

    Args:
        listening: where.
        root: an absolute path, of the folder of all files.

    Raises:
        KeyboardInterrupt: it was ended.
    """
    signal.signal(signal.SIGTERM, interrupt)
    if hasattr(signal, "SIGHUP"):  # the terminal's window was closed
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    gr.set_static_paths([root])  # or each result would be copied before it is served
    with Desk() as desk:
        blocks = Page(Visits(desk, root)).blocks
        app = gr.mount_gradio_app(
            fastapi.FastAPI(openapi_url=None),
            blocks,
            "/",
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            enable_monitoring=False,
            theme=gr.themes.Default(
                font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
            ),
            css=CSS,
        )
        config = uvicorn.Config(
            Guard(app), log_level="critical", timeout_graceful_shutdown=PATIENCE
        )
        uvicorn.Server(config).run([listening])


def interrupt(number: int, frame: FrameType | None) -> None:
    """End as by Ctrl-C, so that what is open is closed."""
    raise KeyboardInterrupt
