"""Rules without truth: their criteria against closed forms, and their effect on a run."""

import json
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from restoration.__main__ import main
from restoration.batch import Batch
from restoration.callbacks import (
    BlockContrast,
    Discrepancy,
    MovingVariance,
    NearestEstimate,
    NearestReJPEG,
    result,
)
from restoration.callbacks.keep import TAKEN, KeepImage, check_rules
from restoration.errors import RestorationError
from restoration.estimate.passes import first_estimate
from restoration.estimate.rejpeg import shifted_jpeg
from restoration.jpeg import compress, to_tensor
from restoration.metrics import psnr
from restoration.support.files import find


@pytest.fixture(scope="module")
def case(photo):
    jpeg = compress(photo, 10)
    target = to_tensor(jpeg.pixels)
    return jpeg, Batch(target, target, jpeg.quantised), to_tensor(photo)


def value(rule, case, image):
    rule.prepare(case[0], case[1])
    return rule.criterion(image, case[1]).item()


def test_the_criteria_are_least_where_they_should_be(case):
    jpeg, batch, truth = case
    rejpeg = shifted_jpeg(jpeg)
    assert value(NearestReJPEG(), case, rejpeg) == 0
    assert value(NearestReJPEG(), case, rejpeg + 0.1) == pytest.approx(0.01, rel=1e-4)
    # the original lies where the discrepancy expects it, within the 12 % that sigma is uncertain by
    error = (truth - batch.target).square().mean().item()
    assert value(Discrepancy(), case, truth) < 0.3 * error
    assert value(Discrepancy(), case, batch.target) > 0.7 * error
    assert value(NearestEstimate(), case, first_estimate(jpeg.quantised, 2)) == 0


def test_block_contrast_by_brute_force(case):
    x = case[1].target[0].double().numpy()
    borders, others = [], []
    for axis in (1, 2):
        steps = np.abs(np.diff(x, axis=axis))
        for k in range(steps.shape[axis]):
            (borders if k % 8 == 7 else others).append(steps.take(k, axis).mean())
    expected = abs(np.mean(borders) / np.mean(others) - 1)
    assert expected > 0.2  # a JPEG at quality 10 shows its blocks
    assert value(BlockContrast(), case, case[1].target) == pytest.approx(expected, rel=1e-4)
    assert value(BlockContrast(), case, case[2]) < expected / 4


def at(step):
    return SimpleNamespace(global_step=step, should_stop=False, world_size=1)


def test_the_moving_variance_is_the_published_recursion():
    images = torch.rand(20, 1, 3, 4, 4, generator=torch.manual_seed(0)).double()
    rule = MovingVariance(every=1, begin=1, weight=0.1)
    mean, variance = images[0].numpy(), 0.0
    for step, image in enumerate(images, 1):
        outputs = {"image": image, "smoothed": image}
        rule.on_train_batch_end(at(step), None, outputs, None, 0)
        if step > 1:
            variance = 0.9 * (variance + 0.1 * ((image.numpy() - mean) ** 2).mean())
            mean = mean + 0.1 * (image.numpy() - mean)
        assert outputs["moving_variance"].item() == pytest.approx(variance, rel=1e-5)


def test_patience_ends_a_run_after_the_best_step():
    class Far(NearestEstimate):
        reference = torch.zeros(1, 1, 2, 2)

    rule = Far(every=10, begin=20, patience=100)
    for step in range(1, 1000):
        trainer = at(step)
        # falls until step 200, rises after it, and is least at step 10, before the rule begins
        distance = 0.0 if step == 10 else 0.1 + abs(step - 200) / 1000
        image = torch.full((1, 1, 2, 2), distance)
        rule.on_train_batch_end(trainer, None, {"smoothed": image}, None, 0)
        if trainer.should_stop:
            break
    assert step == 300
    assert rule.step == 200
    again = at(300)  # the same command given once more has nothing left to do
    again.datamodule = SimpleNamespace()
    rule.on_train_start(again, SimpleNamespace(device="cpu"))
    assert again.should_stop


def test_devices_end_a_run_together():
    """Each has other noise: one must not leave while the others wait for it."""
    rule = NearestEstimate(every=10, begin=10, patience=50)
    rule.offer(torch.tensor(1.0), 90, torch.zeros(1, 1, 2, 2))
    trainer = at(100)
    trainer.world_size = 2
    trainer.strategy = Mock(reduce_boolean_decision=Mock(return_value=True))
    rule.stop_if_exhausted(trainer)
    # its own patience lasts; that of another device does not
    trainer.strategy.reduce_boolean_decision.assert_called_once_with(False, all=False)
    assert trainer.should_stop


def test_an_impatient_rule_is_refused():
    with pytest.raises(RestorationError, match="patience"):
        NearestEstimate(patience=5)


def test_the_output_of_a_rule_becomes_the_result(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])
    arguments = ["--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    arguments += ["--config", "configs/loss/mse.yaml", "--config", "configs/rules.yaml"]
    arguments += ["--data.image", "samples/coffee.png", "--data.quality", "10"]
    arguments += ["--data.crop", "64", "--trainer.max_steps", "40", "--folder", "runs/one"]
    assert main(["fit", *arguments, "--result.keep", "nearest"]) == 1
    assert "no rule 'nearest'" in capsys.readouterr().err
    assert main(["fit", *arguments, "--result.keep", "best"]) == 1  # the truth never chooses
    assert main(["fit", *arguments, "--rules", "[]"]) == 1
    assert "--result.keep null takes the last output" in capsys.readouterr().err
    assert main(["fit", *arguments, "--rules+=NearestEstimate"]) == 1
    assert "rule nearest_estimate is given twice" in capsys.readouterr().err
    assert not (tmp_path / "runs/one").exists()
    rule = ["--rules+=restoration.callbacks.NearestReJPEG", "--rules.begin", "1"]
    keep = ["--result.keep", "nearest_rejpeg", "--result.shrink", "null"]
    shown = []
    sheet = result.comparison
    monkeypatch.setattr(result, "comparison", lambda panels: shown.extend(panels) or sheet(panels))
    assert main(["fit", *arguments, "--rules", "[]", *rule, *keep]) == 0
    kept = json.loads((tmp_path / "runs/one/result.json").read_text())["nearest_rejpeg"]
    assert [caption for caption, _ in shown][1] == f"restored  {kept['psnr']:.2f} dB"
    assert (kept["title"], kept["reference"]["title"]) == ("nearest re-JPEG", "re-JPEG")
    assert f"nearest re-JPEG (step {kept['step']})" in capsys.readouterr().out
    restored, clean = (
        to_tensor(np.array(Image.open(path)))
        for path in (tmp_path / "runs/one/restored.png", find("samples/coffee.png"))
    )
    assert kept["step"] % 10 == 0
    y, x = ((size - 64) // 2 for size in clean.shape[-2:])
    assert psnr(restored, clean[..., y : y + 64, x : x + 64]).item() == pytest.approx(
        kept["psnr"], abs=1e-4
    )
    truth = np.array(Image.open(find("samples/coffee.png")))[y : y + 64, x : x + 64]
    reference = psnr(shifted_jpeg(compress(truth, 10)), to_tensor(truth)).item()
    assert kept["reference"]["psnr"] == pytest.approx(reference, abs=1e-4)


@pytest.mark.parametrize("weight", [0, 5, float("nan")])
def test_a_moving_variance_needs_a_weight_of_an_average(weight):
    with pytest.raises(RestorationError, match=r"must lie in \(0, 1\]"):
        MovingVariance(weight=weight)


def test_no_rule_bears_the_name_of_an_entry_of_the_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])
    options = ["--data.crop", "32", "--trainer.max_steps", "2", "--folder", "run"]
    assert main(["fit", "--config", "configs/quickstart.yaml", *options]) == 0
    result = json.loads((tmp_path / "run/result.json").read_text())
    rules = {name for name, entry in result.items() if isinstance(entry, dict) and "title" in entry}
    assert result.keys() - rules <= TAKEN


@pytest.mark.parametrize("name", [None, "best", "smoothed", "psnr_smoothed"])
def test_a_rule_without_a_name_of_its_own_is_refused(name):
    rule = KeepImage()
    if name is not None:
        rule.name = name
    with pytest.raises(RestorationError, match=f"a name of its own, not {name}"):
        check_rules([rule], None)
