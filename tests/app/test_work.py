"""Requests wait their turn, can be cancelled at any time, and leave nothing behind."""

import json
import os
import shutil
import tempfile
import textwrap
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from restoration.__main__ import main
from restoration.app import worker
from restoration.app.files import Visits, unique, zipped
from restoration.app.work import Desk, Task
from restoration.app.worker import Kept, stored, subsampling
from restoration.commands.restore import parser
from restoration.commands.restore_file import settings_of
from restoration.errors import RestorationError
from restoration.formats.writing import FORMATS
from restoration.jpeg import read_jpeg, read_picture
from restoration.support.processes import cores

FAST = ("--preset", "fast")
SLOW = """
    import pathlib, time
    from restoration.errors import RestorationError
    from restoration.support.processes import serve

    def do(task, tell):
        tell((1, 4))
        if task.source.startswith("slow"):
            time.sleep(60)
        if task.source.startswith("dies"):
            raise SystemExit
        if task.source.startswith("bad"):
            return RestorationError(f"{task.source} is bad")
        task.target.write_bytes(b"restored")
        return {"recipe": task.recipe}

    if __name__ == "__main__":
        serve(do)
"""


@pytest.fixture
def visits(tmp_path, monkeypatch):
    """A desk whose process only pretends to work."""
    (tmp_path / "slow_worker.py").write_text(textwrap.dedent(SLOW))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "bad.jpg", "slow.jpg", "dies.jpg"):
        Path(name).write_bytes(b"a picture")
    (tmp_path / "root").mkdir()
    with Desk("slow_worker") as desk:
        yield Visits(desk, tmp_path / "root")


def ready(work):
    """Wait until the request is at its first picture."""
    end = time.monotonic() + 20
    while not work.part and time.monotonic() < end:
        time.sleep(0.01)
    assert work.part == 0.25


def test_a_bad_picture_does_not_end_the_others(visits):
    work = visits.begin("page", ["bad.jpg", "a.jpg", "dies.jpg", "a.jpg"], FAST)
    assert work.over.wait(20)
    assert [p.report for p in work.pictures] == [None, {"recipe": FAST}] * 2
    assert [p.error for p in work.pictures[::2]] == [
        "bad.jpg is bad",
        "dies.jpg: its process ended; was there memory enough?",
    ]
    with zipfile.ZipFile(zipped(work)) as archive:
        assert archive.namelist() == ["a.restored.png", "a-2.restored.png"]
        assert archive.read("a-2.restored.png") == b"restored"


def test_a_process_that_died_with_nothing_to_do_fails_no_picture(visits):
    assert visits.begin("page", ["a.jpg"], FAST).over.wait(20)
    visits.desk.peer.process.kill()
    visits.desk.peer.process.wait()
    work = visits.begin("page", ["a.jpg"], FAST)
    assert work.over.wait(20)
    assert [(p.report, p.error) for p in work.pictures] == [({"recipe": FAST}, None)]


def test_a_picture_that_the_memory_does_not_hold_fails_alone(visits, monkeypatch):
    def too_large(task):
        raise MemoryError

    monkeypatch.setattr(visits.desk.peer, "do", too_large)  # of this process, not of the next
    work = visits.begin("page", ["a.jpg", "a.jpg"], FAST)
    assert work.over.wait(20)
    assert [p.report for p in work.pictures] == [None, {"recipe": FAST}]
    assert work.pictures[0].error == "a.jpg: its process ended; was there memory enough?"


def test_requests_wait_for_each_other_and_cancelling_hands_on(visits):
    first = visits.begin("one", ["slow.jpg", "a.jpg"], FAST)
    ready(first)
    second, third = (visits.begin(page, ["a.jpg"], FAST) for page in ("two", "three"))
    assert [visits.desk.ahead(work) for work in (first, second, third)] == [0, 1, 2]
    visits.desk.cancel(third)
    assert third.over.is_set()
    visits.desk.cancel(first)
    assert second.over.wait(20)
    assert [len(work.finished) for work in (first, second, third)] == [0, 1, 0]
    assert first.over.is_set()
    assert first.pictures[0].error is None


def test_a_process_that_is_cancelled_is_gone(visits):
    work = visits.begin("page", ["slow.jpg"], FAST)
    ready(work)
    process = visits.desk.peer.process
    visits.desk.cancel(work)
    assert process.wait(5) == -9
    assert work.over.wait(20)


def test_nothing_stays_of_a_page_that_is_closed(visits):
    for page in ("one", "two"):
        folder = visits.root / page
        folder.mkdir()
        (folder / "a.jpg").write_bytes(b"a picture")
        visits.arrived(page, [folder / "a.jpg"])
    visits.arrived("two", [visits.root / "one" / "a.jpg"])  # equal files are one
    work = visits.begin("one", [str(visits.root / "one" / "a.jpg"), "slow.jpg"], FAST)
    ready(work)
    visits.leave("one")
    assert {p.relative_to(visits.root).as_posix() for p in visits.root.rglob("*.jpg")} == {
        "one/a.jpg",
        "two/a.jpg",
    }
    visits.leave("two")
    assert list(visits.root.iterdir()) == []


def test_names_that_come_again_are_numbered():
    assert unique(["a.jpg", "b.jpg", "a.jpg", "a.jpg"]) == ["a.jpg", "b.jpg", "a-2.jpg", "a-3.jpg"]
    assert unique(["a.jpg", "a-2.jpg", "a.jpg"]) == ["a.jpg", "a-2.jpg", "a-3.jpg"]
    assert unique(["a.jpg", "A.JPG"]) == ["a.jpg", "A-2.JPG"]  # one file on some disks


def test_files_that_could_not_be_brought_leave_nothing(visits, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="No space"):
        visits.begin("page", ["a.jpg"], FAST)
    assert list(visits.root.iterdir()) == []


def test_what_reading_needs_for_a_moment_lies_with_the_request(tmp_path, monkeypatch):
    """Else it would stay where the process is killed."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    asked = []

    def read(*_):
        asked.append(tempfile.gettempdir())
        raise RestorationError("that will do")

    monkeypatch.setattr(worker, "read_picture", read)
    target = tmp_path / "a.png"
    task = Task(tmp_path, "a.jpg", None, FAST, target, target, target)
    assert isinstance(worker.restore(Kept(), task, print), RestorationError)
    assert asked == [str(tmp_path)]


@pytest.mark.parametrize(("option", "name"), [(0, "4:4:4"), (1, "4:2:2"), (2, "4:2:0")])
def test_subsampling_has_the_usual_names(option, name, tmp_path, photo):
    Image.fromarray(photo[:64, :64]).save(tmp_path / "a.jpg", subsampling=option)
    assert subsampling(read_jpeg(tmp_path / "a.jpg").quantised.sampling) == name


def test_a_jpeg_of_inks_says_so(tmp_path, photo):
    Image.fromarray(photo[:64, :64]).convert("CMYK").save(tmp_path / "inks.jpg", subsampling=0)
    assert stored(read_picture(tmp_path / "inks.jpg")) == "CMYK"


def test_subsampling_of_rows_alone_of_more_and_of_grey():
    assert subsampling(((2, 1), (1, 1), (1, 1))) == "4:4:0"
    assert subsampling(((1, 4), (1, 1), (1, 1))) == "4:1:1"
    assert subsampling(((1, 1),)) == "grey"
    for odd in (((1, 1), (2, 2), (2, 2)), ((1, 2), (2, 1), (2, 1)), ((2, 2), (2, 1), (1, 2))):
        assert subsampling(odd) == "of unusual sampling"
    assert subsampling(((3, 1), (1, 1), (1, 1))) == "of unusual sampling"


@pytest.mark.parametrize(
    ("preset", "asked"),
    [
        ("fast", (("--strength", "0.35", "--preset", "fast"), "clean.png", None)),
        ("own", (("--strength", "0.35"), "clean.png", "5m")),
    ],
)
def test_what_is_chosen_on_the_page_is_asked_for(preset, asked):
    pytest.importorskip("gradio")
    from restoration.app.page import Page

    class AskedError(Exception):
        pass

    def begin(page, sources, *recipe):
        raise AskedError(page, sources, *recipe)

    page = SimpleNamespace(visits=SimpleNamespace(begin=begin))
    request = SimpleNamespace(session_hash="page")
    with pytest.raises(AskedError) as told:
        next(Page.restore(page, ["a.jpg"], preset, "5m", 0.35, "clean.png", "webp", request))
    (webp,) = (form for form in FORMATS if form.name == "webp")
    assert told.value.args == ("page", ["a.jpg"], *asked, webp)


def test_a_time_is_told_to_the_command(visits):
    work = visits.begin("page", ["a.jpg"], ("--strength", "1"), None, "2m")
    assert work.budget == 120
    assert work.over.wait(20)
    assert work.pictures[0].report == {"recipe": ("--strength", "1", "--budget", "2m")}


def test_processes_are_kept_for_pictures_that_need_as_many():
    kept = Kept()
    shared, again, more = (
        kept.shared_by(settings_of(parser().parse_args([*recipe, "a.jpg"])))
        for recipe in (["--preset", "balanced"], ["--budget", "1m"], ["--preset", "best"])
    )
    assert again is shared
    assert len(more.pool.environments) == min(2, cores())
    assert shared.pool.stopped
    assert not more.pool.stopped


@pytest.fixture(scope="module")
def desk():
    """A desk whose process restores; it takes seconds to start."""
    with Desk() as desk:
        yield desk


@pytest.mark.parametrize(
    ("strength", "form", "suffix"),
    [("1", "png", ".png"), ("0.4", "webp", ".webp"), ("1", "jpeg", ".jpg")],
)
def test_results_are_those_of_the_command(
    strength, form, suffix, tmp_path, monkeypatch, photo, capsys, desk
):
    monkeypatch.chdir(tmp_path)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    clean = Image.fromarray(photo[:64, :96])
    clean.save("-photo.jpg", quality=10, exif=exif, icc_profile=b"profile")
    clean.transpose(Image.Transpose.ROTATE_270).save("clean.png")
    recipe = ("--strength", strength, *FAST)
    command = ["restore", *recipe, "--format", form, "--truth", "clean.png", "--json"]
    assert main([*command, "--", "-photo.jpg"]) == 0
    (expected,) = json.loads(capsys.readouterr().out)
    (tmp_path / "root").mkdir()
    (chosen,) = (some for some in FORMATS if some.name == form)
    visits = Visits(desk, tmp_path / "root")
    work = visits.begin("page", ["-photo.jpg"], recipe, "clean.png", None, chosen)
    assert work.over.wait(60)
    (done,) = work.finished
    assert done.task.target.read_bytes() == Path("-photo.restored" + suffix).read_bytes()
    for key in ("size", "quality", "jpeg", "restored", "history"):
        assert json.dumps(done.report[key]) == json.dumps(expected[key])
    with Image.open(done.task.before) as before, Image.open(done.task.original) as original:
        assert before.size == original.size == (64, 96)
        assert before.info["icc_profile"] == b"profile"
        assert original.tobytes() == Image.open("clean.png").tobytes()


def test_what_nobody_foresaw_is_told_as_such(tmp_path, photo, monkeypatch):
    Image.fromarray(photo[:64, :96]).save(tmp_path / "a.jpg", quality=10)
    places = (tmp_path / name for name in ("target.png", "before.png", "original.png"))

    def broken(*given):
        raise TypeError("no such thing")

    monkeypatch.setattr(worker, "restore_file", broken)
    error = worker.restore(Kept(), Task(tmp_path, "a.jpg", None, FAST, *places), lambda units: None)
    assert isinstance(error, RestorationError)
    assert str(error).startswith("a.jpg: TypeError no such thing; this should not happen")
