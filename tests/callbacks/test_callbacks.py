"""Callbacks and files in isolation, against closed forms; failures must leave no trace."""

import io
import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from restoration.callbacks import AtomicCheckpointIO, OutputSmoothing
from restoration.callbacks.curves import Curves
from restoration.callbacks.keep import KeepImage
from restoration.callbacks.quality import Quality
from restoration.errors import RestorationError
from restoration.metrics import psnr
from restoration.support.figures import CAPTION, GAP, SCALE, comparison
from restoration.support.files import find, write_atomically


def trainer_at(step, **attributes):
    return SimpleNamespace(global_step=step, is_global_zero=True, loggers=[], **attributes)


def test_smoothing_is_the_moving_average_that_starts_at_the_first_output():
    images = torch.rand(30, 1, 3, 4, 4, generator=torch.manual_seed(0)).double()
    smoothing = OutputSmoothing(decay=0.9)
    for image in images:
        outputs = {"image": image}
        smoothing.on_train_batch_end(trainer_at(1), None, outputs, None, 0)
    weights = 0.9 ** np.arange(29, -1, -1) * 0.1
    weights[0] /= 0.1
    expected = (weights[:, None] * images.flatten(1).numpy()).sum(0)
    np.testing.assert_allclose(outputs["smoothed"].flatten(), expected, rtol=1e-5)


def test_the_first_output_is_copied_not_aliased():
    image = torch.zeros(1, 1, 2, 2)
    smoothing = OutputSmoothing()
    smoothing.on_train_batch_end(trainer_at(1), None, {"image": image}, None, 0)
    smoothing.on_train_batch_end(trainer_at(2), None, {"image": image + 1}, None, 0)
    assert (image == 0).all()


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_impossible_decays_are_refused(decay):
    with pytest.raises(RestorationError, match="decay"):
        OutputSmoothing(decay)


def test_the_image_of_the_greatest_value_is_kept_as_it_was():
    keeper = KeepImage()
    assert keeper.step is None
    image = torch.zeros(1, 1, 2, 2)
    for step, value in enumerate([1.0, 3.0, 2.0, 3.0], 1):
        image += 1  # in place, as the moving average changes
        keeper.offer(torch.tensor(value), step, image)
    assert keeper.step == 2  # the first of equals
    assert (keeper.image == 2).all()
    restored = KeepImage()
    restored.load_state_dict(keeper.state_dict())
    assert restored.step == 2


def test_what_is_no_number_is_not_kept_for_ever():
    keeper = KeepImage()
    for step, value in enumerate([float("nan"), -5.0, float("nan"), -7.0], 1):
        keeper.offer(torch.tensor(value), step, torch.zeros(1))
    assert keeper.step == 2


def test_quality_measures_on_the_steps_due(photo):
    truth = torch.rand(1, 3, 16, 16, generator=torch.manual_seed(0))
    quality = Quality(every=3, ms_ssim_every=1000)
    quality.truth = truth
    for step in (1, 2, 3):
        outputs = {"image": truth * 0.9, "smoothed": truth * 0.8}
        quality.on_train_batch_end(trainer_at(step), None, outputs, None, 0)
        assert ("psnr" in outputs) == (step == 3)
    assert outputs["psnr_smoothed"] == psnr(truth * 0.8, truth)
    assert outputs["nmse"].item() == pytest.approx(0.01, rel=1e-4)  # |0.1 x|^2 / |x|^2


def test_curves_write_no_more_digits_than_single_precision_has(tmp_path):
    curves = Curves(every=1, flush_every=3)
    curves.directory = tmp_path
    values = torch.tensor([0.1, 1 / 3, -2.5e-38])
    for step, value in enumerate(values, 1):
        curves.on_train_batch_end(trainer_at(step), None, {"loss": value}, None, 0)
    cells = [line.split(",")[1] for line in (tmp_path / "curves.csv").read_text().split()[1:]]
    assert cells == ["0.1", "0.33333334", "-2.5e-38"]
    assert np.array_equal(np.array(cells, np.float32), values.numpy())


def test_curves_leave_cells_empty_where_nothing_was_measured(tmp_path):
    curves = Curves(every=2, flush_every=4)
    curves.directory = tmp_path
    for step in range(1, 7):
        outputs = {"loss": torch.tensor(step / 2), "image": torch.zeros(1, 3, 2, 2)}
        if step == 4:
            outputs["psnr"] = torch.tensor(20.0)
        curves.on_train_batch_end(trainer_at(step), None, outputs, None, 0)
    assert (tmp_path / "curves.csv").read_text() == "step,loss,psnr\n2,1.0,\n4,2.0,20.0\n"
    curves.on_train_end(trainer_at(6), None)
    assert (tmp_path / "curves.csv").read_text().endswith("\n6,3.0,\n")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def no_space(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(RestorationError, match="No space left on device"):
        write_atomically(path, b"new")
    with pytest.raises(RestorationError, match="No space"):
        AtomicCheckpointIO().save_checkpoint({"a": torch.zeros(3)}, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_into_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(RestorationError, match="cannot write"):
        write_atomically(tmp_path / "missing" / "file", b"")


def test_own_files_come_before_those_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = find("configs/base.yaml")
    assert shipped.is_absolute()
    assert "max_steps" in shipped.read_text()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "base.yaml").write_text("mine")
    assert find("configs/base.yaml").read_text() == "mine"
    assert str(find("nowhere.yaml")) == "nowhere.yaml"


def test_the_comparison_shows_the_pixels_enlarged(photo):
    grey = photo[..., :1]
    with Image.open(io.BytesIO(comparison([("left", photo), ("right", grey)]))) as picture:
        sheet = np.array(picture)
    side = 192 * SCALE
    assert sheet.shape == (CAPTION + side, 2 * side + GAP, 3)
    left = sheet[CAPTION:, :side]
    np.testing.assert_array_equal(left[::SCALE, ::SCALE], photo)
    np.testing.assert_array_equal(left[1::SCALE, 1::SCALE], photo)
    right = sheet[CAPTION::SCALE, side + GAP :: SCALE]
    np.testing.assert_array_equal(right, np.broadcast_to(grey, right.shape))
