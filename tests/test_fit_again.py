"""Runs of ``restoration fit`` that go on, end early, or meet others in their folder."""

import json
import os
import signal
from enum import Enum
from pathlib import Path

import pytest
import torch
import yaml
from filelock import FileLock
from torch import nn

from restoration import cli
from restoration.__main__ import main
from restoration.callbacks import NearestReJPEG
from restoration.errors import DivergenceError, RestorationError
from restoration.losses import MSE
from restoration.task import DeepImagePrior
from tests.fits import SMALL, rows_of, run

pytestmark = pytest.mark.usefixtures("empty_folder", "libraries_may_warn")


def test_each_run_has_a_folder_and_a_config_of_its_own(tmp_path):
    first, _ = run(tmp_path, "--trainer.max_steps", "1")
    second, _ = run(tmp_path, "--trainer.max_steps", "1")
    assert (first.name, second.name) == ("version_0", "version_1")
    named, _ = run(tmp_path, "--trainer.max_steps", "1", "--name", "mine", name="mine")
    again = main(["fit", "--config", str(named / "config.yaml")])
    assert again == 0
    restored = [(f / "restored.png").read_bytes() for f in sorted(named.parent.iterdir())]
    assert restored[0] == restored[1]


def test_a_checkpoint_loads_without_a_trainer(tmp_path):
    folder, _ = run(tmp_path, "--trainer.max_steps", "3")
    task = DeepImagePrior.load_from_checkpoint(folder / "last.ckpt")
    saved = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]
    assert task.net.state_dict().keys() == {k.removeprefix("net.") for k in saved}
    for name, value in task.net.state_dict().items():
        assert torch.equal(value, saved[f"net.{name}"])
    output = task.net(torch.rand(1, 3, 64, 64))
    assert 0 < output.min() < output.max() < 1


def test_last_goes_on_with_the_same_run_only(tmp_path, capsys):
    first, before = run(tmp_path, "--trainer.max_steps", "6")
    second, other = run(
        tmp_path, "--trainer.max_steps", "6", "--seed_everything", "5", "--ckpt_path", "last"
    )
    assert "starting anew" in capsys.readouterr().err
    assert (first.name, second.name, other["seed"]) == ("version_0", "version_1", 5)
    assert json.loads((first / "result.json").read_text()) == before
    assert main([*SMALL, "--trainer.max_steps", "9", "--ckpt_path", "last"]) == 0
    longer = json.loads((first / "result.json").read_text())
    assert (longer["steps"], longer["seed"]) == (9, 0)
    other = ["--folder", str(first), "--ckpt_path", "last", "--trainer.precision", "bf16-mixed"]
    assert main([*SMALL, "--trainer.max_steps", "9", *other]) == 1
    assert "holds a run of another configuration" in capsys.readouterr().err
    assert json.loads((first / "result.json").read_text()) == longer
    # the configuration makes the run anew; it does not go on with this one, nor in its place
    config = yaml.safe_load((first / "config.yaml").read_text())
    assert (config["ckpt_path"], config["folder"]) == (None, None)


def test_no_run_begins_where_another_is_or_was(tmp_path, capsys):
    """Its checkpoint would be taken for that of the new run, and its pictures for the result."""
    here = [*SMALL, "--trainer.max_steps", "4", "--folder", "mine"]
    assert main(here) == 0
    before = {path.name: path.read_bytes() for path in Path("mine").iterdir() if path.is_file()}
    capsys.readouterr()
    assert main([*here, "--seed_everything", "5"]) == 1
    assert "mine holds a run (last.ckpt): go on with --ckpt_path last" in capsys.readouterr().err
    with FileLock("mine/run.lock"):
        assert main([*here, "--ckpt_path", "last", "--trainer.max_steps", "9"]) == 1
    assert "another process works in mine" in capsys.readouterr().err
    for name, content in before.items():
        assert Path("mine", name).read_bytes() == content, name
    assert main([*here, "--ckpt_path", "last", "--trainer.max_steps", "9"]) == 0


def test_the_settings_are_written_whole_or_not_at_all(monkeypatch, capsys):
    """A full disk must not cost the run that ``last`` looks for."""
    here = [*SMALL, "--trainer.max_steps", "2", "--folder", "mine"]
    assert main(here) == 0
    before = Path("mine/config.yaml").read_bytes()

    def full(path, content):
        raise RestorationError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("restoration.run_lock.write_atomically", full)
    assert main([*here, "--trainer.max_steps", "4", "--ckpt_path", "last"]) == 1
    assert "config.yaml: No space left" in capsys.readouterr().err
    assert Path("mine/config.yaml").read_bytes() == before


def test_a_checkpoint_of_an_earlier_version_goes_on():
    """It knows no state of the global generator."""
    here = [*SMALL, "--folder", "mine", "--trainer.max_steps"]
    assert main([*here, "3"]) == 0
    checkpoint = torch.load("mine/last.ckpt", weights_only=True)
    del checkpoint["global_generator"]
    torch.save(checkpoint, "mine/last.ckpt")
    assert main([*here, "5", "--ckpt_path", "last"]) == 0
    assert json.loads(Path("mine/result.json").read_text())["steps"] == 5


class Drops(nn.Sequential):
    """A network that draws from the global generator."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, 3, padding=1), nn.Dropout2d(), nn.Sigmoid())


class Kind(Enum):
    SQUARED = "squared"


class OfAKind(MSE):
    """A loss with an argument that is no plain value."""

    def __init__(self, kind: Kind = Kind.SQUARED, table: Path = Path("x.npy")) -> None:
        super().__init__()


def test_a_run_of_own_parts_goes_on_to_the_same_end(tmp_path):
    own = ["--config", "configs/quickstart.yaml", "--data.crop", "64", "--checkpoint.every", "3"]
    own += ["--model.net", f"{__name__}.Drops", "--model.loss", f"{__name__}.OfAKind"]
    own += ["--trainer.enable_progress_bar", "false", "--data.steps_per_epoch", "4"]
    images = []
    for name, parts in (("whole", [8]), ("parts", [4, 8])):
        for steps in parts:
            command = ["fit", *own, "--folder", name, "--trainer.max_steps", str(steps)]
            command += ["--ckpt_path", "last"] if steps > parts[0] else []
            assert main(command) == 0
        images.append(Path(name, "restored.png").read_bytes())
    assert images[0] == images[1]


def test_a_finished_run_that_is_resumed_keeps_its_result(tmp_path):
    rule = ["--rules+=restoration.callbacks.NearestReJPEG", "--rules.begin", "1"]
    rule += ["--rules.every", "5", "--trainer.max_steps", "5"]
    folder, before = run(tmp_path, *rule)
    assert before["nearest_rejpeg"]["reference"]["psnr"] > before["jpeg"]["psnr"]
    assert main([*SMALL, *rule, "--ckpt_path", "last"]) == 0
    assert json.loads((folder / "result.json").read_text()) == before


def test_what_was_lost_of_a_finished_run_is_written_again(tmp_path):
    arguments = ["--trainer.max_steps", "3", "--curves.every", "1"]
    folder, before = run(tmp_path, *arguments)
    curves = (folder / "curves.csv").read_bytes()
    for name in ("curves.csv", "result.json", "restored.png"):
        (folder / name).unlink()
    _, after = run(tmp_path, *arguments, "--ckpt_path", "last")
    assert (folder / "curves.csv").read_bytes() == curves
    assert after["projected"] == before["projected"]


def test_ctrl_c_before_the_first_step_is_told(capsys, monkeypatch):
    def stopped(self, *arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(NearestReJPEG, "prepare", stopped)
    rule = ["--rules+=restoration.callbacks.NearestReJPEG"]
    assert main([*SMALL, *rule, "--trainer.max_steps", "2"]) == 130
    assert "stopped; nothing was saved" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("checkpoints", [True, False])
def test_asked_to_end_it_keeps_what_was_restored(
    number, checkpoints, tmp_path, capsys, monkeypatch
):
    step = DeepImagePrior.training_step

    def interrupted(self, *given):
        if self.global_step == 3:
            os.kill(os.getpid(), number)
        return step(self, *given)

    monkeypatch.setattr(DeepImagePrior, "training_step", interrupted)
    more = ["--trainer.max_steps", "9", "--trainer.enable_checkpointing", str(checkpoints).lower()]
    assert main([*SMALL, *more, "--folder", str(tmp_path / "run")]) == 130
    said = capsys.readouterr().err
    assert "stopped after step 4 of 9" in said
    assert ("--ckpt_path last" if checkpoints else "enable_checkpointing is false") in said
    assert (tmp_path / "run" / "restored.png").exists()
    assert not (tmp_path / "run" / "result.json").exists()
    assert (tmp_path / "run" / "last.ckpt").exists() == checkpoints
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_was_measured_between_two_rows_is_kept(tmp_path):
    folder, _ = run(
        tmp_path, "--trainer.max_steps", "12", "--quality.every", "5", "--curves.every", "7"
    )
    rows = {int(row["step"]): row for row in rows_of(folder)}
    assert list(rows) == [5, 7, 10]
    assert [bool(row["psnr"]) for row in rows.values()] == [True, False, True]
    assert all(row["loss"] for row in rows.values())


def test_a_run_that_failed_leaves_the_process_as_it_was(monkeypatch):
    """The next run of a sweep would not use TF32 although it may."""

    def failing(*_, **__):
        torch.backends.cudnn.allow_tf32 = False
        raise DivergenceError("the loss is nan")

    monkeypatch.setattr(cli, "FitCLI", failing)
    monkeypatch.setattr("sys.argv", ["restoration"])
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with pytest.raises(DivergenceError):
        cli.fit([])
    assert torch.backends.cudnn.allow_tf32
