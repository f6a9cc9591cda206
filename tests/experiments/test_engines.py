"""What does the runs of a sweep: processes of one machine, or a Ray cluster."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import yaml

from restoration.__main__ import main
from restoration.experiments.configurations import merged
from restoration.experiments.engines.local import LocalEngine
from restoration.experiments.engines.running import attempt
from restoration.experiments.sweep import sweep
from restoration.task import DeepImagePrior
from tests.experiments.grids import grid, runs

pytestmark = pytest.mark.usefixtures("folder")


ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}


def test_processes_share_the_gpus_that_this_one_may_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for visible, names in ((None, "0101"), ("4,6", "4646")):
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        engine = LocalEngine(workers=4)
        given = [engine.environment(number)["CUDA_VISIBLE_DEVICES"] for number in range(4)]
        assert "".join(given) == names
    assert LocalEngine().workers == 2


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_killed_worker_is_replaced_and_the_run_goes_on_to_the_same_end(capsys):
    long = merged(grid().set, {"trainer": {"max_steps": 60}, "checkpoint": {"every": 10}})
    (whole,) = runs("whole", set=long)
    assert sweep([whole], LocalEngine(workers=1), retries=0) == 0  # of as many threads
    (run,) = runs(set=long)

    def kill_as_soon_as_there_is_a_checkpoint():
        while not (run.folder / "last.ckpt").exists():
            time.sleep(0.001)
        workers = []
        while not workers:  # a list that is read while processes come and go may miss some
            lists = Path("/proc/self/task").glob("*/children")
            workers = [int(child) for some in lists for child in some.read_text().split()]
        (worker,) = workers
        os.kill(worker, signal.SIGKILL)

    threading.Thread(target=kill_as_soon_as_there_is_a_checkpoint, daemon=True).start()
    assert sweep([run], LocalEngine(workers=1), retries=1) == 0
    assert "was killed" in capsys.readouterr().err
    for name in ("restored.png", "curves.csv"):
        assert (run.folder / name).read_bytes() == (whole.folder / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_the_checkpoint_and_the_same_command_goes_on(number):
    long = merged(grid().set, {"trainer": {"max_steps": 1500}, "checkpoint": {"every": 5000}})
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(set=long))))
    command = [sys.executable, "-m", "restoration", "sweep", "grid.yaml", "--output", "runs"]
    (run,) = runs(set=long)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    while not list(run.folder.glob("events*")):
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert (run.folder / "last.ckpt").exists()
    assert not run.finished
    assert main(command[3:]) == 0
    assert run.finished


@pytest.mark.slow
def test_both_engines_leave_equal_files():
    pytest.importorskip("ray", reason="needs the extra [ray]")
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(losses=["mse", "sure"]))))
    command = [sys.executable, "-m", "restoration", "sweep", "grid.yaml"]
    for engine in ("local", "ray"):
        done = subprocess.run(
            [*command, "--output", engine, "--engine", engine],
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )
        assert done.returncode == 0, done.stderr
    for run in runs("local", losses=["mse", "sure"]):
        other = Path("ray") / run.folder.relative_to("local")
        for name in ("restored.png", "curves.csv", "run.json"):
            assert (run.folder / name).read_bytes() == (other / name).read_bytes()
        results = [json.loads((f / "result.json").read_text()) for f in (run.folder, other)]
        for result in results:
            del result["seconds"]
        assert results[0] == results[1]


@pytest.mark.slow
def test_ray_writes_where_it_is_asked_from_and_can_be_asked_again(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs the extra [ray]")
    from restoration.experiments.engines.ray_cluster import RayEngine

    engine = RayEngine(workers=1)  # its processes work in the folder at this time
    (tmp_path / "elsewhere").mkdir()
    some = runs()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for _ in range(2):  # retries are further calls
        assert [outcome.error for outcome in engine.run(some)] == [None]
        assert (tmp_path / "elsewhere" / some[0].folder / "result.json").exists()
    assert not (tmp_path / some[0].folder).exists()


def test_runs_that_have_ended_are_let_go_and_sigterm_is_given_back():
    """Lightning's handlers hold the trainer, and each run's those of the run before."""
    before = signal.getsignal(signal.SIGTERM)
    others = tasks()  # of tests before this one
    for run in runs(seeds=[0, 1, 2]):
        assert attempt(run).error is None
        assert signal.getsignal(signal.SIGTERM) == before
    assert tasks() <= others + 1


def tasks() -> int:
    """Count the tasks that something holds on to."""
    gc.collect()
    return sum(type(x) is DeepImagePrior for x in gc.get_objects())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--gpus-per-run", "0.25"], "--gpus-per-run goes with --engine ray"),
        (["--address", "auto"], "--address goes with --engine ray"),
        (["--engine", "ray", "--cpus-per-run", "0"], "--cpus-per-run must be at least 1"),
        (["--engine", "ray", "--gpus-per-run", "-1"], "--gpus-per-run must not be negative"),
    ],
)
def test_options_of_ray_are_minded_or_refused(options, told, capsys):
    assert main(["sweep", "grid.yaml", "--output", "runs", *options]) == 2
    assert told in capsys.readouterr().err
