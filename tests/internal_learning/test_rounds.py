"""How a result is composed of what networks say."""

import numpy as np
import pytest
import torch

from restoration import pipeline
from restoration.estimate.passes import first_estimate
from restoration.internal_learning import rounds
from restoration.internal_learning.ensemble import Learned, Member
from restoration.internal_learning.library.applying import restored_within, within_cells
from restoration.jpeg import compress
from restoration.networks.deblocking import DeblockingNetwork
from restoration.presets import BALANCED, FAST, Preset


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


def test_rounds_weigh_more_the_later_and_networks_by_themselves_half(photo, said):
    jpeg = compress(photo[:96, :128], 10)
    recipe = Preset(rounds=2, networks=2, steps=10, alone=7)
    image = pipeline.restore_jpeg(jpeg, recipe, device="cpu")
    estimate = first_estimate(jpeg.quantised)
    # seeds 0 and 1, then 2 and 3 with twice the weight
    corrected = estimate + (0.015 + 2 * 0.035) / 3
    alone = within_cells(corrected, jpeg.quantised) - 0.055  # seeds 4 and 5
    expected = within_cells((corrected + alone) / 2, jpeg.quantised)
    torch.testing.assert_close(image, expected, atol=1e-6, rtol=0)
    first, second, last = said
    assert [x.start for x in first] == [None, None]
    assert [x.start for x in second] == [[0], [1]]
    assert [x.start for x in last] == [None, None]
    share = (96 * 128 / (768 * 512)) ** 0.25
    assert [x.steps for x in (*first, *second)] == [round(10 * share)] * 2 + [2, 2]
    assert [x.steps for x in last] == [round(7 * share)] * 2
    assert {x.scales for x in last} == {(0.6, 1.0)}


def test_with_a_library_networks_by_themselves_go_on_from_it(photo, said):
    jpeg = compress(photo[:96, :128], 10)
    library = DeblockingNetwork((4,), (1,), 2)
    recipe = Preset(rounds=1, steps=10, alone=7, tuning=100)
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
    torch.testing.assert_close(image, within_cells(first - 0.01, jpeg.quantised))


@pytest.mark.parametrize("preset", [FAST, BALANCED])
def test_a_library_is_applied_as_it_is_where_nothing_can_be_learned(photo, said, preset):
    """Without steps; and to pictures too small for windows, whatever the preset."""
    size = 96 if preset is FAST else 80
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
