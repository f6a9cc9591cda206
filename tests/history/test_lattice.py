"""Evidence for a lattice, against SciPy's distributions and simulated coefficients."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from restoration.history.lattice import (
    FINEST,
    OUTLIERS,
    RATIO,
    cell_evidence,
    histograms,
    lattice_evidence,
    log_ratio,
)


@pytest.mark.parametrize(("step", "sigma"), [(10.0, 1.0), (16.0, 4.0), (55.0, 11.0)])
def test_the_ratio_is_that_of_normal_densities_about_the_lattice(step, sigma):
    x = np.linspace(0, 200, 501)
    lattice = step * np.arange(-20, 40)
    density = stats.norm.pdf(x[:, None], lattice, sigma).sum(1) * step
    expected = np.log((1 - OUTLIERS) * density + OUTLIERS)
    found = log_ratio(torch.from_numpy(x), torch.tensor(step), sigma)
    assert np.allclose(found, expected, atol=1e-3)


def test_histograms_count_magnitudes():
    x = torch.tensor([[-3.4, 1e4], [3.0, 0.2], [2.6, -0.6]])
    counts = histograms(x)
    assert counts.shape == (2, 1100)
    assert counts[0, 3] == 3
    assert counts[1, [0, 1, 1099]].tolist() == [1, 1, 1]
    assert counts.sum() == 6


def laplacian(scale: float, number: int, seed: int = 0) -> np.ndarray:
    return stats.laplace.rvs(scale=scale, size=number, random_state=seed)


def test_the_true_step_has_the_most_evidence_and_as_much_as_is_expected():
    c = np.round(laplacian(60, 4000) / 23) * 23 + stats.norm.rvs(scale=2, size=4000, random_state=1)
    evidence = lattice_evidence(
        histograms(torch.from_numpy(c)[:, None].float()), torch.tensor([2.0])
    )
    assert evidence.found[0].argmax() + 1 == 23
    assert float(evidence.found[0, 22] / evidence.expected[0, 22]) == pytest.approx(
        1, abs=0.15
    )  # levels of sigma are apart by 1.4


def test_evidence_is_the_sum_over_coefficients_that_say_something():
    """Of frequencies whose deviations differ, coefficient by coefficient and step by step."""
    scales, sigma = (3.0, 40.0, 200.0), torch.tensor([0.5, 1.0, 6.0])
    c = np.stack([laplacian(scale, 40, seed) for seed, scale in enumerate(scales)], 1)
    evidence = lattice_evidence(histograms(torch.from_numpy(c).float()), sigma)
    places = torch.linspace(-0.5, 0.5, 65, dtype=torch.float64)[:-1]
    for f, deviation in enumerate(sigma.tolist()):
        s = math.hypot(RATIO ** round(math.log(deviation, RATIO)), 0.29)
        for step in (1, 2, 7, 30, 255):
            t, m = torch.tensor(float(step)).double(), np.floor(np.abs(c[:, f]) + 0.5)
            counting = torch.from_numpy(m[(m >= step / 2) & (step > FINEST * s)])
            ratios = log_ratio(places * t, t, s)
            found = float(log_ratio(counting, t, s).sum())
            expected = len(counting) * float((ratios * ratios.exp()).mean())
            assert float(evidence.found[f, step - 1]) == pytest.approx(found, abs=1e-3)
            assert float(evidence.expected[f, step - 1]) == pytest.approx(expected, abs=1e-3)


def test_smooth_coefficients_speak_against_every_step():
    c = torch.from_numpy(laplacian(60, 4000))[:, None].float()
    assert lattice_evidence(histograms(c), torch.tensor([1.0])).found.max() <= 0


def twice(first: float | None, second: float, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Integers of 64 frequencies and 1600 blocks, quantised twice in place, or once."""
    c = laplacian(scale, 1600 * 64).reshape(40, 40, 8, 8)
    if first is not None:
        c = np.round(c / first) * first + stats.norm.rvs(scale=0.3, size=c.shape, random_state=2)
    return torch.from_numpy(np.round(c / second)).float(), torch.full((8, 8), second)


@pytest.mark.parametrize(("first", "second"), [(40.0, 7.0), (25.0, 20.0), (12.0, 5.0)])
def test_integers_quantised_twice_tell_the_first_step(first, second):
    evidence = cell_evidence(*twice(first, second, 30.0), torch.full((64,), 0.3))
    place = evidence.likelihood[1:].sum(0).argmax()
    assert abs(int(place) + 1 - first) <= 1  # neighbours can leave the same integers
    assert evidence.found[1:, int(first) - 1].sum() > 1000


def test_integers_quantised_once_tell_nothing():
    evidence = cell_evidence(*twice(None, 9.0, 30.0), torch.full((64,), 0.3))
    assert evidence.found[1:].sum(0).max() < 30
