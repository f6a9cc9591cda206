"""Things that are worked on side by side."""

import threading
import time

import pytest
import torch

from restoration.support import threads
from restoration.support.threads import side_by_side


@pytest.fixture(autouse=True)
def three_cores(monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 3)


def test_results_come_in_order_from_threads_that_work_at_the_same_time():
    together = threading.Barrier(3, timeout=10)  # broken unless three work at once

    def work(number):
        together.wait()
        return number**2, torch.get_num_threads(), threading.current_thread().name

    before = torch.get_num_threads()
    squares, counts, names = zip(*side_by_side(work, range(6)), strict=True)
    assert squares == (0, 1, 4, 9, 16, 25)
    assert set(counts) == {1}
    assert threading.current_thread().name not in names
    assert torch.get_num_threads() == before


def test_a_failure_ends_what_has_not_begun():
    begun = []

    def work(number):
        begun.append(number)
        if number == 0:
            raise ValueError("the first one")
        time.sleep(0.02)

    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="the first one"):
        for _ in side_by_side(work, range(100)):
            pass
    assert len(begun) < 20
    assert torch.get_num_threads() == before


def test_threads_that_begin_later_have_all_cores_again():
    before = torch.get_num_threads()
    assert list(side_by_side(float, [1, 2])) == [1.0, 2.0]
    counts = []
    later = threading.Thread(target=lambda: counts.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert counts == [before]
