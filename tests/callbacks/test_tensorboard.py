"""The colour histograms in TensorBoard against NumPy's."""

from types import SimpleNamespace

import numpy as np
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from restoration.callbacks import LogHistograms, LogImages
from restoration.jpeg import compress, to_tensor
from restoration.jpeg.projection import project
from restoration.metrics import psnr


def test_the_histograms_are_those_of_the_pixels_with_their_moments(photo, tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    pixels = compress(photo, 10).pixels
    batch = SimpleNamespace(target=to_tensor(pixels))
    data = SimpleNamespace(batch=batch, truth=to_tensor(photo))
    trainer = SimpleNamespace(loggers=[logger], is_global_zero=True, global_step=0, datamodule=data)
    histograms = LogHistograms(every=10)
    histograms.on_train_start(trainer, None)
    for step in (5, 10):  # due on the second alone
        trainer.global_step = step
        outputs = {"image": to_tensor(photo), "smoothed": to_tensor(pixels)}
        histograms.on_train_batch_end(trainer, None, outputs, None, 0)
    logger.experiment.flush()
    events = EventAccumulator(str(tmp_path), size_guidance={"histograms": 0}).Reload()
    for channel, name in enumerate(("red", "green", "blue")):
        for tag, image, at in (
            ("jpeg", pixels, 0),
            ("truth", photo, 0),
            ("output", photo, 10),
            ("smoothed", pixels, 10),
        ):
            (event,) = events.Histograms(f"{name}/{tag}")
            values, value = image[..., channel].astype(float), event.histogram_value
            assert event.step == at
            np.testing.assert_allclose(value.sum, values.mean(), rtol=1e-5)
            np.testing.assert_allclose(value.sum_squares, (values**2).mean(), rtol=1e-5)
            expected = np.zeros(256)
            # a bucket reaches half a level up; TensorBoard joins empty ones to the next
            limits = np.array(value.bucket_limit)
            counts = np.array(value.bucket)
            for limit, count in zip(limits, counts, strict=True):
                expected[int(limit - 0.5)] += count
            mass = np.bincount(image[..., channel].ravel(), minlength=256) / values.size
            np.testing.assert_allclose(expected[mass > 0], mass[mass > 0], atol=1e-6)


def test_the_projected_output_and_the_jpegs_psnr_are_logged(photo, tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    jpeg, truth = compress(photo, 10), to_tensor(photo)
    batch = SimpleNamespace(target=to_tensor(jpeg.pixels), file=jpeg.quantised)
    data = SimpleNamespace(batch=batch, truth=truth)
    trainer = SimpleNamespace(loggers=[logger], is_global_zero=True, global_step=10)
    trainer.datamodule = data
    smoothed = (truth + 0.05).clamp(0, 1)
    outputs = {"image": truth, "smoothed": smoothed}
    LogImages(every=10).on_train_batch_end(trainer, None, outputs, None, 0)
    logger.experiment.flush()
    events = EventAccumulator(str(tmp_path)).Reload()
    inside = project(smoothed, jpeg.quantised).clamp(0, 1)
    for name, image in (("projected", inside), ("jpeg", batch.target)):
        (event,) = events.Scalars(f"quality/psnr_{name}")
        assert event.step == 10
        np.testing.assert_allclose(event.value, psnr(image, truth).item(), rtol=1e-5)
    assert psnr(inside, truth) > psnr(smoothed, truth)
