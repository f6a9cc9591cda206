"""Durations as people write them."""

import pytest

from restoration.errors import RestorationError
from restoration.support.durations import readable, seconds_of


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


def test_durations_are_told():
    assert [readable(s) for s in (30, 600, 7200, 3 * 86400)] == [
        "30 s",
        "10 min",
        "2.0 h",
        "3.0 days",
    ]
