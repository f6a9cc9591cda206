"""``restoration learn`` from files to a library, and ``restore --network`` with it."""

import json
import re
import time
from dataclasses import asdict, replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from restoration.__main__ import main
from restoration.commands import learn, restore
from restoration.internal_learning.library import checkpoint, learning, module, pictures, sizes
from restoration.support import progress
from restoration.support.files import alone_in


@pytest.fixture
def folder(photo, tmp_path):
    pictures = tmp_path / "pictures"
    (pictures / "more").mkdir(parents=True)
    Image.fromarray(photo[:96, :112]).save(pictures / "a.jpg", quality=20)
    Image.fromarray(photo[96:, 80:]).save(pictures / "b.jpg", quality=30)
    (pictures / "0.jpg").write_text("no picture")
    return pictures


def test_a_library_is_learned_gone_on_with_and_applied(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(learn, "PREPARATION", 100)  # on a busy machine too
    monkeypatch.setattr(sizes, "size_within", lambda seconds, device: sizes.USUAL)
    seconds = count(0, 25)  # every step takes so many
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    library = tmp_path / "library.ckpt"
    command = ["learn", str(folder), "-o", str(library), "--budget"]
    assert main([*command, "60s"]) == 1  # a file was left out
    told = capsys.readouterr()
    assert f"{folder}: left out 1 folder (--recursive looks inside)" in told.err
    assert "left out:" in told.err
    assert "0.jpg" in told.err
    assert "on 2 pictures of quality 20 to 30" in told.err
    before = library.read_bytes()
    assert main([*command, "60s"]) == 0
    told = capsys.readouterr().err
    assert re.search(r"its budget is spent; for more give --budget, say \dm", told)
    assert library.read_bytes() == before
    assert main([*command, "150s"]) == 1
    assert "going on with" in capsys.readouterr().err
    assert library.read_bytes() != before

    options = ["--network", str(library), "--json", "-o", str(tmp_path)]
    assert main(["restore", str(folder / "a.jpg"), *options]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["preset"] == "fast"
    assert np.array(Image.open(report["output"])).shape == (96, 112, 3)

    loaded, load = [], checkpoint.load_library
    monkeypatch.setattr(checkpoint, "load_library", lambda path: loaded.append(path) or load(path))
    monkeypatch.setattr(progress, "FIRST_LINE", 0.0)
    assert main(["restore", str(folder), *options, "--overwrite"]) == 1
    assert loaded == [library]  # once for all files
    told = capsys.readouterr().err
    assert "[2/3] a.jpg" in told
    assert re.search(r"\[3/3, all in about \d+ s\] b\.jpg", told)


def test_learning_takes_the_seed_the_depth_and_the_largest_size(
    folder, photo, tmp_path, capsys, monkeypatch
):
    learned = []

    def describe(shown, path, description, *_, **__):
        learned.append((len(shown), description.seed))
        torch.save({"state_dict": {}, "library": asdict(description)}, path)

    monkeypatch.setattr(learning, "learn", describe)
    monkeypatch.setattr(pictures, "first_estimate", lambda file: torch.zeros(1, 3, 96, 96))
    monkeypatch.setattr(sizes, "size_within", lambda seconds, device: sizes.USUAL)
    (folder / "0.jpg").unlink()
    (folder / "b.jpg").unlink()
    Image.fromarray(photo[:96, :96]).save(folder / "more" / "c.jpg", quality=30)
    Image.fromarray(photo[:96, :113]).save(folder / "more" / "d.jpg", quality=30)
    options = ["--recursive", "--seed", "7", "--max-pixels", str(96 * 112)]
    command = ["learn", str(folder), "-o", str(tmp_path / "library.ckpt"), *options]
    assert main(command) == 1  # d.jpg was left out
    (told,) = (line for line in capsys.readouterr().err.splitlines() if ": left out: " in line)
    assert "d.jpg is too large: 113 x 96 pixels" in told
    assert learned == [(2, 7)]


@pytest.fixture
def learned_already(folder, tmp_path, monkeypatch):
    """A library whose budget of an hour has a second left."""
    library = tmp_path / "library.ckpt"

    def describe(shown, path, description, *_, **__):
        spent = replace(description, spent=3599.0)
        torch.save({"state_dict": {}, "library": asdict(spent)}, path)

    monkeypatch.setattr(learning, "learn", describe)
    monkeypatch.setattr(sizes, "size_within", lambda seconds, device: sizes.USUAL)
    monkeypatch.setattr(pictures, "first_estimate", lambda file: torch.zeros(1, 3, 96, 112))
    (folder / "0.jpg").unlink()
    (folder / "b.jpg").unlink()
    assert main(["learn", str(folder), "-o", str(library)]) == 0
    return library


@pytest.mark.parametrize("cached", [False, True])
def test_a_budget_that_is_spent_on_reading_the_files_is_spent(
    learned_already, folder, capsys, monkeypatch, cached
):
    """With the estimates at hand reading takes longer than is left; without, there are none."""
    prepare = learn.prepared

    def slowly(*given):
        monkeypatch.setattr(learn.time, "monotonic", lambda now=time.monotonic: now() + 5)
        return prepare(*given) if cached else []

    monkeypatch.setattr(learn, "prepared", slowly)
    monkeypatch.setattr(learning, "learn", None)  # which is not called
    before = learned_already.read_bytes()
    assert main(["learn", str(folder), "-o", str(learned_already)]) == 0
    told = capsys.readouterr().err
    assert "its budget is spent; for more give --budget, say 2h" in told
    assert learned_already.read_bytes() == before


def test_a_library_that_another_process_learns_is_left_alone(learned_already, folder, capsys):
    with alone_in(learned_already.with_name("library.ckpt.estimates")):
        assert main(["learn", str(folder), "-o", str(learned_already)]) == 1
    assert "another process works in" in capsys.readouterr().err


@pytest.mark.slow
def test_pictures_are_learned_from_and_restored_together(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(learn, "PREPARATION", 100)
    command = ["restore", str(folder), "--together", "--budget", "4s", "-o", str(tmp_path / "o")]
    assert main([*command, "--json"]) == 1  # one file is no picture
    reports = json.loads(capsys.readouterr().out)
    assert [("output" in r, "error" in r) for r in reports] == [(False, True), *[(True, False)] * 2]
    library = tmp_path / "o/library.ckpt"
    alone = ["--network", str(library), "-o", str(tmp_path / "a.png")]
    assert main(["restore", str(folder / "a.jpg"), *alone]) == 0
    together = (tmp_path / "o/a.restored.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == together
    before = library.read_bytes()
    assert main([*command, "--overwrite"]) == 1
    assert library.read_bytes() == before  # its time is spent
    monkeypatch.setattr(restore, "learn_from", None)  # which is not called where all is there
    (folder / "0.jpg").unlink()
    capsys.readouterr()
    assert main([*command, "--budget", "9h"]) == 0
    assert "0 restored, 2 skipped" in capsys.readouterr().out
    for wrong in (command[:-2], [*command, "--network", str(library)]):
        assert main(wrong) == 2
        assert "--together" in capsys.readouterr().err


def test_a_network_that_has_learned_nothing_is_not_written(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(learn, "PREPARATION", 1000)
    library = tmp_path / "library.ckpt"
    (folder / "0.jpg").unlink()
    assert main(["learn", str(folder), "-o", str(library), "--budget", "0.05s"]) == 1
    assert "the first estimates took all the time" in capsys.readouterr().err
    assert not library.exists()


def test_what_cannot_be_learned_from_is_told_in_one_line(folder, tmp_path, capsys):
    library = tmp_path / "library.ckpt"
    cases = [
        ([str(folder / "0.jpg"), "-o", str(library)], 1, "none of 1 files can be learned from"),
        ([str(folder), "-o", str(tmp_path / "x.png")], 2, "a library is a .ckpt file"),
        ([str(folder), "-o", str(tmp_path / "no" / "x.ckpt")], 1, "is not a folder"),
        ([str(tmp_path), "-o", str(library)], 2, "(--recursive looks inside)"),
        ([str(folder), "-o", str(library), "--seed", "-1"], 2, "-1 is no seed"),
        ([str(folder), "-o", str(library), "--budget", "soon"], 2, "'soon' is no duration"),
        ([str(folder), "-o", str(library), "--budget", "0.001s"], 1, "give a longer --budget"),
    ]
    for arguments, code, message in cases:
        try:
            result = main(["learn", *arguments])
        except SystemExit as stop:  # of the parser of options
            result = stop.code
        assert result == code
        assert message in capsys.readouterr().err.splitlines()[-1]
    library.write_text("something else")
    assert main(["learn", str(folder), "-o", str(library)]) == 1
    assert "is no library made by restoration learn" in capsys.readouterr().err
    assert library.read_text() == "something else"
    assert main(["restore", str(folder / "a.jpg"), "--network", str(library)]) == 1
    assert "is no library made by restoration learn" in capsys.readouterr().err
