"""Losses through the command ``fit``: from YAML, and one that is defined here."""

import csv
import json

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from restoration.__main__ import main
from restoration.losses import Loss
from restoration.task import DeepImagePrior

pytestmark = pytest.mark.usefixtures("empty_folder")

BASIS = ["--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
IMAGE = ["--data.image", "samples/coffee.png", "--data.quality", "10", "--data.crop", "64"]
EVERY_STEP = ["--curves.every", "1", "--quality.every", "1"]
ODD = ["--model.loss", f"{__name__}.Odd", "--model.loss.kind"]


class Named(Loss):
    """A loss that calls a term as a measurement is called."""

    def forward(self, output, batch, net):
        return {"loss": output.mean(), "psnr": output.mean()}


class Odd(Loss):
    """A loss that returns what cannot be minimised, or not be logged."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, output, batch, net):
        mean = output.mean()
        return {
            "number": {"loss": 0.5},
            "row": {"loss": mean.reshape(1)},
            "term": {"loss": mean, "height": output},
            "flat": {"loss": mean.detach()},
        }[self.kind]


class Brightness(Callback):
    """A callback that looks at what was smoothed and measured, and adds to it."""

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        outputs["brightness"] = outputs["smoothed"].mean() + 0 * outputs["psnr_smoothed"]


class Wide(nn.Module):
    """A network that doubles the width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 1)

    def forward(self, z):
        return self.convolution(z).repeat_interleave(2, -1)


class Darkness(Loss):
    """A loss that only these tests know: the mean square of the output."""

    def forward(self, output, batch, net):
        return {"loss": output.square().mean(), "brightness": output.mean(), "power": 2}


def run(folder, *arguments, name="coffee-q10"):
    options = [*EVERY_STEP, "--trainer.max_steps", "30", "--name", name]
    assert main(["fit", *BASIS, *IMAGE, *options, *arguments]) == 0
    folder = folder / "lightning_logs" / name / "version_0"
    with open(folder / "curves.csv") as file:
        rows = list(csv.DictReader(file))
    curves = {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}
    return curves, json.loads((folder / "result.json").read_text())


def test_a_new_loss_is_one_class_and_its_path(tmp_path):
    curves, result = run(tmp_path, "--model.loss", f"{__name__}.Darkness")
    assert result["loss"] == "Darkness()"
    assert (curves["power"] == 2).all()
    assert curves["brightness"][-1] < 0.6 * curves["brightness"][0]


def test_the_best_step_is_that_of_the_curve_whenever_it_is_measured(tmp_path):
    options = ["--trainer.max_steps", "7", "--quality.every", "2", "--curves.every", "2"]
    curves, result = run(tmp_path, "--config", "configs/loss/mse.yaml", *options)
    assert curves["step"].tolist() == [2, 4, 6]
    assert result["best"]["step"] == curves["step"][curves["psnr_smoothed"].argmax()]
    assert result["best"]["psnr"] == pytest.approx(curves["psnr_smoothed"].max(), abs=1e-4)


def test_own_callbacks_see_what_is_measured_and_what_they_add_is_recorded(tmp_path):
    own = ["--trainer.callbacks+", f"{__name__}.Brightness", "--trainer.max_steps", "4"]
    curves, _ = run(tmp_path, "--config", "configs/loss/mse.yaml", *own)
    assert np.isfinite(curves["brightness"]).all()
    assert (np.diff(curves["brightness"]) != 0).all()


@pytest.mark.parametrize("name", ["kl_p_mse", "kl_q_mse"])
def test_the_sum_of_logged_terms_is_the_loss(tmp_path, name):
    curves, result = run(
        tmp_path, "--config", f"configs/loss/{name}.yaml", "--model.loss.init_args.weight", "100"
    )
    total = curves[name[:4]] + 100 * 255**2 * curves["mse"]
    np.testing.assert_allclose(curves["loss"], total, rtol=1e-4)
    assert "100.0 * MSE()" in result["loss"]


@pytest.mark.parametrize("name", ["sure", "kl_q_sure"])
def test_the_output_of_least_sure_is_kept(tmp_path, name):
    curves, result = run(tmp_path, "--config", f"configs/loss/{name}.yaml")
    best = int(np.argmin(curves["sure"]))
    assert result["least_sure"]["step"] == best + 1
    assert result["least_sure"]["psnr"] == pytest.approx(curves["psnr"][best], abs=1e-4)
    assert (tmp_path / "lightning_logs/coffee-q10/version_0/least_sure.png").exists()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        (["--model.loss", f"{__name__}.Named"], "the loss calls one of its terms psnr"),
        (
            ["--model.net", f"{__name__}.Wide"],
            "the network makes (1, 3, 64, 128) of an image",
        ),
        ([*ODD, "number"], "Odd has no gradient"),
        (
            [*ODD, "row"],
            "Odd's 'loss' must be a tensor of no dimension, not a Tensor of shape (1,)",
        ),
        ([*ODD, "term"], "Odd's 'height' must be a tensor of no dimension, not a Tensor of"),
        ([*ODD, "flat"], "Odd has no gradient"),
    ],
)
def test_own_parts_that_do_not_fit_are_one_line(option, told, capsys):
    options = [*BASIS, *IMAGE, "--config", "configs/loss/mse.yaml", *option]
    assert main(["fit", *options, "--trainer.max_steps", "2", "--name", "wrong"]) == 1
    error = capsys.readouterr().err.strip()
    assert told in error
    assert "\n" not in error


def test_a_rule_that_kept_nothing_is_told(tmp_path, capsys):
    keep = ["--result.keep", "least_sure", "--result.shrink", "null"]
    _, result = run(tmp_path, "--config", "configs/loss/mse.yaml", *keep)
    assert "least_sure kept nothing" in capsys.readouterr().err
    assert "least_sure" not in result


def test_true_error_and_nmse_are_logged(tmp_path):
    curves, result = run(tmp_path, "--config", "configs/loss/mse.yaml")
    # PSNR of the 8-bit image. Rounding adds about 1/12 level^2, and 2 mean(e) mean(r) for errors e
    # and remainders r, which are as good as 0 on average; at worst an almost flat output of the
    # first steps, 50 levels off, has |mean(r)| of a tenth: 10 of 2,000 levels^2, 0.02 dB.
    difference = np.abs(-10 * np.log10(curves["true_mse"]) - curves["psnr"])
    assert np.median(difference) < 0.003
    assert difference.max() < 0.02
    ratio = curves["true_mse"] / curves["nmse"]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    assert result["jpeg"]["psnr"] > result["final"]["psnr"]


def test_sure_with_noise_input_is_refused_with_the_settings(tmp_path, capsys):
    arguments = ["--config", "configs/loss/sure.yaml", "--data.input", "Noise"]
    assert main(["fit", *BASIS, *IMAGE, *arguments]) == 1
    error = capsys.readouterr().err.strip()
    assert "--data.input DecodedJPEG" in error
    assert "\n" not in error


def test_sure_is_float32_under_a_mixed_precision_trainer(tmp_path):
    """The first step's terms are those of the float32 run; autocast alone would be far off."""
    arguments = ["--config", "configs/loss/sure.yaml", "--trainer.max_steps", "2"]
    plain, _ = run(tmp_path, *arguments)
    mixed, _ = run(tmp_path, *arguments, "--trainer.precision", "bf16-mixed", name="mixed")
    for term in ("sure", "divergence"):
        assert mixed[term][0] == plain[term][0]


def test_colour_histograms_reach_tensorboard(tmp_path):
    run(tmp_path, "--config", "configs/loss/mse.yaml", "--histograms.every", "15")
    events = EventAccumulator(
        str(tmp_path / "lightning_logs/coffee-q10/version_0"), {"histograms": 0}
    )
    events.Reload()
    names = {f"{c}/{n}" for c in ("red", "green", "blue") for n in ("jpeg", "model", "truth")}
    assert names < set(events.Tags()["histograms"])
    smoothed = events.Histograms("red/smoothed")
    assert [h.step for h in smoothed] == [15, 30]
    assert sum(smoothed[0].histogram_value.bucket) == pytest.approx(1)


def test_full_precision_switches_tf32_off_for_the_run(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(
        DeepImagePrior,
        "on_train_batch_start",
        lambda *arguments: seen.append(torch.backends.cudnn.allow_tf32),
    )
    torch.backends.cudnn.allow_tf32 = True
    run(tmp_path, "--config", "configs/loss/sure.yaml", "--trainer.max_steps", "1")
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32
