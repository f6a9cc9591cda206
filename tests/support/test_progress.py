"""What people are told while they wait."""

import pytest

from restoration.errors import RestorationError
from restoration.support import progress
from restoration.support.durations import readable, seconds_of
from restoration.support.progress import Display


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_durations_are_told_as_a_person_would():
    assert [readable(s) for s in (12.4, 89, 91, 3599, 7200, 3 * 86400)] == [
        "12 s",
        "89 s",
        "2 min",
        "60 min",
        "2.0 h",
        "3.0 days",
    ]


def test_the_time_left_is_told_in_proportion(clock, capsys):
    """100 units at one per second; the first line comes 5 s after the first unit."""
    with Display(lambda: "photo.jpg") as display:
        for seconds, units in ((50.0, 1), (53.0, 3), (56.0, 3), (57.0, 1), (86.0, 29), (87.0, 1)):
            clock[0] = seconds
            display.advance(units, 100)
    assert capsys.readouterr().err.splitlines() == [
        "photo.jpg, about 2 min left",  # 93 s
        "photo.jpg, about 63 s left",
    ]


def test_who_knows_better_tells_the_time_left(clock, capsys):
    known = iter([None, 7200.0])
    with Display(lambda: "sweep", lambda: next(known)) as display:
        for seconds in (0.0, 10.0, 40.0):
            clock[0] = seconds
            display.advance(1, 100)
    assert capsys.readouterr().err.splitlines() == ["sweep", "sweep, about 2.0 h left"]


def test_a_terminal_gets_a_bar_that_goes_away(clock, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    asked = []
    with Display(lambda: asked.append(1) or "img[final].jpg", refresh=1.0) as display:
        for seconds, units in ((0.0, 10), (10.0, 40), (10.5, 1), (10.9, 1)):
            clock[0] = seconds
            display.advance(units, 100)
        display.bar.refresh()
    error = capsys.readouterr().err
    assert "img[final].jpg" in error
    assert "50 % about 12 s left" in error
    assert error.count("\n") <= 1
    assert len(asked) == 3  # when drawn: at first, and twice


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("5 min", 300), ("8h", 28800), ("1h30m", 5400), ("1.5H", 5400)],
)
def test_durations_are_read(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "h", "-5m", "0s", "5x", "5m and more", "1e3s"])
def test_other_words_are_refused_in_one_line(text):
    with pytest.raises(RestorationError, match=r"is no duration; give 30s, 5m, 8h or 1h30m$"):
        seconds_of(text)
