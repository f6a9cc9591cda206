"""Working off a grid, and what may go wrong there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from restoration.__main__ import main
from restoration.callbacks import curves
from restoration.commands.sweep import shard_of
from restoration.errors import UsageError
from restoration.experiments.configurations import merged
from restoration.experiments.engines import running
from restoration.experiments.engines.running import Outcome, attempt
from restoration.experiments.sweep import Tally, sweep
from restoration.run_folder import CHECKPOINT
from restoration.support.processes import cores
from tests.experiments.grids import InProcess, grid, runs

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1", "a/b"])
def test_a_wrong_shard_is_refused(shard):
    with pytest.raises(UsageError, match="--shard"):
        shard_of([], shard)


def test_a_run_that_another_sweep_holds_is_left_to_it_and_taken_when_that_dies():
    run = runs(losses=["mse"])[0]
    run.folder.mkdir(parents=True)
    holder = "import filelock, sys, time; x = filelock.FileLock(sys.argv[1]); x.acquire(); print(1)"
    command = [sys.executable, "-c", holder + "; sys.stdout.flush(); time.sleep(60)"]
    with subprocess.Popen([*command, run.folder / "run.lock"], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert attempt(run).held
        assert [p.name for p in run.folder.iterdir()] == ["run.lock"]
        other.kill()
    outcome = attempt(run)
    assert (outcome.held, outcome.error) == (False, None)
    assert run.finished


def test_a_sweep_is_what_fit_does_and_is_done_once(capsys):
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(losses=["mse", "sure"]))))
    command = ["sweep", "grid.yaml", "--output", "runs", "--workers", "1"]
    assert main(command) == 0
    folders = [r.folder for r in runs(losses=["mse", "sure"])]
    mine = ["--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    mine += ["--config", "configs/loss/mse.yaml", "--data.image", "a.png", "--data.quality", "10"]
    torch.set_num_threads(cores())  # as the worker has
    assert main(["fit", *mine, "--trainer.max_steps", "6", "--folder", "fit"]) == 0
    assert (folders[0] / "restored.png").read_bytes() == Path("fit/restored.png").read_bytes()
    labels = json.loads((folders[1] / "run.json").read_text())["labels"]
    assert labels["loss"] == "sure"
    assert labels["steps"] == 6
    older = {"identity": folders[1].name, "labels": {"settings": "of another version"}}
    (folders[1] / "run.json").write_text(json.dumps(older))
    times = [(f / "result.json").stat().st_mtime_ns for f in folders]
    capsys.readouterr()
    assert main(command) == 0
    assert json.loads((folders[1] / "run.json").read_text())["labels"] == labels
    assert "2 runs are finished already" in capsys.readouterr().err
    assert times == [(f / "result.json").stat().st_mtime_ns for f in folders]


def test_a_nan_is_recorded_and_retried_and_the_others_are_done(capsys):
    bad = {"model": {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 1e30}}}}
    (broken,) = runs(set=merged(grid().set, {**bad, "trainer": {"max_steps": 20}}))
    (sound,) = runs(images=["b.png"])
    assert sweep([broken, sound], InProcess(), retries=2) == 1
    record = json.loads((broken.folder / "failed.json").read_text())
    assert "the loss is nan" in record["error"]
    assert record["attempts"] == 3
    assert not broken.finished
    assert sound.finished
    assert capsys.readouterr().err.count("will be tried again") == 2


def test_a_damaged_checkpoint_costs_one_attempt():
    (run,) = runs()
    run.folder.mkdir(parents=True)
    (run.folder / "last.ckpt").write_bytes(b"damaged")
    assert "damaged" in attempt(run).error
    assert sweep([run], InProcess(), retries=0) == 0
    assert run.finished
    assert not (run.folder / "failed.json").exists()


def test_a_full_disk_fails_the_run_and_leaves_no_result(monkeypatch):
    (run,) = runs()

    def no_space(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        assert sweep([run], InProcess(), retries=0) == 1
    assert not list(run.folder.glob("*.json"))
    assert sweep([run], InProcess(), retries=0) == 0
    assert run.finished


def test_a_run_without_a_folder_fails_and_the_others_are_done(capsys):
    (broken,) = runs()
    (sound,) = runs(images=["b.png"])
    broken.folder.parent.parent.mkdir()
    broken.folder.parent.write_text("a file where the image's folder should be")
    assert sweep([broken, sound], InProcess(), retries=0) == 1
    assert "failed" in capsys.readouterr().err
    assert sound.finished


def test_unforeseen_errors_are_kept_with_their_traceback(monkeypatch):
    (run,) = runs()
    monkeypatch.setattr(running.yaml, "safe_dump", lambda config: 1 / 0)
    assert sweep([run], InProcess(), retries=0) == 1
    record = json.loads((run.folder / "failed.json").read_text())
    assert record["error"] == "ZeroDivisionError: division by zero"
    assert "safe_dump" in record["details"]


def test_time_left_is_that_of_the_same_network():
    some = runs(networks=["low", "medium"], seeds=[0, 1, 2])
    tally = Tally(some, workers=2)
    assert tally.remaining is None
    low = [r for r in some if r.labels["network"] == "low"]
    medium = [r for r in some if r.labels["network"] == "medium"]
    tally.add(Outcome(low[0].identity, None, 10.0))
    tally.add(Outcome(medium[0].identity, None, 40.0))
    tally.add(Outcome(low[1].identity, "broken", 1.0))
    assert (tally.done, tally.failed, len(tally.left)) == (2, 1, 3)
    assert tally.remaining == pytest.approx((10 + 2 * 40) / 2)


def test_a_part_of_a_grid_elsewhere_is_run_with_the_attempts_asked_for(monkeypatch):
    given = []
    monkeypatch.setattr(
        "restoration.commands.sweep.sweep", lambda *arguments: given.append(arguments) or 0
    )
    Path("there").mkdir()
    Path("b.png").rename("there/c.png")
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(images=["c.png"]))))
    command = ["sweep", "grid.yaml", "--output", "runs", "--data-root", "there"]
    command += ["--set", "seeds=[4, 5, 6]", "--shard", "2/3", "--retries", "7"]
    assert main(command) == 0
    ((some, _, retries),) = given
    assert [(run.labels["image"], run.labels["seed"]) for run in some] == [("c", 5)]
    assert retries == 7


def test_a_checkpoint_outlives_an_error_that_is_not_its_own(monkeypatch):
    """A disk that was full for a moment, say; but one that fails again may hold what is wrong."""
    steps = {"trainer": {"max_steps": 6}, "checkpoint": {"every": 2}, "curves": {"every": 1}}
    (run,) = runs(set=steps)
    write, full = curves.write_atomically, [2]

    def limited(path, data):
        if path.name == "curves.csv":
            full[0] -= 1
            if full[0] < 0:
                raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(curves, "write_atomically", limited)
    for there in (True, False):
        assert "No space left" in attempt(run).error
        assert (run.folder / CHECKPOINT).exists() == there


def test_a_misspelt_option_names_the_right_one(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "grid.yaml", "--output", "runs", "--enginee", "ray"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "unknown option --enginee, did you mean --engine?" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("checkpoint", [True, False])
@pytest.mark.parametrize("name", ["curves.csv", "result.json"])
def test_damaged_runs_are_done_again(checkpoint, name):
    (run,) = runs()
    assert sweep([run], InProcess(), retries=0) == 0
    whole = {n: (run.folder / n).read_bytes() for n in ("curves.csv", "result.json")}
    (run.folder / name).write_bytes(whole[name][:-5])
    if not checkpoint:
        (run.folder / "last.ckpt").unlink()
    assert not run.finished
    assert sweep([run], InProcess(), retries=0) == 0
    assert run.finished
    assert (run.folder / "curves.csv").read_bytes() == whole["curves.csv"]


def test_wrong_settings_are_told_once_and_not_tried_again(capsys):
    wrong = merged(grid().set, {"trainer": {"max_stepz": 3}})
    some = runs(images=["a.png", "b.png"], set=wrong)
    assert sweep(some, InProcess(), retries=2) == 2
    (line,) = [s for s in capsys.readouterr().err.splitlines() if "max_stepz" in s]
    assert "failed" in line
    for run in some:
        record = json.loads((run.folder / "failed.json").read_text())
        assert record["attempts"] == 1
        assert "max_stepz" in record["error"]
