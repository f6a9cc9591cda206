"""Ctrl-C is remembered once, raised at the second time, and given back."""

import os
import signal
import threading

import pytest

from restoration.errors import Interrupted
from restoration.support.interruption import Interruption


@pytest.fixture(autouse=True)
def handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_is_remembered_and_the_second_raised():
    with Interruption() as interruption:
        assert not interruption.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
def test_a_schedulers_signal_is_no_second_ctrl_c(first):
    """All processes of a job get it, and the one that started this one asks for the same."""
    second = signal.SIGINT if first == signal.SIGTERM else signal.SIGTERM
    with Interruption() as interruption:
        os.kill(os.getpid(), first)
        os.kill(os.getpid(), second)
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.asked == first
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("handler", [signal.default_int_handler, signal.SIG_IGN])
def test_a_run_that_ctrl_c_ended_is_told_in_a_line_and_gives_it_back(handler):
    interruption = Interruption().__enter__()
    signal.signal(signal.SIGINT, handler)  # Lightning ignores it before it tells of it
    with pytest.raises(Interrupted, match="stopped; nothing was saved since"):
        interruption.ended_by(KeyboardInterrupt())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_that_an_error_ended_gives_ctrl_c_back():
    interruption = Interruption().__enter__()
    interruption.ended_by(ValueError())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_other_threads_leave_ctrl_c_alone():
    seen = []

    def work():
        with Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
