"""Runs that are killed or stopped, against one that is not."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from restoration.__main__ import main

STEPS = 60
ARGUMENTS = [
    *("fit", "--config", "configs/quickstart.yaml"),
    *("--data.crop", "64", "--trainer.max_steps", str(STEPS), "--checkpoint.every", "7"),
    *("--curves.every", "2", "--curves.flush_every", "2", "--images.every", "0"),
    *("--data.steps_per_epoch", "9"),  # the run crosses epochs
    "--rules",
    json.dumps(
        [
            {"class_path": f"restoration.callbacks.{rule}", "init_args": {"begin": 1, "every": 3}}
            for rule in ("NearestEstimate", "Discrepancy", "MovingVariance")
        ]
    ),
]
COMMAND = [sys.executable, "-m", "restoration", *ARGUMENTS]
RULES = ("nearest_estimate", "discrepancy", "moving_variance")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
RUN = "lightning_logs/coffee-q10/version_0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    run_here(folder)
    return folder / RUN


def run_here(folder, extra=()):
    """Run the command in this process, which has imported all; with one thread, as the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["restoration"])
        patch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            assert main([*ARGUMENTS, *extra]) == 0
        finally:
            torch.set_num_threads(threads)


def start_and_signal(folder, number, at_step, extra=()):
    """Start the command and signal it once its curves have reached a step."""
    process = subprocess.Popen(
        [*COMMAND, *extra], cwd=folder, env=ENVIRONMENT, stderr=subprocess.PIPE
    )
    curves = folder / RUN / "curves.csv"
    checkpoint = folder / RUN / "last.ckpt"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        rows = curves.read_text().splitlines() if curves.exists() else []
        if len(rows) > at_step // 2 and checkpoint.exists():
            break
        time.sleep(0.002)
    process.send_signal(number)
    error = process.communicate(timeout=120)[1].decode()
    return process.returncode, error


def resume(folder, extra=()):
    run_here(folder, [*extra, "--ckpt_path", "last"])


def assert_equal_runs(one, other):
    for name in ("restored.png", "best.png", "curves.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    results = [json.loads((run / "result.json").read_text()) for run in (one, other)]
    assert all(results[0][rule]["step"] for rule in RULES)
    for result in results:
        del result["seconds"]
    assert results[0] == results[1]
    a, b = (torch.load(f / "last.ckpt", weights_only=True)["state_dict"] for f in (one, other))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_killed_run_goes_on_to_the_same_end(tmp_path, whole):
    code, _ = start_and_signal(tmp_path, signal.SIGKILL, at_step=16)
    assert code == -signal.SIGKILL
    assert not (tmp_path / RUN / "result.json").exists()
    onwards = [*COMMAND, "--ckpt_path", "last"]  # in a process that knows nothing of the run
    subprocess.run(onwards, cwd=tmp_path, check=True, env=ENVIRONMENT, capture_output=True)
    assert_equal_runs(tmp_path / RUN, whole)
    assert len(list((tmp_path / RUN).parent.iterdir())) == 1
    assert len((tmp_path / RUN / "curves.csv").read_text().splitlines()) == 1 + STEPS // 2

    finished = (tmp_path / RUN / "result.json").read_text()
    resume(tmp_path)  # a finished run has nothing left to do
    assert_equal_runs(tmp_path / RUN, whole)
    assert '"steps": 60' in finished
    assert (tmp_path / RUN / "result.json").exists()


@pytest.mark.slow  # by one process, tests/test_fit.py
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_end_it_saves_what_there_is_and_says_how_to_go_on(tmp_path, whole, number):
    """By Ctrl-C, or by a scheduler."""
    code, error = start_and_signal(tmp_path, number, at_step=16)
    assert code == 130
    assert "Traceback" not in error
    assert "--ckpt_path last" in error
    assert (tmp_path / RUN / "restored.png").exists()
    assert not (tmp_path / RUN / "result.json").exists()
    resume(tmp_path)
    assert_equal_runs(tmp_path / RUN, whole)


@pytest.mark.slow
def test_resuming_without_a_checkpoint_starts_anew_and_says_so(tmp_path, whole, capsys):
    resume(tmp_path)
    assert "starting anew" in capsys.readouterr().err
    assert_equal_runs(tmp_path / RUN, whole)


@pytest.mark.slow
def test_a_killed_sure_run_goes_on_to_the_same_end(tmp_path):
    """Its probes and its kept image are in the checkpoint too."""
    sure = ["--config", "configs/loss/sure.yaml"]
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    run_here(tmp_path / "whole", sure)
    assert start_and_signal(tmp_path / "killed", signal.SIGKILL, 16, sure)[0] == -signal.SIGKILL
    resume(tmp_path / "killed", sure)
    one, other = tmp_path / "killed" / RUN, tmp_path / "whole" / RUN
    assert_equal_runs(one, other)
    assert (one / "least_sure.png").read_bytes() == (other / "least_sure.png").read_bytes()
