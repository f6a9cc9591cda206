"""What ``restoration fit`` refuses, in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch

from restoration.__main__ import main
from tests.fits import SMALL, rows_of, run

pytestmark = pytest.mark.usefixtures("empty_folder", "libraries_may_warn")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.image", "nowhere.jpg"], "cannot read nowhere.jpg: No such file or directory"),
        (["--data.quality", "null"], "is a PNG, not a JPEG"),
        (["--data.quality", "500"], "must lie within 1 to 100, not 500"),
        (["--smoothing.decay", "2"], "[0, 1)"),
        (["--checkpoint.every", "0"], "checkpoint.every must be at least 1 step, not 0"),
        (["--curves.every", "0"], "curves.every must be at least 1"),
        (["--curves.flush_every", "0"], "curves.flush_every must be at least 1"),
        (["--quality.ms_ssim_every", "-3"], "quality.ms_ssim_every must be at least 1"),
        (["--seed_everything", "-1"], "--seed_everything must lie within 0 and 4294967295"),
        (["--seed_everything", "4294967296"], "--seed_everything must lie within 0"),
        (["--trainer.default_root_dir", "file"], "cannot write runs to file/lightning_logs"),
        (["--trainer.max_steps", "-1"], "--trainer.max_steps 2400"),
        (["--trainer.max_epochs", "2"], "give --trainer.max_steps instead of max_epochs"),
        (["--trainer.accumulate_grad_batches", "2"], "every step has its own gradient"),
        (["--trainer.fast_dev_run", "true"], "--trainer.fast_dev_run would leave no result"),
        (["--trainer.barebones", "true"], "--trainer.barebones would leave no result"),
        (["--trainer.limit_train_batches", "0"], "leaves no step to do"),
        (["--data.image", "[]"], "data.image must not be empty"),
        (["--data.input.depth", "0"], "depth must be at least 1, not 0"),
        (["--result.shrink", "7"], "result.shrink must lie in [0, 1] or be null, not 7"),
        (
            ["--config", "configs/loss/kl_q_mse.yaml", "--model.loss.weight", ".nan"],
            "the weight must be a number, not nan",
        ),
        (
            ["--config", "configs/loss/kl_q_mse.yaml", "--model.loss.kl.weights", "[]"],
            "channel weights must not be negative nor all zero",
        ),
        (["--trainer.precision", "64-true"], "--trainer.precision 64-true would change the image"),
        (["--config", "latin.yaml"], "latin.yaml is no text in UTF-8"),
    ],
)
def test_unusable_input_is_one_line_and_exit_code_1(tmp_path, capsys, arguments, message):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "latin.yaml").write_text("# für", encoding="latin-1")
    assert main([*SMALL[:3], *arguments]) == 1
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error
    assert not (tmp_path / "lightning_logs").exists()


def test_unusable_checkpoints_are_one_line_and_exit_code_1(tmp_path, capsys):
    folder, _ = run(tmp_path, "--trainer.max_steps", "2")
    last = str(folder / "last.ckpt")
    (tmp_path / "damaged.ckpt").write_bytes((folder / "last.ckpt").read_bytes()[:5000])
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    torch.save({"code": Malicious()}, tmp_path / "code.ckpt")
    (tmp_path / "text.ckpt").write_text("hello")
    capsys.readouterr()
    for arguments, message in (
        (["--ckpt_path", "nowhere.ckpt"], "there is no checkpoint nowhere.ckpt"),
        (["--ckpt_path", "damaged.ckpt"], "damaged.ckpt is damaged"),
        (["--ckpt_path", "text.ckpt"], "text.ckpt is damaged or no checkpoint"),
        (["--ckpt_path", "list.ckpt"], "list.ckpt is not a checkpoint of this program"),
        (["--ckpt_path", "code.ckpt"], "code.ckpt holds a getattr"),
        (["--ckpt_path", "code.ckpt", "--weights_only", "false"], "code.ckpt holds a"),
        (["--ckpt_path", "http://localhost/a.ckpt"], "a checkpoint must be a file"),
        (["--ckpt_path", "foreign.ckpt"], "foreign.ckpt is not a checkpoint of this program"),
        (["--ckpt_path", last, "--model.net.skips", "[0, 0, 0, 0, 0]"], "another network"),
        (["--ckpt_path", last, "--data.crop", "32"], "another image"),
        (["--ckpt_path", last, "--model.optimizer.lr", "0.5"], "optimiser has other settings"),
        (
            ["--ckpt_path", last, "--seed_everything", "7"],
            "another --data.input or --seed_everything",
        ),
        (["--ckpt_path", last, "--data.input.scale", "0.2"], "another --data.input"),
    ):
        assert main([*SMALL, "--trainer.max_steps", "4", *arguments]) == 1
        error = capsys.readouterr().err.strip()
        assert message in error
        assert "\n" not in error


def test_a_fused_optimiser_that_cannot_clip_is_told_and_another_clips(capsys):
    clipped = [*SMALL, "--trainer.precision", "bf16-mixed", "--trainer.gradient_clip_val", "1"]
    clipped += ["--trainer.max_steps", "2"]
    assert main(clipped) == 1
    error = capsys.readouterr().err.strip()
    assert "--model.optimizer.fused false" in error
    assert "\n" not in error
    other = ["--model.optimizer", "torch.optim.Adam", "--model.optimizer.fused", "false"]
    assert main([*clipped, *other]) == 0


def test_lack_of_memory_is_one_line_and_other_errors_are_themselves(capsys, monkeypatch):
    def raising(message):
        def fail(*arguments, **options):
            raise RuntimeError(message)

        monkeypatch.setattr("restoration.cli.FitCLI", fail)

    raising("CUDA out of memory. Tried to allocate 20.00 GiB")
    assert main(SMALL) == 1
    assert "the memory does not suffice; close other programs, or take configs/net/low.yaml" in (
        capsys.readouterr().err
    )
    raising("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        main(SMALL)


class Malicious:
    """What a pickle would run when it is loaded."""

    def __reduce__(self):
        return (Path.touch, (Path("run.by.a.checkpoint"),))


def test_no_checkpoint_runs_code(tmp_path):
    assert not (tmp_path / "run.by.a.checkpoint").exists()
    torch.save({"code": Malicious()}, tmp_path / "code.ckpt")
    assert main([*SMALL, "--trainer.max_steps", "2", "--ckpt_path", "code.ckpt"]) == 1
    assert not (tmp_path / "run.by.a.checkpoint").exists()


@pytest.mark.parametrize("rate", ["1e38", "1e30"])
def test_a_run_that_diverges_says_so_and_writes_no_black_image(tmp_path, capsys, rate):
    assert main([*SMALL, "--trainer.max_steps", "20", "--model.optimizer.lr", rate]) == 1
    error = capsys.readouterr().err.strip()
    assert "a smaller learning rate may help" in error or "refuses its settings" in error
    assert "Traceback" not in error
    (folder,) = (tmp_path / "lightning_logs").glob("*/version_0")
    assert not (folder / "result.json").exists()
    assert not (folder / "restored.png").exists()
    if "smaller learning rate" in error:  # and the curves show the way there
        assert not np.isfinite(float(rows_of(folder)[-1]["loss"]))


def test_an_impossible_rate_is_one_line(capsys):
    assert main([*SMALL, "--trainer.max_steps", "2", "--model.optimizer.lr", "-1"]) == 1
    assert capsys.readouterr().err.strip().count("\n") == 0


@pytest.mark.parametrize("error", [OSError(28, "No space left"), RuntimeError("unexpected pos")])
def test_a_full_disk_is_one_line_and_exit_code_1(tmp_path, capsys, monkeypatch, error):
    def full(*arguments):
        raise error

    monkeypatch.setattr(torch, "save", full)
    assert main([*SMALL, "--trainer.max_steps", "2"]) == 1
    said = capsys.readouterr().err.strip()
    assert "last.ckpt" in said
    assert "\n" not in said


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_one_line_and_exit_code_1(capsys):
    assert main([*SMALL, "--trainer.accelerator", "gpu"]) == 1
    assert "gpu" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["accelerator", "strategy"])
def test_a_trainer_that_cannot_be_made_is_one_line_and_exit_code_1(option, capsys):
    assert main([*SMALL, f"--trainer.{option}", "foo"]) == 1
    error = capsys.readouterr().err.strip()
    assert "the trainer: " in error
    assert "foo" in error
    assert "\n" not in error


def test_an_impossible_network_is_one_line_and_exit_code_1(capsys):
    assert main([*SMALL, "--model.net.init_args.skips", "[4]"]) == 1
    assert "5 filters, 1 skips" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data.imge", "a.jpg"], "unknown option --data.imge, did you mean --data.image?"),
        (["--trainer.max_steps", "many"], "trainer.max_steps"),
        (["--config", "missing.yaml"], "missing.yaml"),
        (["--model.loss", "NoSuchLoss"], "NoSuchLoss"),
        (["--model.net.filtres", "[8]"], "unknown option filtres, did you mean filters?"),
        (
            ["--model.loss", "restoration.losses.MES"],
            "unknown class restoration.losses.MES, did you mean restoration.losses.MSE?",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        main([*SMALL, *arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert "\n" not in error


def test_the_command_without_arguments_explains_itself(capsys):
    assert main([]) == 2
    assert "restoration COMMAND" in capsys.readouterr().err
    assert main(["--help"]) == 0
    with pytest.raises(SystemExit) as stop:
        main(["fit"])
    assert stop.value.code == 2
    assert "restoration fit: error: " in capsys.readouterr().err
    assert main(["fitt"]) == 2
    assert "unknown command 'fitt'" in capsys.readouterr().err
