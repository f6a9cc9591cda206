"""``restore`` in a pipe: a file from standard input, a picture to standard output."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restoration.__main__ import main

FAST = ["restore", "--preset", "fast"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo[:48, :48]).save("photo.jpg", quality=10, icc_profile=b"profile")


def run(command: str) -> subprocess.CompletedProcess:
    """Run a shell command in which $R stands for the program."""
    program = f"{sys.executable} -m restoration restore --preset fast"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("$R", program)],
        capture_output=True,
        check=False,
        env=os.environ,
    )


def test_a_pipe_gives_the_bytes_that_the_file_gets():
    both = run("cat photo.jpg | $R - -o - | cat")
    assert both.returncode == 0, both.stderr
    assert b"standard input" not in both.stdout
    assert b"48x48" in both.stderr  # the table
    assert main([*FAST, "photo.jpg"]) == 0
    assert both.stdout == Path("photo.restored.png").read_bytes()
    assert Image.open(io.BytesIO(both.stdout)).info["icc_profile"] == b"profile"


@pytest.fixture
def whole():
    assert main([*FAST, "photo.jpg", "-o", "whole.png"]) == 0
    return Path("whole.png").read_bytes()


def test_either_end_may_be_a_file(whole, capsysbinary, monkeypatch):
    capsysbinary.readouterr()
    assert main([*FAST, "photo.jpg", "-o", "-", "--json"]) == 0
    told = capsysbinary.readouterr()
    assert told.out == whole
    assert json.loads(told.err)[0]["output"] == "-"
    given(monkeypatch, Path("photo.jpg").read_bytes())
    assert main([*FAST, "-", "-o", "in.png", "--json"]) == 0
    (report,) = json.loads(capsysbinary.readouterr().out)
    assert (report["input"], report["quality"]) == ("standard input", 10)
    assert Path("in.png").read_bytes() == whole
    assert {p.name for p in Path().iterdir()} == {"photo.jpg", "whole.png", "in.png"}


def given(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_any_format_goes_down_a_pipe(capsysbinary, monkeypatch):
    given(monkeypatch, Path("photo.jpg").read_bytes())
    assert main([*FAST, "-", "-o", "-", "--format", "tiff"]) == 0
    piped = capsysbinary.readouterr().out
    assert main([*FAST, "photo.jpg", "-o", "photo.tif"]) == 0
    assert piped == Path("photo.tif").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-"], 2, "from standard input has no name; give -o FILE.png or -o -"),
        (["-", "-o", "folder"], 2, "from standard input has no name"),
        (["-", "--format", "webp"], 2, "give -o FILE.webp or -o -"),
        (["-", "photo.jpg", "-o", "-"], 2, "a pipe holds one image, not 2"),
        (["photo.jpg", "other.jpg", "-o", "-"], 2, "a pipe holds one image, not 2"),
        (["-", "-o", "photo.png", "--truth", "photo.png"], 2, "photo.png, which is read"),
        (["-", "-o", "-"], 1, "standard input is not an image that can be read"),
    ],
)
def test_what_cannot_be_piped_is_one_line(arguments, code, said, capsysbinary, monkeypatch):
    given(monkeypatch, b"no picture")
    assert main([*FAST, *arguments]) == code
    told = capsysbinary.readouterr()
    assert said in told.err.decode()
    assert told.err.count(b"\n") == 1
    assert told.out == b""
    assert [p.name for p in Path().iterdir()] == ["photo.jpg"]


def test_nothing_piped_in_is_told(capsys, monkeypatch):
    given(monkeypatch, b"")
    assert main([*FAST, "-", "-o", "-"]) == 1
    assert "standard input is empty" in capsys.readouterr().err


def test_a_picture_is_not_written_to_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main([*FAST, "photo.jpg", "-o", "-"]) == 2
    told = capsys.readouterr()
    assert "send it on: -o - > photo.png" in told.err
    assert told.out == ""


def test_files_named_by_a_dash_lie_in_nobodys_way(whole):
    """A file or folder of that name is neither read nor written."""
    Path("-").mkdir()
    result = run("$R - -o - < photo.jpg")
    assert result.returncode == 0, result.stderr
    assert result.stdout == whole
    assert list(Path("-").iterdir()) == []
    assert np.array(Image.open(io.BytesIO(result.stdout))).shape == (48, 48, 3)


def test_a_closed_standard_output_is_nobodys_trouble_but_a_pipes(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main([*FAST, "photo.jpg"]) == 0
    assert Path("photo.restored.png").exists()
    assert main([*FAST, "photo.jpg", "-o", "-"]) == 1
    assert "there is no standard output" in capsys.readouterr().err
