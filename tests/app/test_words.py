"""What the page says of pictures: known findings, known words."""

from pathlib import Path

import pytest

from restoration.app.words import bar, caption, found, gain, plain, rows, status
from restoration.app.work import Picture, Task, Work
from restoration.errors import RestorationError, foreseen

REPORT = {
    "size": (640, 480),
    "quality": 90,
    "history": None,
    "stored": "4:2:0",
    "seconds": 7.25,
    "jpeg": None,
    "restored": None,
    "damage": None,
    "colours": None,
    "left_out": (),
}
FAST = ("--preset", "fast")
MEASURED = REPORT | {"jpeg": {"psnr": 26.294}, "restored": {"psnr": 28.0}}


def picture(name="photo.jpg", weight=100, truth=None, **state):
    place = Path("place")
    return Picture(Task(place, name, truth, FAST, place, place, place), weight, **state)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({}, "JPEG quality 90, 4:2:0"),
        (
            {"history": "quality 10 at offset (5, 3) under quality 90"},
            "JPEG quality 90, 4:2:0; hidden below: quality 10 at offset (5, 3)",
        ),
        (
            {"history": "quality 10 at offset (0, 0)", "stored": None, "quality": None},
            "no JPEG now, but once: quality 10 at offset (0, 0)",
        ),
    ],
)
def test_what_was_found_is_told(own, said):
    assert found(REPORT | own) == said


def test_what_became_of_colours_and_what_is_missing_is_told():
    report = REPORT | {"colours": "CMYK, restored by inks", "damage": "cut short"}
    work = Work(Path(), [picture(report=report)])
    assert "<td>7.2 s; CMYK, restored by inks; the picture is cut short</td>" in rows(work)
    report = REPORT | {"left_out": ("HDR gain map", "extended XMP")}
    work = Work(Path(), [picture(report=report)])
    assert "<td>7.2 s; no place for: HDR gain map, extended XMP</td>" in rows(work)


def test_the_gain_is_told_where_there_is_an_original():
    assert gain(REPORT) == ""
    assert gain(MEASURED) == "26.29 dB → 28.00 dB (+1.71)"
    assert gain(MEASURED | {"restored": {"psnr": None}}) == "26.29 dB → equal to the original"
    assert gain(MEASURED | {"jpeg": {"psnr": None}}) == "equal to the original → 28.00 dB"


def test_options_of_the_command_line_are_left_out_of_errors():
    told = "a.png shows no trace of JPEG compression; give --quality N to restore it as if it had"
    assert plain(told) == "a.png shows no trace of JPEG compression"
    told = "a.png: 20000 x 20000 pixels do not fit into a webp file; choose another --format"
    assert plain(told) == "a.png: 20000 x 20000 pixels do not fit into a webp file"
    assert plain("a.png is empty") == "a.png is empty"
    with pytest.raises(RestorationError) as raised, foreseen("a.jpg"):
        raise MemoryError
    assert plain(str(raised.value)) == "a.jpg: the memory does not suffice; close other programs"


def test_names_cannot_write_on_the_page():
    work = Work(Path(), [picture("<b>.jpg", error="<b>.jpg is empty")])
    work.begin(0)
    work.advance(1, 2)
    for html in (rows(work), bar(work, 0), caption(REPORT | {"stored": "<b>"}, False, False)):
        assert "<b>" not in html
        assert "&lt;b&gt;" in html


def test_a_request_tells_how_far_it_is(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    work = Work(Path(), [picture("a.jpg", 100), picture("b.jpg", 300), picture("c.jpg")])
    assert status(work, 2) == "Waiting: 2 before you"
    assert status(work, 0) == "Starting"
    work.begin(0)
    work.advance(10, 100)  # 10 of 500 pixels; the clock starts
    now[0] = 4.0
    work.pictures[0].report = REPORT
    work.begin(1)
    work.advance(30, 100)  # 190 of 500: 180 in 4 s
    assert status(work, 0) == "2 of 3: b.jpg, 38 %, about 7 s left"
    now[0] = 6.0
    assert status(work, 0) == "2 of 3: b.jpg, 38 %, about 5 s left"
    assert [line.count("<td>") for line in rows(work).split("<tr")[2:]] == [3, 3, 3]
    assert rows(work).index("7.2 s") < rows(work).index("in work") < rows(work).index("waiting")
    work.pictures[1].error = "b.jpg is empty"
    work.stopped = True
    work.end()
    assert status(work, 0) == "Cancelled: 1 of 3 restored, 1 failed"
    assert "not restored" in rows(work)


def test_a_time_that_was_given_is_counted_down(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    work = Work(Path(), [picture("a.jpg"), picture("b.jpg", 900)], budget=60)
    work.begin(0)
    work.advance(100, 100)  # of the first estimate; more follows from the time that is left
    now[0] = 15.0
    assert status(work, 0) == "1 of 2: a.jpg, 12 %, about 2 min left"
    now[0] = 50.0
    work.begin(1)
    now[0] = 80.0
    assert status(work, 0) == "2 of 2: b.jpg, 75 %, about 30 s left"
    now[0] = 111.0
    assert status(work, 0) == "2 of 2: b.jpg, 100 %, about 0 s left"


def test_numbers_stand_beside_pictures_that_are_measured():
    work = Work(Path(), [picture(truth="clean.png", report=MEASURED)])
    assert "<td>26.29 dB → 28.00 dB (+1.71)</td>" in rows(work)
