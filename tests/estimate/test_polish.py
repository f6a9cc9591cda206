"""The last pass over what networks made of a file."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from restoration.estimate import polish
from restoration.estimate.chroma import chroma_from_luma
from restoration.estimate.collaborative import collaborative_filter, grouped
from restoration.estimate.passes import error_variances
from restoration.estimate.polish import polished
from restoration.jpeg import compress, to_tensor
from restoration.metrics import chroma_psnr, psnr


def noisy(photo, quality=10):
    """A photograph's file, and the photograph with as much noise as is expected of networks."""
    file = compress(photo, quality).quantised
    truth = to_tensor(photo)
    planes = file.operator.planes(truth)
    noise = torch.randn(planes.shape, generator=torch.Generator().manual_seed(0))
    for c, variance in enumerate(error_variances(file)):
        planes[:, c] += 0.35 * variance.mean().sqrt() * noise[:, c]
    return file, truth, file.operator.image(planes)


@pytest.mark.parametrize(("quality", "least"), [(10, 2.0), (25, 1.5), (50, 1.0)])
def test_noise_of_the_deviation_expected_falls(photo, quality, least):
    file, truth, image = noisy(photo, quality)
    after = polished(image, file)
    assert psnr(after, truth) - psnr(image, truth) > least
    assert chroma_psnr(after, truth) - chroma_psnr(image, truth) > least


def test_spectra_are_attenuated_by_their_own_power_and_chroma_follows_luma(photo):
    """All composed anew; 61 columns, which end within a block and between two groups."""
    file, _, image = noisy(photo[:48, :61])
    variances, planes = error_variances(file), file.operator.planes(image)
    groups = grouped(planes, variances, 5, 20, 16)
    own = groups.padded(planes)
    luma_edges = collaborative_filter(own, groups.positions, groups.variances, 0.35, own)
    luma_edges = luma_edges[None, :, :48, :61].clone()
    predicted = chroma_from_luma(luma_edges)
    for c in (1, 2):
        error = 0.05 * variances[c].mean().item()
        share = error / (error + predicted.residual[:, c - 1])
        luma_edges[:, c] += share * (predicted.chroma[:, c - 1] - luma_edges[:, c])
    torch.testing.assert_close(polished(image, file), file.operator.image(luma_edges))


def test_large_images_in_parts_are_the_same(photo, monkeypatch):
    """Parts begin with the blocks, and with the grid of groups if it is a multiple of both."""
    file, _, image = noisy(photo)
    whole = polished(image, file)
    monkeypatch.setattr(polish, "SIDE", 96)
    parts = polished(image, file)
    assert psnr(parts, whole) > 50


def test_a_file_of_wide_cells_is_polished_as_its_widths_say(photo):
    """Twice the width is twice the step; and what is given is left as it is."""
    file, _, image = noisy(photo[:48, :64])
    halved = replace(
        file,
        coefficients=tuple(q * 2 for q in file.coefficients),
        tables=tuple(t / 2 for t in file.tables),
        widths=tuple(torch.full_like(q, 2.0) for q in file.coefficients),
    )
    before = image.clone()
    torch.testing.assert_close(polished(image, halved), polished(image, file))
    assert torch.equal(image, before)


def test_a_grey_image_has_no_chroma_to_lead(photo):
    file, _, image = noisy(photo[:64, :64, :1])
    after = polished(image, file)
    assert after.shape == (1, 1, 64, 64)
    assert not torch.equal(after, image)


def test_a_flat_image_stays_flat():
    file = compress(np.full((32, 32, 3), 200, np.uint8), 10).quantised
    flat = torch.full((1, 3, 32, 32), 200 / 255)
    torch.testing.assert_close(polished(flat, file), flat)
