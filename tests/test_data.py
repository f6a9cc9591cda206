import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from restoration.data import SingleImage
from restoration.errors import RestorationError
from restoration.estimate.passes import first_estimate
from restoration.inputs import DecodedJPEG, EstimateAndNoise, Noise
from restoration.jpeg import compress, to_tensor


def prepared(**options) -> SingleImage:
    data = SingleImage(**options)
    data.setup("fit")
    return data


def test_a_lossless_image_is_compressed_and_serves_as_the_truth(photo):
    data = prepared(image="samples/coffee.png", quality=10)
    file = io.BytesIO()
    Image.fromarray(photo).save(file, format="JPEG", quality=10)
    assert torch.equal(data.truth, to_tensor(photo))
    assert torch.equal(data.batch.target, to_tensor(np.array(Image.open(file))))
    assert data.run_name == "coffee-q10"


def test_the_crop_is_the_centre(photo):
    data = prepared(image="samples/coffee.png", quality=10, crop=64)
    assert torch.equal(data.truth, to_tensor(photo[64:128, 64:128]))


def test_noise_is_uniform_and_follows_the_seed():
    def draw(seed, depth=3):
        torch.manual_seed(seed)
        return prepared(image="samples/coffee.png", quality=10, input=Noise(depth)).batch.z

    z = draw(0, depth=5)
    assert z.shape == (1, 5, 192, 192)
    # mean of n uniform values: standard deviation 0.1 / sqrt(12 n)
    assert z.mean().item() == pytest.approx(0.05, abs=4 * 0.1 / np.sqrt(12 * z.numel()))
    assert z.min() >= 0
    assert 0.0999 < z.max() < 0.1
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_the_jpeg_as_input_is_the_target_itself():
    batch = prepared(image="samples/coffee.png", quality=10, input=DecodedJPEG()).batch
    assert batch.z is batch.target
    moved = batch.to(torch.device("meta"))
    assert moved.z is moved.target


def test_the_estimate_comes_before_the_jpeg_and_the_noise(photo):
    jpeg = compress(photo[:32, :48], 10)
    target = to_tensor(jpeg.pixels)
    z = EstimateAndNoise(depth=2, scale=0.5)(jpeg, target, torch.Generator().manual_seed(3))
    noise = torch.rand(1, 2, 32, 48, generator=torch.Generator().manual_seed(3)) * 0.5
    assert torch.equal(z, torch.cat([first_estimate(jpeg.quantised), target, noise], 1))


def test_an_input_has_one_name_wherever_its_parts_lie():
    """Checkpoints compare it; an object's holds its address, an array's several lines."""

    class Part:
        pass

    def data(scale):
        noise = Noise(scale=scale)
        noise.part, noise.rows = Part(), np.eye(3)
        return SingleImage("photo.png", input=noise)

    one, same, other = data(0.1), data(0.1), data(0.2)
    assert one.input_name == same.input_name
    assert one.input_name != other.input_name
    assert "\n" not in one.input_name


def test_the_batch_is_moved_once():
    data = prepared(image="samples/coffee.png", quality=10)
    batch = data.batch
    moved = data.transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert moved.target.device.type == "meta"
    assert all(c.device.type == "meta" for c in (*moved.file.coefficients, *moved.file.tables))
    assert data.transfer_batch_to_device(batch, torch.device("meta"), 0) is moved


def test_a_grey_jpeg_is_one_channel(photo, tmp_path):
    Image.fromarray(photo).convert("L").save(tmp_path / "grey.jpg", quality=10)
    batch = prepared(image=str(tmp_path / "grey.jpg")).batch
    assert batch.target.shape == (1, 1, 192, 192)
    assert len(batch.file.coefficients) == len(batch.file.tables) == 1


def test_the_truth_of_a_turned_jpeg_is_turned_alike(photo, tmp_path):
    stored = photo[:, :128]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(tmp_path / "turned.jpg", quality=95, exif=exif)
    with Image.open(tmp_path / "turned.jpg") as jpeg:
        upright = ImageOps.exif_transpose(Image.fromarray(stored)).transpose(
            Image.Transpose.ROTATE_270
        )
        assert ImageOps.exif_transpose(jpeg).size == upright.size
    upright.save(tmp_path / "truth.png")
    data = prepared(image=str(tmp_path / "turned.jpg"), truth=str(tmp_path / "truth.png"))
    assert torch.equal(data.truth, to_tensor(stored))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": "samples/coffee.png"}, "is a PNG, not a JPEG"),
        ({"image": "samples/coffee.png", "quality": 10, "truth": "a.png"}, "data.truth goes with"),
        ({"image": "samples/coffee.png", "crop": 64}, "data.crop needs data.quality"),
        ({"image": "samples/coffee.png", "quality": 10, "crop": 500}, "cannot crop 500 x 500"),
        ({"image": "samples/coffee.png", "quality": 10, "crop": 8}, "8 x 8 pixels"),
        ({"image": "nowhere.jpg"}, "No such file"),
        ({"image": "samples/coffee.png", "steps_per_epoch": 0}, "at least 1"),
        (
            {"image": ["a.jpg", "b.jpg"], "truth": "a.png"},
            "that of one image, and there are several",
        ),
        ({"image": ["here/a.jpg", "there/a.jpg"]}, "two of the images have one name"),
    ],
)
def test_contradictions_are_refused(options, message):
    with pytest.raises(RestorationError, match=message):
        prepared(**options)


def test_a_truth_of_another_size_is_refused(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "a.jpg")
    Image.fromarray(photo[:100]).save(tmp_path / "truth.png")
    with pytest.raises(RestorationError, match="192 x 100 pixels, RGB against 192 x 192"):
        prepared(image=str(tmp_path / "a.jpg"), truth=str(tmp_path / "truth.png"))
