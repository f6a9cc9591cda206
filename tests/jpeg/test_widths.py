"""Cells wider than a step, of progressive files that were cut: against SciPy and brute force."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn

from restoration.batch import Batch
from restoration.estimate.passes import error_variances
from restoration.jpeg import compress, read_jpeg, to_tensor
from restoration.jpeg.colour import rgb_to_ycbcr
from restoration.jpeg.noise import noise_sigma
from restoration.jpeg.projection import project
from restoration.losses import QuantisationError, QuantisationHinge
from restoration.losses.coefficients import offsets
from restoration.support.files import Content

NET = torch.nn.Identity()


@pytest.fixture(scope="module")
def cut(photo):
    """What is left of 64 x 64 pixels at 4:2:0: cells of 2, 3, 4 and 7 steps."""
    file = io.BytesIO()
    Image.fromarray(photo[:64, :64]).save(file, "JPEG", quality=40, progressive=True)
    data = file.getvalue()
    return read_jpeg(Content(data[: len(data) * 6 // 10], "cut.jpg")).quantised


@pytest.fixture
def image(photo):
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return (to_tensor(photo[:64, :64]) + 0.1 * noise).double()


def brute_force(image, file):
    """Coefficients in steps, block by block: 4:2:0, whole blocks."""
    planes = rgb_to_ycbcr(image)[0].numpy() * 255 - 128
    chroma = [p.reshape(32, 2, 32, 2).mean((1, 3)) for p in planes[1:]]
    return [
        dctn(plane.reshape(len(plane) // 8, 8, -1, 8).swapaxes(1, 2), axes=(2, 3), norm="ortho")
        / table.numpy()
        for plane, table in zip([planes[0], *chroma], file.tables, strict=True)
    ]


@pytest.mark.parametrize("shrink", [1.0, 0.5])
def test_projection_cuts_off_what_is_beyond_each_cell_alone(cut, image, shrink):
    file = cut.to(torch.float64)
    before, after = (brute_force(x, file) for x in (image, project(image, file, shrink)))
    for x, result, q, w in zip(before, after, cut.coefficients, cut.widths, strict=True):
        half, middle = shrink * w.double().numpy() / 2, q.double().numpy()
        assert (np.abs(result - middle) <= half + 1e-9).all()
        np.testing.assert_allclose(result, np.clip(x, middle - half, middle + half), atol=1e-9)


def test_offsets_and_losses_are_in_widths_of_each_cell(cut, image):
    batch = Batch(image, image, cut.to(torch.float64))
    parts = zip(brute_force(image, cut), cut.coefficients, cut.widths, strict=True)
    expected = [(x - q.numpy()) / w.numpy() for x, q, w in parts]
    for u, e in zip(offsets(image, batch), expected, strict=True):
        np.testing.assert_allclose(u[0].numpy(), e, atol=1e-6)
    u = np.concatenate([e.ravel() for e in expected])
    hinge = (np.maximum(np.abs(u) - 0.3, 0) ** 2).mean()
    assert QuantisationHinge(0.6)(image, batch, NET)["loss"].item() == pytest.approx(hinge)
    assert QuantisationError()(image, batch, NET)["loss"].item() == pytest.approx((u**2).mean())


def test_a_part_and_another_type_keep_the_widths(cut):
    part = cut.window(16, 48, 32, 64)
    moved = cut.to(torch.float64)
    for c, w in enumerate(cut.widths):
        size = 16 if c else 8  # pixels of a block
        inside = w[16 // size : 48 // size, 32 // size : 64 // size]
        assert torch.equal(part.widths[c], inside)
        assert part.widths[c].shape == part.coefficients[c].shape
        assert moved.widths[c].dtype == torch.float64
        assert torch.equal(moved.widths[c].float(), w)


def test_the_error_in_wide_cells_of_small_steps_is_that_of_wide_steps(photo):
    """The same file told otherwise: steps a w-th as large, and cells w of them wide."""
    file = compress(photo[:64, :64], 10).quantised
    w = 2.0 ** (torch.arange(64).view(8, 8) % 3)
    told = replace(
        file,
        coefficients=tuple(q * w for q in file.coefficients),
        tables=tuple(t / w for t in file.tables),
        widths=tuple(w.expand_as(q) for q in file.coefficients),
    )
    assert noise_sigma(told) == pytest.approx(noise_sigma(file))
    for one, other in zip(error_variances(told), error_variances(file), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
