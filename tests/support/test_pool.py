"""Processes that do tasks: what comes back, and what happens when they, or this one, end."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from restoration.support.pool import Pool

TASKS = """
    import os, signal, time
    from restoration.support.processes import serve

    def do(task, tell):
        print("what libraries print is no message")
        kind, argument = task
        if kind == "square":
            tell(f"soon {argument}")
            return argument**2, os.environ["NAME"]
        if kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "sleep":
            try:
                open(argument, "w").close()
                for _ in range(600):  # a signal just before one long sleep would wait for its end
                    time.sleep(0.1)
            except KeyboardInterrupt:
                with open(argument, "w") as file:
                    file.write("checkpoint")
                raise

    if __name__ == "__main__":
        serve(do)
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """A module that lies on PYTHONPATH alone, and a file that is not the library of that name."""
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "tasks.py").write_text(textwrap.dedent(TASKS))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    monkeypatch.chdir(tmp_path)
    Path("pickle.py").write_text("raise SystemExit('this is not pickle')")


def pool(number, **options):
    return Pool("tasks", [{"NAME": str(i)} for i in range(number)], **options)


def test_results_keep_their_numbers_and_messages_come_before_them():
    told = []
    with pool(2) as processes:
        for _ in range(2):  # the same processes again
            results = dict(processes.run([("square", i) for i in range(7)], told.append))
            assert [results[i][0] for i in range(7)] == [i**2 for i in range(7)]
            assert {name for _, name in results.values()} <= {"0", "1"}
    assert sorted(told) == sorted(f"soon {i}" for i in range(7) for _ in range(2))


def test_a_process_that_dies_fails_its_task_alone_and_is_replaced():
    with pool(1) as processes:
        tasks = [("square", 3), ("die", None), ("square", 4)]
        assert list(processes.run(tasks)) == [(0, (9, "0")), (1, None), (2, (16, "0"))]


@pytest.mark.parametrize("begun", [False, True])
def test_a_process_that_died_with_nothing_to_do_is_replaced(begun):
    with pool(1) as processes:
        assert not processes.ready
        processes.begin()
        assert processes.ready
        (died,) = processes.peers.values()
        died.process.kill()
        died.process.wait()
        assert not processes.ready
        if begun:
            processes.begin()
        assert list(processes.run([("square", 3)])) == [(0, (9, "0"))]


def test_what_cannot_be_sent_is_raised_and_the_pool_goes_on():
    """As where the memory does not suffice for a message: nobody may wait for its answer."""
    with pool(1) as processes:
        with pytest.raises((AttributeError, pickle.PicklingError), match="lambda"):
            list(processes.run([("square", 3), ("square", lambda: 4), ("square", 5)]))
        assert list(processes.run([("square", 3)])) == [(0, (9, "0"))]


def test_without_grace_tasks_are_killed():
    began = time.monotonic()
    with pool(2) as processes:
        tasks = processes.run([("square", 1), ("sleep", "file"), ("sleep", "other")])
        next(tasks)
        peers = list(processes.peers.values())
    assert time.monotonic() - began < 30
    assert len(peers) == 2
    assert all(p.process.returncode is not None for p in peers)
    assert not any(Path(f).exists() and Path(f).read_text() for f in ("file", "other"))


def test_tasks_that_nobody_waits_for_do_not_meet_those_of_the_next():
    """The pool outlives the file whose task failed."""
    with pool(2) as processes:
        processes.begin()
        tasks = processes.run([("square", 1), ("sleep", "file"), ("square", 5), ("square", 6)])
        next(tasks)
        tasks.close()
        results = dict(processes.run([("square", i) for i in range(4)]))
        assert [results[i][0] for i in range(4)] == [0, 1, 4, 9]


def test_an_interrupted_task_may_end_what_it_does():
    with pool(1, grace=30) as processes:
        tasks = processes.run([("square", 1), ("sleep", "file")])
        next(tasks)
        wait_for(Path("file").exists)
    assert Path("file").read_text() == "checkpoint"


PARENT = """
    from restoration.support.pool import Pool

    with Pool("tasks", [{}] * 2) as processes:
        processes.begin()
        print(*(p.process.pid for p in processes.peers.values()), flush=True)
        list(processes.run([("sleep", "file")]))
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_processes_end_with_a_parent_that_is_killed():
    path = os.pathsep.join([*filter(None, sys.path), "path"])
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", textwrap.dedent(PARENT)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    pids = parent.stdout.readline().split()
    wait_for(Path("file").exists)  # one is at work, the other idle
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    wait_for(lambda: not any(alive(pid) for pid in pids))


IMPORTING = """
    import time
    from restoration.support.processes import Peer

    peer = Peer("slow", {})
    print(peer.process.pid, flush=True)
    next(peer.do("a task that waits in the pipe"))
"""


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_process_ends_whose_parent_was_killed_while_it_imported():
    Path("path", "slow.py").write_text(
        "import pathlib, time\n"
        "from restoration.support.processes import serve\n"
        "pathlib.Path('importing').touch()\n"
        "while not pathlib.Path('killed').exists():\n    time.sleep(0.05)\n"
        "serve(lambda task, tell: (time.sleep(3), pathlib.Path('done').touch()))\n"
    )
    path = os.pathsep.join([*filter(None, sys.path), "path"])
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", textwrap.dedent(IMPORTING)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    pid = parent.stdout.readline()
    wait_for(Path("importing").exists)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    Path("killed").touch()
    wait_for(lambda: not alive(pid.strip()))
    assert not Path("done").exists()
    assert parent.communicate()[1] == ""


def alive(pid):
    """Whether a process runs: one that ended and that nobody has waited for does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().split()[2] != "Z"


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
