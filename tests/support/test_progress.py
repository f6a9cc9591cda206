"""What people are told while they wait."""

import pytest

from restoration.errors import RestorationError
from restoration.support import progress
from restoration.support.durations import readable, seconds_of, typed
from restoration.support.progress import Display, TimeLeft


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1s"), (89.5, "90s"), (91, "2m"), (5399, "90m"), (7201, "3h"), (6 * 86400, "144h")],
)
def test_a_duration_that_is_told_to_be_typed_is_read_back_and_enough(seconds, text):
    assert typed(seconds) == text
    assert seconds <= seconds_of(text)


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


def test_the_time_left_follows_a_change_of_pace(clock):
    """10 units at 2 s each, then 90 at 1 s each: 20 s after the change the first are forgotten."""
    left, told = TimeLeft(), {}
    for unit in range(101):
        left.tell(unit)
        told[unit] = left.seconds(100)
        clock[0] += 2.0 if unit < 10 else 1.0
    assert told[0] is None
    assert told[10] == pytest.approx(180)
    assert all(told[unit] == pytest.approx(100 - unit) for unit in range(30, 101))
    # of 30 s the last 16, without the longest 2; by all it were 3 / 2 * 80
    assert told[20] == pytest.approx(14 / 12 * 80)


def test_few_times_are_remembered(clock):
    left = TimeLeft()
    for unit in range(100_000):
        clock[0] += 0.05
        left.tell(unit)
    assert left.seconds(200_000) == pytest.approx(0.05 * 100_001, rel=1e-9)
    assert len(left.told) < 1500  # 200 for each time that what has passed grows e-fold


def test_one_lump_after_another_tells_the_time_left(clock):
    """Work that reports seldom: the pace is that between two reports at least."""
    left = TimeLeft()
    told = []
    for at, done in ((0, 0), (100, 10), (101, 10), (190, 10), (200, 20)):
        clock[0] = float(at)
        left.tell(done)
        told.append(left.seconds(100))
    assert told == [None, 900, pytest.approx(909), pytest.approx(1710), 800]


def test_the_start_of_a_process_does_not_count(clock):
    """Three passes of a second each, ten seconds in which a process starts, and quick steps."""
    left = TimeLeft()
    moments = [(1, 100), (2, 200), (3, 300), (13, 305), (13.1, 310), (13.2, 315)]
    told = []
    for at, done in moments:
        clock[0] = float(at)
        left.tell(done)
        told.append(left.seconds(1000))
    assert told[2] == pytest.approx(7)  # 100 units a second, as then
    assert told[3] == pytest.approx(6.95)  # by the passes, as long as no other step was done
    assert told[5] == pytest.approx(0.02 * 685)  # by the steps


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
