"""The restoration without a network: each step against a reference written out here."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.fft import dctn, idctn

from restoration.batch import Batch
from restoration.estimate import collaborative, passes
from restoration.estimate.chroma import box_mean, chroma_from_luma, window_sum
from restoration.estimate.collaborative import (
    collaborative_filter,
    group_variances,
    match_patches,
)
from restoration.estimate.passes import first_estimate
from restoration.estimate.total_variation import total_variation, variation_gradient
from restoration.jpeg import compress, read_jpeg, to_tensor
from restoration.jpeg.noise import patch_variances
from restoration.jpeg.operator import block_idct
from restoration.jpeg.projection import project
from restoration.losses.coefficients import offsets
from restoration.metrics import chroma_psnr, psnr
from restoration.pipeline import restore_jpeg
from restoration.presets import FAST
from restoration.support.files import find


def variation(planes, weights, softness):
    x = planes * weights
    dx = F.pad(x[..., 1:] - x[..., :-1], (0, 1))
    dy = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    return (dx.square().sum(1) + dy.square().sum(1) + softness**2).sqrt().sum()


def test_the_gradient_of_total_variation_is_that_of_autograd():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 7, 9, generator=generator, dtype=torch.float64) * 20
    weights = torch.tensor([1.0, 0.5, 0.3], dtype=torch.float64).view(1, 3, 1, 1)
    expected = torch.func.grad(lambda p: variation(p, weights, 2.0))(x)
    torch.testing.assert_close(variation_gradient(x, weights, 2.0), expected)


def test_total_variation_falls_inside_the_cells(photo):
    jpeg = compress(photo, 10)
    image, operator = total_variation(jpeg.quantised), jpeg.quantised.operator
    weights = torch.tensor([1.0, 0.5, 0.5]).view(1, 3, 1, 1)
    before, after = (
        variation(operator.planes(x), weights, 1.0).item() for x in (to_tensor(jpeg.pixels), image)
    )
    assert after < 0.8 * before
    batch = Batch(image, image, jpeg.quantised)
    outside = torch.cat([(u.abs() > 0.31).flatten() for u in offsets(image, batch)])
    assert outside.float().mean() < 0.01  # where the result was clamped to [0, 1]


def test_a_flat_image_stays_flat():
    flat = np.full((32, 32, 3), 200, np.uint8)
    jpeg = compress(flat, 10)
    torch.testing.assert_close(
        first_estimate(jpeg.quantised), to_tensor(jpeg.pixels), atol=1.5 / 255, rtol=0
    )


def test_matches_are_the_nearest_patches_by_brute_force():
    plane = torch.randn(8 + 5 * 3, 8 + 5 * 4, generator=torch.Generator().manual_seed(1))
    H, W = plane.shape
    radius, count = 6, 5
    groups = match_patches(plane, 5, radius, count)
    number = 0
    for y in range(0, H - 7, 5):
        for x in range(0, W - 7, 5):
            own = plane[y : y + 8, x : x + 8]
            distances = {}
            for v in range(max(y - radius, 0), min(y + radius, H - 8) + 1):
                for u in range(max(x - radius, 0), min(x + radius, W - 8) + 1):
                    distance = (plane[v : v + 8, u : u + 8] - own).square().mean().item()
                    distances[v * W + u] = distance
            expected = sorted(distances, key=distances.__getitem__)[:count]
            assert groups[number].tolist() == expected
            number += 1
    assert number == len(groups)


@pytest.mark.parametrize("piloted", [False, True])
def test_the_filter_is_the_written_out_one(piloted):
    """Each group transformed by SciPy, attenuated, put back pixel by pixel."""
    generator = torch.Generator().manual_seed(2)
    planes, pilot = torch.randn(2, 2, 18, 23, generator=generator, dtype=torch.float64) * 10
    groups = match_patches(planes[0], 5, 4, 4)
    variances = [
        torch.rand(*phases, 8, 8, generator=generator, dtype=torch.float64) * 20
        for phases in ((8, 8), (16, 8))
    ]
    strength = 0.7
    window = np.outer(np.kaiser(8, 2.0), np.kaiser(8, 2.0))
    for c, by_phase in enumerate(variances):
        plane = planes[c].numpy()
        total, norm = np.zeros_like(plane), np.zeros_like(plane)
        for group in groups.tolist():
            corners = [divmod(position, 23) for position in group]
            phases = [by_phase[y % len(by_phase), x % 8].numpy() for y, x in corners]
            variance = strength**2 * np.mean(phases, 0)
            spectrum, other = (
                dctn(np.stack([p[y : y + 8, x : x + 8] for y, x in corners]), norm="ortho")
                for p in (plane, pilot[c].numpy())
            )
            if piloted:
                gain = other**2 / (other**2 + variance)
            else:
                gain = np.abs(spectrum) > 2.7 * np.sqrt(variance)
                gain[0, 0, 0] = True
            weight = 1 / max((gain**2 * variance).sum(), variance[0, 0])
            patches = idctn(gain * spectrum, norm="ortho")
            for (y, x), patch in zip(corners, patches, strict=True):
                total[y : y + 8, x : x + 8] += weight * window * patch
                norm[y : y + 8, x : x + 8] += weight * window
        errors = [group_variances(groups, by_phase, 23) for by_phase in variances]
        result = collaborative_filter(planes, groups, errors, strength, pilot if piloted else None)
        np.testing.assert_allclose(result[c].numpy(), total / norm, atol=1e-10)


def test_the_error_of_patches_is_that_of_simulated_blocks():
    """Coefficients uniform in cells of known width, transformed as patches at every phase."""
    table = torch.from_numpy(np.random.default_rng(5).uniform(1, 30, (8, 8))).double()
    signs = torch.randn(40, 40, 8, 8, generator=torch.Generator().manual_seed(5)).sign()
    coefficients = signs * 100  # far from zero: the error is uniform at all frequencies
    for ratio in ((1, 1), (2, 1)):
        expected = patch_variances(coefficients.double(), table, ratio)
        generator = torch.Generator().manual_seed(6)
        error = torch.rand(1, 40, 40, 8, 8, generator=generator, dtype=torch.float64) - 0.5
        plane = block_idct(error * table)[0]
        plane = plane.repeat_interleave(ratio[0], 0).repeat_interleave(ratio[1], 1).numpy()
        mean = (table**2).mean().item() / 12
        for y, x in ((0, 0), (3, 5), (8 * ratio[0] - 1, 2)):
            cut = plane[y:, x:]
            rows, columns = cut.shape[0] // (8 * ratio[0]), cut.shape[1] // (8 * ratio[1])
            patches = np.stack(
                [
                    cut[8 * ratio[0] * i :, 8 * ratio[1] * j :][:8, :8]
                    for i in range(rows)
                    for j in range(columns)
                ]
            )
            measured = (dctn(patches, axes=(1, 2), norm="ortho") ** 2).mean(0)
            # the mean of 1,500 squares of a uniform value is off by 2.3 % at one standard error
            np.testing.assert_allclose(
                2 * expected[y, x].numpy() - mean, measured, rtol=0.15, atol=0.02 * mean
            )


def test_a_grey_plane_of_zeros_stays_one():
    planes = torch.zeros(1, 18, 23)
    groups = match_patches(planes[0], 5, 4, 4)
    result = collaborative_filter(planes, groups, [torch.ones(len(groups), 64)], 1.0, pilot=planes)
    assert torch.equal(result, planes)


def test_no_coefficient_is_taken_for_certain():
    """Repeated chroma samples hold nothing at some frequencies; 0 / 0 was the result there."""
    q = torch.zeros(4, 4, 8, 8)
    assert patch_variances(q, torch.full((8, 8), 10.0), (2, 2)).min() > 0


def test_box_mean_is_the_mean_of_repeated_edges():
    x = torch.randn(1, 1, 9, 11, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    padded = np.pad(x[0, 0].numpy(), 2, mode="edge")
    expected = [[padded[i : i + 5, j : j + 5].mean() for j in range(11)] for i in range(9)]
    np.testing.assert_allclose(box_mean(x, 2)[0, 0], expected)


@pytest.mark.parametrize("size", [1, 2, 3, 9, 16, 17])
def test_window_sums_are_those_of_every_window(size):
    x = torch.rand(1, 2, 20, 23, dtype=torch.float64)
    for axis in (2, 3):
        expected = x.unfold(axis, size, 1).sum(-1)
        torch.testing.assert_close(window_sum(x, size, axis), expected)


def test_windows_that_explain_more_count_more():
    """Here chroma follows luma over a few pixels only: large windows mix what does not belong."""
    generator = torch.Generator().manual_seed(0)
    luma = 30 * torch.randn(1, 1, 48, 60, generator=generator)
    slopes = torch.where(torch.arange(60) // 12 % 2 == 0, 0.5, -0.5)
    planes = torch.cat([luma, slopes * luma, -slopes * luma], 1)
    radii, epsilon = (2, 5, 11), 5.0
    alone = [chroma_from_luma(planes, [radius], epsilon) for radius in radii]
    shares = torch.stack([1 / (p.residual + epsilon) ** 2 for p in alone])
    together = chroma_from_luma(planes, radii, epsilon)
    for name in ("chroma", "residual"):
        values = torch.stack([getattr(p, name) for p in alone])
        expected = (shares * values).sum(0) / shares.sum(0)
        torch.testing.assert_close(getattr(together, name), expected)
    errors = [(p.chroma - planes[:, 1:]).square().mean() for p in (*alone, together)]
    assert errors[3] < errors[1]  # beside the smallest alone
    mean = sum(p.chroma for p in alone) / 3
    assert errors[3] < 0.1 * (mean - planes[:, 1:]).square().mean()


def test_chroma_that_follows_luma_is_predicted_exactly_and_noise_is_not_followed():
    generator = torch.Generator().manual_seed(4)
    luma = torch.randn(1, 1, 48, 48, generator=generator, dtype=torch.float64) * 40
    linear = torch.cat([luma, 0.7 * luma + 3, -0.2 * luma], 1)
    predicted, residual = chroma_from_luma(linear)
    # e = 5 levels^2 beside a variance of 1600 draws slopes down by 0.3 %
    assert (predicted - linear[:, 1:]).abs().max() < 1
    noisy = linear + torch.randn(linear.shape, generator=generator, dtype=torch.float64) * 8
    noisy[:, :1] = luma
    assert residual.max() < 3  # what those slopes leave
    followed, residual = chroma_from_luma(noisy)
    errors = [(x - linear[:, 1:]).square().mean() for x in (followed, noisy[:, 1:])]
    assert errors[0] < errors[1] / 10
    # the noise's variance of 64, less what a line through each window explains of it
    assert residual.mean() == pytest.approx(64, rel=0.1)


ROWS, COLUMNS = np.mgrid[:96, :96]


def colours(chroma: np.ndarray) -> np.ndarray:
    """Turn Cb and Cr of one brightness, which so tells nothing of them, into RGB."""
    planes = np.concatenate([np.full_like(chroma[..., :1], 128), chroma], 2).astype(np.uint8)
    return np.array(Image.fromarray(planes, "YCbCr").convert("RGB"))


def squares() -> np.ndarray:
    """Random squares of 8 pixels, which lie across the file's blocks."""
    chroma = np.random.default_rng(6).integers(40, 216, (14, 14, 2))
    return chroma.repeat(8, 0).repeat(8, 1)[3:99, 5:101]


PATTERNS = {
    "squares of colours": colours(squares()),
    "waves of colours": colours(
        128 + 60 * np.sin(np.dstack([COLUMNS / 3.1 + ROWS / 5.3, ROWS / 3.7 - COLUMNS / 9]))
    ),
    "rings": (128 + 90 * np.cos((COLUMNS**2 + ROWS**2) / 120)).astype(np.uint8)[..., None],
}


@pytest.mark.parametrize("quality", [50, 90])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_the_file_knows_well_is_not_given_up(pattern, quality):
    """For what luma would say of chroma, or total variation of fine patterns."""
    jpeg, truth = compress(PATTERNS[pattern], quality), to_tensor(PATTERNS[pattern])
    restored = project(first_estimate(jpeg.quantised), jpeg.quantised).clamp(0, 1)
    assert psnr(restored, truth) > psnr(to_tensor(jpeg.pixels), truth) + 0.2


@pytest.mark.parametrize(("quality", "gain"), [(10, 1.5), (25, 1.2)])
def test_the_estimate_beats_the_jpeg(photo, quality, gain):
    jpeg, truth = compress(photo, quality), to_tensor(photo)
    pixels, estimate = to_tensor(jpeg.pixels), first_estimate(jpeg.quantised)
    assert psnr(estimate, truth) - psnr(pixels, truth) > gain
    assert chroma_psnr(estimate, truth) - chroma_psnr(pixels, truth) > gain


@pytest.mark.parametrize(("number", "count", "thresholding"), [(3, 16, 1), (4, 32, 1), (8, 5, 2)])
def test_passes_grow_weaker_by_equal_ratios(photo, monkeypatch, number, count, thresholding):
    """Groups are as large as asked for; behind the first quarter each pass guides the next one."""
    strengths, pilots, results = [], [], []

    def filtered(planes, groups, errors, strength, pilot):
        assert groups.shape[1] == count
        strengths.append(strength)
        pilots.append(pilot)
        results.append(collaborative_filter(planes, groups, errors, strength, pilot))
        return results[-1]

    monkeypatch.setattr(passes, "collaborative_filter", filtered)
    first_estimate(compress(photo[:32, :48], 10).quantised, number, count)
    np.testing.assert_allclose(strengths, np.geomspace(1.2, 0.35, number))
    assert pilots[:thresholding] == [None] * thresholding
    before = results[thresholding - 1 : -1]
    for pilot, result in zip(pilots[thresholding:], before, strict=True):
        assert pilot is result


def test_the_sample_gains_what_it_did(photo):
    """A tenth of a decibel less would be seen nowhere else."""
    jpeg, truth = read_jpeg(find("samples/coffee.jpg")), to_tensor(photo)
    restored = restore_jpeg(jpeg, FAST, device="cpu")
    gain = psnr(restored, truth) - psnr(to_tensor(jpeg.pixels), truth)
    assert gain.item() == pytest.approx(1.77, abs=0.05)


def test_how_much_is_done_at_a_time_changes_no_bit_but_by_the_order_of_sums(photo, monkeypatch):
    file = compress(photo[:100, :90], 10).quantised
    usual = first_estimate(file)
    monkeypatch.setattr(collaborative, "portion", lambda device: collaborative.Portion(64, 2**14))
    at_once = first_estimate(file)
    monkeypatch.setattr(collaborative, "portion", lambda device: collaborative.Portion(3, 7))
    for other in (at_once, first_estimate(file)):
        torch.testing.assert_close(other, usual, rtol=0, atol=2e-5)
