"""What a run leaves behind, in isolation: the comparison against the pictures that it shows."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from restoration.callbacks import ResultWriter
from restoration.data import SingleImage
from restoration.support.figures import CAPTION, GAP, SCALE


def panels_of(sheet: bytes, side: int) -> list[np.ndarray]:
    """Cut the pictures out from under their captions, and make them as small as they were."""
    with Image.open(io.BytesIO(sheet)) as image:
        below = np.array(image)[CAPTION::SCALE]
    starts = range(0, below.shape[1], side * SCALE + GAP)
    return [below[:, x : x + side * SCALE : SCALE] for x in starts]


@pytest.mark.parametrize("shrink", [0.4, None])
def test_the_comparison_shows_the_jpeg_the_restored_picture_and_the_truth(shrink, photo, tmp_path):
    data = SingleImage("samples/coffee.png", quality=10, crop=96)
    data.setup("fit")
    writer = ResultWriter(shrink)
    writer.directory = tmp_path
    writer.smoothed = data.truth.lerp(data.batch.target, 0.5)
    trainer = SimpleNamespace(datamodule=data, callbacks=[writer])
    writer.write_image(trainer, "restored.png", writer.restored(trainer))
    with Image.open(tmp_path / "restored.png") as image:
        restored = np.array(image)
    file = io.BytesIO()
    truth = photo[48:144, 48:144]
    Image.fromarray(truth).save(file, "JPEG", quality=10)
    jpeg = np.array(Image.open(file))
    panels = panels_of(writer.compare(trainer, {}), 96)
    for panel, expected in zip(panels, (jpeg, restored, truth), strict=True):
        np.testing.assert_array_equal(panel, expected)


def test_without_a_truth_the_comparison_ends_with_the_restored_picture():
    data = SingleImage("samples/coffee.jpg")
    data.setup("fit")
    writer = ResultWriter(None)
    writer.smoothed = data.batch.target.flip(3)
    trainer = SimpleNamespace(datamodule=data, callbacks=[writer])
    jpeg, restored = panels_of(writer.compare(trainer, {}), 192)
    np.testing.assert_array_equal(restored, jpeg[:, ::-1])
