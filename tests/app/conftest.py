"""The page's server as a process of its own, and a browser."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = [
    "--no-sandbox",  # which a root user has not
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def running(folder):
    """Start ``restoration app``, which keeps its files in a folder; end it by Ctrl-C."""
    if find_spec("gradio") is None:
        pytest.skip('no gradio; pip install -e ".[app]"')
    for name in ("temporary", "current"):
        (folder / name).mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "restoration", "app", "--port", "0", "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder / "current",
        env={**os.environ, "TMPDIR": str(folder / "temporary"), "HOME": str(folder / "home")},
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("The page is at http://127.0.0.1:"), process.stderr.read()
            yield process, line.split()[4]
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130
                told = process.stderr.read()
                assert told == "\nrestoration app: stopped\n", told
        finally:
            process.kill()


@pytest.fixture
def server(tmp_path):
    """Return the process of the page's server, and its address."""
    with running(tmp_path) as server:
        yield server


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Return the address of a server that no test ends."""
    with running(tmp_path_factory.mktemp("server")) as (_, address):
        yield address


@pytest.fixture
def browser():
    """Start a headless Chromium that may ask this computer alone."""
    if find_spec("playwright") is None:
        pytest.skip('no Playwright; pip install -e ".[browser]"')
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()
