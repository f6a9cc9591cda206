"""Fetching the Kodak images, from a server of this test's own."""

import functools
import http.server
import json
import threading

import numpy as np
import pytest
from PIL import Image

from restoration.__main__ import main
from restoration.commands import kodak as kodak_command
from restoration.commands.kodak import PIXELS, pixel_hash


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture
def page(tmp_path):
    """The address of tmp_path/served, and the names of what was asked for."""
    served = tmp_path / "served"
    served.mkdir()
    handler = functools.partial(Quiet, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", served
        server.shutdown()


def picture(path, seed, size=(512, 768)):
    pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, compress_level=1)


def test_images_are_fetched_once_and_checked_ever_after(page, tmp_path, monkeypatch, capsys):
    address, served = page
    monkeypatch.setattr(kodak_command, "NAMES", ["kodim01", "kodim02"])
    picture(served / "kodim01.png", 1)
    picture(served / "kodim02.png", 2, (768, 512))
    folder = tmp_path / "kodak"
    command = ["kodak", str(folder), "--page", address]
    assert main(command) == 0
    assert capsys.readouterr().out.count("first download, not verified") == 2
    assert (folder / "kodim01.png").read_bytes() == (served / "kodim01.png").read_bytes()
    hashes = json.loads((folder / "hashes.json").read_text())
    assert hashes["kodim02"] == pixel_hash((served / "kodim02.png").read_bytes(), "")

    (served / "kodim01.png").unlink()  # not asked for again
    assert main(command) == 0
    assert capsys.readouterr().out.count("unchanged since its first download") == 2

    picture(folder / "kodim01.png", 3)
    (folder / "kodim02.png").unlink()
    picture(served / "kodim02.png", 4)
    assert main(command) == 1
    error = capsys.readouterr().err
    assert "kodim01.png: its pixels are not those of the Kodak image; delete it" in error
    assert "kodim02.png: its pixels are not those of the Kodak image; it was not written" in error
    assert not (folder / "kodim02.png").exists()


def test_what_is_not_the_image_is_refused(page, tmp_path, monkeypatch, capsys):
    address, served = page
    monkeypatch.setattr(kodak_command, "NAMES", ["kodim01", "kodim02", "kodim03", "kodim05"])
    (served / "kodim01.png").write_text("<html>moved</html>")
    picture(served / "kodim02.png", 2, (512, 767))
    picture(served / "kodim03.png", 3)
    folder = tmp_path / "kodak"
    assert main(["kodak", str(folder), "--page", address]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert "not an image" in lines[0]
    assert "768 x 512" in lines[1]
    assert "not those of the Kodak image" in lines[2]
    assert "cannot fetch" in lines[3]
    assert not list(folder.iterdir())
    (folder / "kodim01.png").write_bytes(b"half a file")
    assert main(["kodak", str(folder), "--page", address]) == 1
    told = capsys.readouterr().err.splitlines()[0]
    assert told.endswith("kodim01.png is not an image; delete it and fetch it again")


def test_known_hashes_are_those_of_the_images_at_hand(kodak):
    for path in kodak:
        assert pixel_hash(path.read_bytes(), path.name) == PIXELS[path.stem]


def test_without_a_network_there_is_one_line_and_no_folder(tmp_path, capsys):
    folder = tmp_path / "kodak"
    assert main(["kodak", str(folder), "--page", "http://127.0.0.1:9"]) == 1
    error = capsys.readouterr().err
    assert "is there a network?" in error
    assert error.count("\n") == 1
    assert not folder.exists()


def test_what_came_before_the_network_went_is_known_afterwards(page, tmp_path, monkeypatch, capsys):
    address, served = page
    monkeypatch.setattr(kodak_command, "NAMES", ["kodim01", "kodim02"])
    picture(served / "kodim01.png", 1)
    folder, download = tmp_path / "kodak", kodak_command.download

    def gone(url):
        if "kodim02" in url:
            raise kodak_command.UnreachableError("gone")
        return download(url)

    monkeypatch.setattr(kodak_command, "download", gone)
    assert main(["kodak", str(folder), "--page", address]) == 1
    assert list(json.loads((folder / "hashes.json").read_text())) == ["kodim01"]
    picture(folder / "kodim01.png", 3)
    capsys.readouterr()
    assert main(["kodak", str(folder), "--page", address]) == 1
    assert "kodim01.png: its pixels are not those" in capsys.readouterr().err


class Cut(Quiet):
    """Says that more comes than does."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"half")


def test_what_goes_wrong_on_the_way_is_one_line_each(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(kodak_command, "NAMES", ["kodim01"])
    folder = tmp_path / "kodak"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Cut) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_address[1]}"
        assert main(["kodak", str(folder), "--page", page]) == 1
        server.shutdown()
    assert "kodim01.png: it came to an early end" in capsys.readouterr().err
    assert main(["kodak", str(folder), "--page", "http://host:9x"]) == 1
    assert "cannot fetch http://host:9x/kodim01.png" in capsys.readouterr().err
    for content, told in (("{", "cannot be read"), ("[]", "holds no hashes")):
        (folder / "hashes.json").write_text(content)
        assert main(["kodak", str(folder), "--page", page]) == 1
        error = capsys.readouterr().err
        assert told in error
        assert error.count("\n") == 1
