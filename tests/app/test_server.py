"""The page's server: for this computer alone, asking nobody else, and gone when it is stopped."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from html.parser import HTMLParser

import pytest

from restoration.__main__ import main
from restoration.commands import app as command


class Loaded(HTMLParser):
    """Collects what a browser loads by itself: not links, nor what is written in <meta>."""

    def __init__(self, html):
        super().__init__()
        self.addresses = re.findall(r"url\(([^)]*)\)|@import ([^;]*)", html)
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.addresses += [v for k, v in values.items() if k in ("src", "srcset", "poster", "data")]
        if tag == "link":
            self.addresses.append(values["href"])


def ask(address, **headers):
    """Return status, headers and text of an answer."""
    request = urllib.request.Request(address, headers=headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, ""


def test_the_page_names_nothing_elsewhere_that_a_browser_loads(address):
    status, headers, html = ask(address)
    loaded = [str(a) for a in Loaded(html).addresses]
    assert status == 200
    assert any(a.endswith(".js") for a in loaded)
    for style in [ask(f"{address}/{a}")[2] for a in loaded if ".css" in a] + [
        ask(f"{address}/theme.css")[2]
    ]:
        loaded += [str(a) for a in Loaded(style).addresses]
    assert [a for a in loaded if "//" in a.replace("http://www.w3.org/2000/svg", "")] == []
    policy = headers["Content-Security-Policy"].split(";")[0]
    assert policy == "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/config", {}, 200),
        ("/config", {"Host": "localhost"}, 200),
        ("/config", {"Host": "example.com"}, 403),  # a name that leads here
        ("/config", {"Origin": "http://example.com"}, 403),  # another page
        ("/gradio_api/file=http://127.0.0.1/", {}, 403),
        ("/gradio_api/file=https:%2F%2Fexample.com", {}, 403),
        ("/gradio_api/proxy=http://127.0.0.1/", {}, 403),
        ("/gradio_api/file=/etc/hostname", {}, 403),
    ],
)
def test_what_other_pages_may_not_ask_for_is_refused(address, path, headers, status):
    assert ask(address + path, **headers)[0] == status


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is this computer on Linux")
def test_it_listens_on_127_0_0_1_alone(address):
    port = int(address.rsplit(":", 1)[1])
    socket.create_connection(("127.0.0.1", port)).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_it_ends_cleanly_and_leaves_nothing(server, name, tmp_path):
    process, address = server
    assert ask(address)[0] == 200
    assert len(os.listdir(tmp_path / "temporary")) == 1
    process.send_signal(getattr(signal, name))
    assert process.wait(20) == 130
    assert process.stderr.read() == "\nrestoration app: stopped\n"
    assert list((tmp_path / "temporary").iterdir()) == []
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_one_line_tells_what_is_missing_or_taken(capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(command, "find_spec", lambda name: None)
        assert main(["app"]) == 1
    assert capsys.readouterr().err == (
        'restoration app: error: the page needs gradio: pip install "restoration[app]"\n'
    )
    with pytest.raises(SystemExit) as stop:
        main(["app", "--port", "70000"])
    assert stop.value.code == 2
    assert "70000 is no port: give 0 to 65535" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(address):
    port = address.rsplit(":", 1)[1]
    told = subprocess.run(
        [sys.executable, "-m", "restoration", "app", "--port", port],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert told.stderr == (
        f"restoration app: error: port {port}: Address already in use; give another --port\n"
    )
