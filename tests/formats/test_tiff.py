"""TIFF of 16 bits, read back by another library."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from restoration.formats.metadata import Metadata
from restoration.formats.tiff import tiff


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("height", [1, 64, 150])
def test_every_level_comes_back(channels, height):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 2**16, (height, 37, channels), dtype=np.uint16)
    read = tifffile.imread(io.BytesIO(tiff(pixels, Metadata())))
    np.testing.assert_array_equal(read.reshape(pixels.shape), pixels)


def test_what_stands_beside_the_pixels():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[270], exif[271], exif[274] = "a title", "a maker", 6
    metadata = Metadata(icc_profile=profile, exif=exif.tobytes(), xmp=b"<x/>", dpi=(300, 150))
    with tifffile.TiffFile(io.BytesIO(tiff(np.zeros((8, 9, 3), np.uint16), metadata))) as file:
        tags = {tag.code: tag.value for tag in file.pages[0].tags}
    assert tags[34675] == profile
    assert bytes(tags[700]) == b"<x/>"
    assert (tags[270], tags[271]) == ("a title", "a maker")
    assert 274 not in tags  # the picture stands upright
    assert tags[282][0] / tags[282][1] == 300
    assert tags[283][0] / tags[283][1] == 150
