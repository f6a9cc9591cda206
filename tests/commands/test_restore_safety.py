"""What ``restore`` must never do: destroy an input, leave its folder, hang, or end the others."""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restoration import restoring
from restoration.__main__ import main
from restoration.commands import restore
from restoration.formats import writing
from restoration.support.files import safe_name

FAST = ["restore", "--preset", "fast"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, photo, one_pass):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo[:48, :48]).save("photo.jpg", quality=10)
    Image.fromarray(photo[:48, :48]).save("photo.png")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--compare", "photo.jpg"], "end its name in .png"),
        (["-o", "link.png"], "link.png is photo.jpg, which is read"),
        (["-o", "hard.png"], "hard.png is photo.jpg, which is read"),
        (["--truth", "photo.png", "-o", "photo.png"], "photo.png is photo.png, which is read"),
        (["--truth", "photo.png", "--compare", "photo.png"], "which is read"),
        (["-o", "o.png", "--compare", "o.png"], "both the result and the comparison"),
        (["-o", "o.png", "--compare", "./sub/../o.png"], "both the result and the comparison"),
    ],
)
def test_no_output_is_an_input_or_another_output(arguments, said, capsys):
    os.symlink("photo.jpg", "link.png")
    os.link("photo.jpg", "hard.png")
    Path("sub").mkdir()
    before = {p: p.read_bytes() for p in Path().iterdir() if p.is_file()}
    assert main([*FAST, "photo.jpg", "--overwrite", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert {p: p.read_bytes() for p in Path().iterdir() if p.is_file()} == before


@pytest.mark.parametrize("name", ["..jpg", "...jpg", ".jpg", "a\\b.jpg"])
def test_outputs_stay_in_their_folder(name):
    Path("holiday").mkdir()
    Path("photo.jpg").rename(Path("holiday", name))
    before = set(Path().iterdir())
    assert main([*FAST, f"holiday/{name}"]) == 0
    assert set(Path().iterdir()) == before
    assert [p.name for p in Path("holiday").glob("*.restored.png")] != []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("photo", "photo"),
        ("../../esc", "_.._esc"),
        ("..", "_"),
        ("", "_"),
        ("a/b\\c", "a_b_c"),
        ("a\nb", "a_b"),
        ("ä" * 200, "ä" * 80),
    ],
)
def test_names_are_safe(text, name):
    assert safe_name(text) == name


def test_a_damaged_picture_is_restored_and_told_or_refused(capsys, photo):
    Image.fromarray(photo).save("whole.jpg", quality=40)
    data = Path("whole.jpg").read_bytes()
    Path("cut.jpg").write_bytes(data[: len(data) // 2])
    assert main([*FAST, "cut.jpg", "--json"]) == 0
    told = capsys.readouterr()
    assert "cut.jpg: the picture is cut short: nothing is left below line" in told.err
    assert json.loads(told.out)[0]["damage"].startswith("cut short")
    assert main([*FAST, "cut.jpg", "--strict", "--overwrite"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_one_file_does_not_end_the_others(capsys, monkeypatch):
    Path("b.jpg").write_bytes(Path("photo.jpg").read_bytes())
    restored, calls = restoring.restore_jpeg, []

    def first_runs_out(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried ...")
        return restored(*arguments)

    monkeypatch.setattr(restoring, "restore_jpeg", first_runs_out)
    os.mkfifo("c.jpg")
    long = "x" * 300 + ".jpg"
    assert main([*FAST, "photo.jpg", "b.jpg", "c.jpg", long]) == 1
    errors = capsys.readouterr().err
    assert "photo.jpg: the memory does not suffice" in errors
    assert "c.jpg is no regular file" in errors
    assert "File name too long" in errors
    assert Path("b.restored.png").exists()


def test_what_nobody_foresaw_does_not_end_the_others(capsys, monkeypatch):
    Path("b.jpg").write_bytes(Path("photo.jpg").read_bytes())
    encode, calls = writing.png, []

    def first_is_odd(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("odd")
        return encode(*arguments)

    form = dataclasses.replace(writing.PNG_8, encode=first_is_odd)
    monkeypatch.setattr("restoration.commands.restore.format_of", lambda *_: form)
    assert main([*FAST, "photo.jpg", "b.jpg", "--json"]) == 1
    told = capsys.readouterr()
    assert "photo.jpg: KeyError 'odd'; this should not happen: please report it" in told.err
    assert "error" in json.loads(told.out)[0]
    assert Path("b.restored.png").exists()


def test_what_does_not_fit_into_a_format_is_told_before_the_work(capsys, monkeypatch):
    Image.new("RGB", (16_400, 16)).save("wide.jpg")
    monkeypatch.setattr(restoring, "restore_jpeg", None)
    assert main([*FAST, "wide.jpg", "--format", "webp"]) == 1
    assert "16400 x 16 pixels do not fit into a webp file" in capsys.readouterr().err
    Image.new("1", (65_600, 16)).save("wider.png")
    assert main([*FAST, "wider.png", "--quality", "10"]) == 1
    assert "a JPEG has sides of at most 65500 pixels" in capsys.readouterr().err


def test_results_among_the_files_that_a_shell_lists_are_left_out(capsys):
    """The same command goes on, also where a pattern has become names."""
    Path("photo.jpeg").write_bytes(Path("photo.jpg").read_bytes())
    pattern = ["photo.jpeg", "photo.jpg"]
    assert main([*FAST, "--format", "jpeg", *pattern]) == 0
    pattern = sorted(str(path) for path in Path().glob("*.jp*g"))
    assert pattern == sorted(
        ["photo.jpeg", "photo.jpeg.restored.jpg", "photo.jpg", "photo.jpg.restored.jpg"]
    )
    capsys.readouterr()
    assert main([*FAST, "--format", "jpeg", *pattern]) == 0
    told = capsys.readouterr()
    assert "left out 2 results (of other files, by their names)" in told.err
    assert told.err.count("skipped") == 2
    assert main([*FAST, "photo.jpg.restored.jpg"]) == 0  # given by itself, it is a picture


def test_what_is_named_as_a_result_of_a_file_elsewhere_is_told(capsys):
    Path("in").mkdir()
    for name in ("a.jpg", "a.restored.jpg", "holiday.restored.jpeg"):
        Path("in", name).write_bytes(Path("photo.jpg").read_bytes())
    assert main([*FAST, "in", "-o", "out"]) == 0
    assert "in: left out 1 result (of other files, by their names)" in capsys.readouterr().err
    assert os.listdir("out") == ["a.restored.png"]


@pytest.mark.parametrize("option", ["target", "sheet"])
def test_a_file_that_appears_during_the_work_is_left_alone(capsys, monkeypatch, option):
    path = Path("o.png" if option == "target" else "sheet.png")
    restored = restoring.restore_jpeg

    def others_write(*arguments):
        path.write_bytes(b"precious")
        return restored(*arguments)

    monkeypatch.setattr(restoring, "restore_jpeg", others_write)
    assert main([*FAST, "photo.jpg", "-o", "o.png", "--compare", "sheet.png"]) == 1
    assert f"{path} exists; give --overwrite" in capsys.readouterr().err
    assert path.read_bytes() == b"precious"
    assert not {"o.png", "sheet.png"} - {path.name} & set(os.listdir())


def test_a_sheet_that_is_missing_is_not_skipped_untold(capsys):
    command = [*FAST, "photo.jpg", "-o", "o.png", "--compare", "sheet.png"]
    assert main(command) == 0
    assert main(command) == 0  # both are there
    Path("sheet.png").unlink()
    capsys.readouterr()
    assert main(command) == 1
    assert "o.png exists; give --overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0
    assert Path("sheet.png").exists()


def test_a_picture_that_is_too_small_to_be_searched_is_told_so(capsys):
    assert main([*FAST, "photo.png"]) == 1  # 48 x 48
    assert "photo.png is too small to show an earlier JPEG" in capsys.readouterr().err


def test_a_link_stays_one(capsys, monkeypatch):
    Path("there").mkdir()
    os.symlink("there/real.png", "o.png")
    assert main([*FAST, "photo.jpg", "-o", "o.png"]) == 0
    assert Path("o.png").is_symlink()
    os.symlink("missing/real.png", "far.png")
    capsys.readouterr()
    with monkeypatch.context() as early:
        early.setattr(restoring, "restore_jpeg", None)  # told before the work
        assert main([*FAST, "photo.jpg", "-o", "far.png"]) == 1
    assert "missing is not a folder" in capsys.readouterr().err
    with Image.open("there/real.png") as image:
        assert image.size == (48, 48)


def test_how_to_go_on_where_files_are_replaced():
    """Without --overwrite those are skipped whose old results are there."""
    jobs = [restore.Job(Path("photo.jpg"), Path("o.png"))]
    asked = argparse.Namespace(overwrite=True)
    assert restore.onwards(jobs, asked).startswith("the same command without --overwrite goes on")
    Path("o.png").touch()
    assert restore.onwards(jobs, asked) == "the same command begins anew"
    assert restore.onwards(jobs, argparse.Namespace(overwrite=False)).endswith("with the others")


def test_a_library_that_cannot_be_used_ends_the_command_at_once(capsys):
    Path("no.ckpt").write_bytes(b"not a library")
    assert main(["restore", "photo.jpg", "other.jpg", "--network", "no.ckpt"]) == 1
    told = capsys.readouterr()
    assert told.err.count("error") == told.err.count("\n") == 1
    assert "no.ckpt" in told.err
    assert not told.out  # no table of files that were not tried


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--seed", "1" + "0" * 30], 2, "is no seed: give 0 to"),
        (["--seed", "-1"], 2, "seed"),
        (["--max-pixels", "100"], 1, "too large: 48 x 48 pixels"),
        (["--max-pixels", "-5"], 2, "-5 is no number of pixels"),
        (["--max-pixels", "0"], 2, "0 is no number of pixels"),
        ([], 1, "photo.restored.png is a folder"),
    ],
)
def test_what_would_fail_late_fails_early(arguments, code, said, capsys):
    Path("photo.restored.png").mkdir()
    output = [] if said.endswith("folder") else ["-o", "o.png"]
    try:
        result = main([*FAST, "photo.jpg", *output, *arguments])
    except SystemExit as stop:
        result = stop.code
    assert result == code
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def run(command: str) -> subprocess.CompletedProcess:
    """Run a shell command in which $R stands for the program."""
    program = f"{sys.executable} -m restoration"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command.replace("$R", program)],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )


def test_output_that_nobody_reads_or_that_cannot_be_written_is_no_traceback():
    Path("photo.restored.png").touch()  # so it is skipped, which is told as all else is
    gone = run("$R restore --preset fast photo.jpg --json | head -c 0")
    full = run("$R restore --preset fast photo.jpg --json > /dev/full")
    for result in (gone, full):
        assert b"Traceback" not in result.stderr
    assert full.returncode == 1
    assert b"No space left" in full.stderr


def test_names_that_a_terminal_cannot_show_are_no_traceback():
    Path("phöto.jpg").write_bytes(Path("photo.jpg").read_bytes())
    names = run("$R restore --preset fast phöto.jpg")
    assert names.returncode == 0
    assert b"Traceback" not in names.stderr
    assert b"ph\\xf6to" in names.stdout


def test_files_that_macos_leaves_are_no_photographs(capsys):
    Path("._photo.jpg").write_bytes(b"\0\5\x16\7attributes")
    assert main([*FAST, "."]) == 0
    assert "._" not in capsys.readouterr().out
    assert np.array(Image.open("photo.restored.png")).shape == (48, 48, 3)
