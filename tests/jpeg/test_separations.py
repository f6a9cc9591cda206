"""JPEGs of RGB and of inks, taken apart, against Pillow's decoder."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import restoration
from restoration.errors import RestorationError
from restoration.jpeg import Quantised, read_picture, to_pixels
from restoration.jpeg.contents import Contents
from restoration.jpeg.image import to_tensor
from restoration.jpeg.separations import separated, to_rgb
from restoration.metrics import psnr

SPACES = ("RGB", "CMYK", "YCCK")


def jpeg_of(photo: np.ndarray, space: str, quality: int, **options) -> bytes:
    """A JPEG of a colour space that Pillow reads, though of YCCK it writes none."""
    image, file = Image.fromarray(photo), io.BytesIO()
    if space == "RGB":
        image.save(file, "JPEG", quality=quality, keep_rgb=True, **options)
        return file.getvalue()
    inks = np.array(image.convert("CMYK"))
    inks[..., 3] = 255 - inks[..., :3].max(2)  # some black, as printers have it
    if (
        space == "YCCK"
    ):  # the triple is stored as YCbCr of the inks; Pillow stores what it is given inverted
        triple = np.array(Image.fromarray(inks[..., :3]).convert("YCbCr"))
        inks = np.concatenate([255 - triple, inks[..., 3:]], 2)
    Image.frombytes("CMYK", image.size, inks.tobytes()).save(
        file, "JPEG", quality=quality, **options
    )
    data = file.getvalue()
    if space == "YCCK":
        transform = data.index(b"Adobe") + 11
        assert data[transform] == 0
        data = data[:transform] + b"\2" + data[transform + 1 :]
    return data


@pytest.mark.parametrize("space", SPACES)
def test_parts_hold_what_pillow_decodes(photo, tmp_path, space):
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg_of(photo, space, 30))
    picture = read_picture(file)
    assert picture.space == space
    np.testing.assert_array_equal(picture.pixels, np.array(Image.open(file)))
    joined = to_pixels(picture.joined([part.quantised.decode() for part in picture.parts]))
    error = np.abs(joined.astype(int) - picture.pixels)
    # libjpeg also cuts YCbCr samples that lie beyond black and white
    assert np.quantile(error, 0.995) <= 2
    assert error.mean() < 0.4


@pytest.mark.parametrize("space", SPACES)
def test_restored_pictures_are_nearer_to_their_original(photo, tmp_path, space):
    small = np.ascontiguousarray(photo[:96, :96])
    for name, quality in (("a", 10), ("truth", 100)):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg_of(small, space, quality))
    truth, before = (Image.open(tmp_path / f"{n}.jpg").convert("RGB") for n in ("truth", "a"))
    restored = restoration.restore(tmp_path / "a.jpg", preset="fast")
    assert restored.image.mode == "RGB"
    truth, before, after = (to_tensor(np.array(x)) for x in (truth, before, restored.image))
    assert psnr(after, truth) > psnr(before, truth) + 0.3
    assert restored.report.quality == 10
    assert space in restored.report.colours


def test_inks_are_converted_by_their_profile(photo):
    inks = Image.fromarray(photo).convert("CMYK")
    # any profile whose input has three channels does not fit four inks
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = np.array(inks.convert("RGB"))
    for icc in (None, srgb, b"damaged"):
        image, profile = to_rgb(Image.fromarray(np.array(inks)), icc)
        np.testing.assert_array_equal(np.array(image), plain)
        assert profile is None


def test_inks_upright_are_turned(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg_of(photo[:64], "CMYK", 90, exif=exif))
    picture = read_picture(file)
    upright = picture.upright(picture.pixels)
    expected = Image.open(file).convert("RGB").transpose(Image.Transpose.ROTATE_270)
    np.testing.assert_array_equal(np.array(upright), np.array(expected))


def test_a_quality_is_for_rgb_and_grey(photo, tmp_path):
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg_of(photo, "CMYK", 30))
    with pytest.raises(RestorationError, match="stores CMYK; --quality"):
        restoration.restore(file, preset="fast", quality=10)


def test_inks_become_rgb_of_either_depth_and_keep_what_lies_beside_them(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg_of(photo[:64, :96], "CMYK", 30, exif=exif, icc_profile=b"no profile"))
    picture = read_picture(file)
    with Image.open(file) as image:
        expected = np.rot90(np.array(image.convert("RGB")), -1)
    assert picture.size == (64, 96)
    np.testing.assert_array_equal(picture.turned(picture.pixels), expected)
    deep = picture.turned(picture.pixels.astype(np.uint16) * 257)
    np.testing.assert_array_equal(deep, expected.astype(np.uint16) * 257)
    assert b"maker" in picture.metadata.exif
    assert picture.metadata.icc_profile is None  # that of the inks is none of RGB


def test_black_finer_than_its_colours_is_refused():
    """The colours' own factors alone would leave them half as large as the black."""
    coarse, fine = torch.zeros(2, 2, 8, 8), torch.zeros(4, 4, 8, 8)
    sampling = ((1, 1),) * 3 + ((2, 2),)
    file = Quantised(32, 32, (coarse,) * 3 + (fine,), (torch.ones(8, 8),) * 4, sampling)
    with pytest.raises(RestorationError, match=r"odd\.jpg is a YCCK JPEG with subsampled channels"):
        separated(Contents("YCCK", file, None), Image.new("CMYK", (32, 32)), "odd.jpg")
