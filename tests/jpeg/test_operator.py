"""The JPEG operator and the projection, against libjpeg's files, adjoints and brute force."""

import io

import jpeglib
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn

from restoration.estimate.rejpeg import shifted_jpeg
from restoration.jpeg import CompressedImage, Quantised, read_jpeg, to_tensor
from restoration.jpeg.colour import rgb_to_ycbcr
from restoration.jpeg.operator import block_dct, block_idct
from restoration.jpeg.projection import project
from restoration.metrics import psnr

MODES = ["4:4:4", "4:2:2", "4:2:0", "4:4:0", "4:1:1", "grey"]


def jpeg_of(pixels: np.ndarray, mode: str, quality: int, folder) -> CompressedImage:
    """Compress with Pillow; 4:4:0 is the transpose of a 4:2:2 file."""
    if mode == "4:4:0":
        turned = jpeg_of(pixels.transpose(1, 0, 2), "4:2:2", quality, folder)
        file = turned.quantised
        quantised = Quantised(
            file.width,
            file.height,
            coefficients=tuple(q.transpose(0, 1).mT.contiguous() for q in file.coefficients),
            tables=tuple(t.T.contiguous() for t in file.tables),
            sampling=tuple((h, v) for v, h in file.sampling),
        )
        return CompressedImage(turned.pixels.transpose(1, 0, 2), quantised)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    path = folder / "image.jpg"
    if mode == "grey":
        image.convert("L").save(path, quality=quality)
    elif mode == "4:1:1":  # which Pillow takes for 4:2:0
        file = jpeglib.from_spatial(np.ascontiguousarray(pixels))
        file.samp_factor = mode
        file.write_spatial(path, qt=quality)
    else:
        image.save(path, quality=quality, subsampling=mode)
    return read_jpeg(path)


def double(jpeg: CompressedImage) -> Quantised:
    return jpeg.quantised.to(torch.float64)


def truth_of(pixels: np.ndarray, mode: str) -> torch.Tensor:
    if mode == "grey":
        pixels = np.array(Image.fromarray(pixels).convert("L"))[..., None]
    return to_tensor(np.ascontiguousarray(pixels)).double()


def in_steps(image, jpeg):
    """Unquantised coefficients of an image in quantisation steps, and the file's."""
    file = double(jpeg)
    encoded = file.operator.encode(image)
    return [
        ((e[0] / t).flatten(), q.flatten())
        for e, t, q in zip(encoded, file.tables, file.coefficients, strict=True)
    ]


def test_dct_is_scipys():
    plane = torch.rand(1, 24, 40, dtype=torch.double)
    result = block_dct(plane)
    for r in range(3):
        for c in range(5):
            block = plane[0, 8 * r : 8 * r + 8, 8 * c : 8 * c + 8]
            np.testing.assert_allclose(result[0, r, c], dctn(block.numpy(), norm="ortho"))
    torch.testing.assert_close(block_idct(result), plane)


@pytest.mark.parametrize("size", [(192, 192), (187, 181), (33, 50)])
@pytest.mark.parametrize("mode", MODES)
def test_encoding_rounds_to_the_files_coefficients(photo, tmp_path, mode, size):
    """libjpeg rounds colours and means to integers on the way, which turns a few coefficients."""
    pixels = photo[: size[0], : size[1]]
    jpeg = jpeg_of(pixels, mode, 10, tmp_path)
    pairs = in_steps(truth_of(pixels, mode), jpeg)
    wrong = np.mean([(x.round() != q).float().mean().item() for x, q in pairs])
    outside = np.mean([((x - q).abs() > 0.5).float().mean().item() for x, q in pairs])
    assert wrong < 0.001
    assert outside < 0.001
    assert max((x - q).abs().max().item() for x, q in pairs) < 0.6


@pytest.mark.parametrize("mode", MODES)
def test_decoding_is_pillows_but_for_rounding(photo, tmp_path, mode):
    muted = photo[:187, :181] // 2 + 64  # libjpeg clamps between its stages, the operator does not
    jpeg = jpeg_of(muted, mode, 10, tmp_path)
    difference = (
        jpeg.quantised.decode() - to_tensor(np.ascontiguousarray(jpeg.pixels))
    ).abs() * 255
    assert difference.mean() < 0.6
    assert difference.max() < 4


@pytest.mark.parametrize("shrink", [1.0, 0.6])
@pytest.mark.parametrize("mode", MODES)
def test_projection_reaches_the_set_and_stays(photo, tmp_path, mode, shrink):
    jpeg = jpeg_of(photo, mode, 10, tmp_path)
    image = (truth_of(photo, mode) + 0.1 * torch.randn(1, 1, 192, 192)).clamp(0, 1)
    projected = project(image, double(jpeg), shrink)
    for x, q in in_steps(projected, jpeg):
        assert (x - q).abs().max() <= shrink / 2 + 1e-9
    torch.testing.assert_close(project(projected, double(jpeg), shrink), projected)


def ycbcr_distance(a, b):
    if a.shape[1] == 3:
        a, b = rgb_to_ycbcr(a), rgb_to_ycbcr(b)
    return (a - b).square().sum().item()


@pytest.mark.parametrize("mode", MODES)
def test_projection_nears_every_image_of_the_set(photo, tmp_path, mode):
    """Pythagoras for convex sets: |x - s|^2 >= |x - Px|^2 + |Px - s|^2 for s in the set."""
    torch.manual_seed(0)
    jpeg = jpeg_of(photo, mode, 10, tmp_path)
    truth = truth_of(photo, mode)
    for _ in range(5):
        inside = project(truth + 0.2 * torch.randn_like(truth), double(jpeg), 1.0)
        x = truth + 0.1 * torch.randn_like(truth)
        nearest = project(x, double(jpeg), 1.0)
        assert ycbcr_distance(x, inside) + 1e-9 >= (
            ycbcr_distance(x, nearest) + ycbcr_distance(nearest, inside)
        )


@pytest.mark.parametrize("mode", MODES)
def test_projection_of_sizes_that_fill_no_block(photo, tmp_path, mode):
    pixels = photo[:187, :181]
    jpeg = jpeg_of(pixels, mode, 10, tmp_path)
    truth = truth_of(pixels, mode)
    image = truth + 0.1 * torch.randn(1, 1, 187, 181)
    projected = project(image, double(jpeg), 1.0)
    before, after = (
        np.mean([((x - q).abs() > 0.501).double().mean().item() for x, q in in_steps(i, jpeg)])
        for i in (image, projected)
    )
    assert after < 0.05 * before
    assert ycbcr_distance(projected, truth) < ycbcr_distance(image, truth)


def test_projecting_the_jpeg_itself_changes_next_to_nothing(photo, tmp_path):
    jpeg = jpeg_of(photo, "4:4:4", 10, tmp_path)
    image = to_tensor(jpeg.pixels).double()
    assert (
        project(image, double(jpeg), 1.0) - image
    ).abs().max() * 255 < 16  # saturated pixels only
    assert (project(image, double(jpeg), 1.0) - image).abs().mean() * 255 < 0.05


@pytest.mark.parametrize("quality", [10, 25])
def test_re_application_beats_the_jpeg(photo, tmp_path, quality):
    jpeg = jpeg_of(photo, "4:2:0", quality, tmp_path)
    truth = to_tensor(photo)
    base = psnr(to_tensor(jpeg.pixels), truth)
    assert psnr(shifted_jpeg(jpeg), truth) > base + 0.3


def test_one_shift_is_one_recompression(photo, tmp_path):
    jpeg = jpeg_of(photo, "4:2:0", 10, tmp_path)
    file = io.BytesIO()
    Image.fromarray(jpeg.pixels).save(file, format="JPEG", quality=10)
    with Image.open(file) as image:
        expected = to_tensor(np.array(image))
    # the last row and column have neighbours from the padding, which upsampling blends in
    torch.testing.assert_close(shifted_jpeg(jpeg, step=16)[..., :-1, :-1], expected[..., :-1, :-1])
