"""How a result is composed of what networks say."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from restoration import pipeline
from restoration.estimate.passes import first_estimate
from restoration.estimate.polish import polished
from restoration.internal_learning import rounds
from restoration.internal_learning.ensemble import Learned, Member
from restoration.internal_learning.library.applying import restored_within, within_cells
from restoration.internal_learning.work import recipe_for
from restoration.jpeg import compress
from restoration.jpeg.projection import project
from restoration.networks.deblocking import DeblockingNetwork
from restoration.presets import BALANCED, BEST, FAST, Preset


def polished_within(image, file, count=16):
    """What becomes of the mean of networks."""
    return within_cells(polished(within_cells(image, file), file, count), file)


@pytest.fixture
def said(monkeypatch):
    """Networks that learn nothing: each says its seed, those by themselves with another sign."""
    asked = []

    def optimise(pool, networks, report):
        asked.append(networks)
        signs = [1 if isinstance(x, Member) else -1 for x in networks]
        return [
            Learned(np.full_like(x.estimate, sign * (x.seed + 1) * 0.01), [np.float32(x.seed)])
            for x, sign in zip(networks, signs, strict=True)
        ]

    monkeypatch.setattr(rounds, "optimise", optimise)
    monkeypatch.setattr(pipeline.Pool, "begin", lambda pool: None)
    return asked


def test_rounds_go_on_from_each_other_and_later_ones_count_more(photo, monkeypatch):
    """Three rounds of two networks whose corrections are known, weights 1, 2, 3."""
    jpeg = compress(photo[:64, :96], 10)
    estimate = first_estimate(jpeg.quantised, passes=1)
    corrections, asked = iter([0.01, -0.02, 0.03]), []

    def optimise(pool, members, report):
        asked.append(members)
        level = next(corrections)
        return [
            Learned(np.full_like(m.estimate, level + side), [np.float32([m.seed])])
            for m, side in zip(members, (-0.005, 0.005), strict=True)
        ]

    monkeypatch.setattr(rounds, "optimise", optimise)
    pool = SimpleNamespace(begin=lambda: None)
    preset = Preset(passes=1, rounds=3, networks=2, steps=400)
    image = pipeline.restore_jpeg(jpeg, preset, seed=5, device="cpu", pool=pool)
    mean = (1 * 0.01 - 2 * 0.02 + 3 * 0.03) / 6
    expected = polished_within(estimate + mean, jpeg.quantised)
    torch.testing.assert_close(image, expected, atol=1e-5, rtol=0)
    assert [[m.seed for m in members] for members in asked] == [[5, 6], [7, 8], [9, 10]]
    assert [m.start for m in asked[0]] == [None, None]
    assert [m.start[0].item() for m in asked[1] + asked[2]] == [5, 6, 7, 8]
    first = recipe_for(64, 96, preset).steps
    assert [m.steps for members in asked for m in members] == [first] * 2 + [first // 2] * 4


def test_half_of_the_result_is_of_networks_that_restore_by_themselves(photo, monkeypatch):
    jpeg = compress(photo[:96, :112], 10)
    estimate = first_estimate(jpeg.quantised, passes=1, count=8)
    last = []

    def optimise(pool, networks, report):
        last[:] = networks
        if isinstance(networks[0], Member):
            return [Learned(np.full_like(m.estimate, 0.01), []) for m in networks]
        return [
            Learned(np.full_like(m.estimate, level), [])
            for m, level in zip(networks, (0.01, -0.05), strict=True)
        ]

    monkeypatch.setattr(rounds, "optimise", optimise)
    pool = SimpleNamespace(begin=lambda: None)
    preset = Preset(passes=1, count=8, rounds=1, networks=2, steps=400, alone=1000)
    image = pipeline.restore_jpeg(jpeg, preset, seed=5, device="cpu", pool=pool)
    corrected = within_cells(estimate + 0.01, jpeg.quantised)
    mean = ((estimate + 0.01) + (corrected - 0.02)) / 2
    expected = polished_within(mean, jpeg.quantised, count=8)
    torch.testing.assert_close(image, expected, atol=1e-5, rtol=0)
    assert [m.seed for m in last] == [7, 8]
    np.testing.assert_allclose(last[0].estimate, corrected, atol=1e-5)
    assert last[0].steps == recipe_for(96, 112, preset).alone
    assert {m.scales for m in last} == {(0.6, 1.0)}


def test_with_a_library_networks_by_themselves_go_on_from_it(photo, said):
    jpeg = compress(photo[:96, :128], 10)
    library = DeblockingNetwork((4,), (1,), 2)
    recipe = Preset(passes=1, rounds=1, steps=10, alone=7, tuning=100)
    pipeline.restore_jpeg(jpeg, recipe, device="cpu", library=library)
    ((first,), (last,)) = said
    assert first.start is None
    assert last.start is library
    assert last.steps == round(100 * (96 * 128 / (768 * 512)) ** 0.25)


def test_copies_of_a_first_estimate_are_smaller(photo, said, monkeypatch):
    recipe = Preset(alone=50)
    monkeypatch.setattr(pipeline, "recipe_in", lambda *_: recipe)
    jpeg = compress(photo[:96, :128], 10)
    library = DeblockingNetwork((4,), (1,), 2)
    image = pipeline.restore_jpeg(jpeg, FAST, device="cpu", library=library, budget=9)
    ((last,),) = said
    assert (last.scales, last.steps, last.start) == ((0.4, 0.8), 50, library)
    first = within_cells(first_estimate(jpeg.quantised), jpeg.quantised)
    np.testing.assert_array_equal(last.estimate, first.numpy())
    torch.testing.assert_close(image, polished_within(first - 0.01, jpeg.quantised))


@pytest.mark.parametrize(("preset", "size"), [(FAST, 96), (BALANCED, 80), (BALANCED, 40)])
def test_a_library_is_applied_as_it_is_where_nothing_can_be_learned(photo, said, preset, size):
    """Without steps; and to pictures too small for windows, whatever the preset."""
    jpeg = compress(photo[:size, :128], 10)
    library = DeblockingNetwork((4,), (1,), 2)
    told = []
    image = pipeline.restore_jpeg(
        jpeg, preset, device="cpu", library=library, advance=lambda *x: told.append(x)
    )
    assert torch.equal(image, restored_within(library, jpeg))
    assert not said
    assert sum(done for done, _ in told) == told[0][1]
    image = pipeline.restore_jpeg(jpeg, FAST, device="cpu", library=library, budget=0.1)
    assert torch.equal(image, restored_within(library, jpeg))


def test_the_smallest_pictures_get_the_first_estimate_whatever_the_preset(photo, said):
    jpeg = compress(photo[:40, :128], 10)
    image = pipeline.restore_jpeg(jpeg, BEST, device="cpu")
    expected = project(first_estimate(jpeg.quantised, BEST.passes, BEST.count), jpeg.quantised)
    assert torch.equal(image, expected.clamp(0, 1))
    assert not said
