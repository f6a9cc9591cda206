"""A time buys work: never less for more, and no more than fits."""

import time
from itertools import pairwise

import pytest
import torch

import restoration
from restoration.budget import (
    FEWEST,
    LONGEST,
    RESERVE,
    START,
    Clock,
    networks_units,
    recipe_for,
    recipe_within,
)
from restoration.commands.restore import main
from restoration.errors import RestorationError
from restoration.jpeg import compress, to_tensor
from restoration.metrics import psnr
from restoration.pipeline import restore_jpeg
from restoration.presets import FAST, Preset
from restoration.support.files import find

SECONDS = [0.1, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 5000]


@pytest.mark.parametrize("size", [(192, 192), (512, 768), (3000, 4000)])
@pytest.mark.parametrize("pace", [1e-6, 5e-6, 3e-5])
def test_more_time_is_more_work_and_all_of_it_fits(size, pace):
    work = []
    for seconds in SECONDS:
        recipe = recipe_within(seconds, pace, *size, FAST)
        units = networks_units(*size, recipe)
        work.append(units)
        if recipe.rounds:
            assert START + units * pace <= RESERVE * seconds
            assert recipe.steps >= FEWEST
            assert recipe.steps <= LONGEST
            assert recipe.rounds == 2 or not recipe.alone
    assert work == sorted(work)
    assert work[0] == 0


@pytest.mark.parametrize("size", [(64, 64), (128, 192), (512, 768), (3000, 4000)])
def test_no_longer_time_is_less_work(size):
    """Wherever a second round begins: the applications alone of a large image take long."""
    recipes = [recipe_within(seconds, 3e-6, *size, FAST) for seconds in range(5, 3000, 5)]
    work = [networks_units(*size, recipe) for recipe in recipes]
    assert work == sorted(work)
    longest = recipes[-1].steps
    assert all(recipe.steps >= longest // 2 for recipe in recipes if recipe.rounds == 2)


@pytest.mark.parametrize("seconds", [60, 100, 400, 600])
def test_the_time_is_used(seconds):
    recipe = recipe_within(seconds, 3e-6, 512, 768, FAST)
    spent = START + networks_units(512, 768, recipe) * 3e-6
    assert 0.95 * RESERVE * seconds < spent <= RESERVE * seconds


def test_much_time_goes_into_rounds_then_into_networks_that_restore_by_themselves():
    recipes = [recipe_within(t, 3e-6, 512, 768, FAST) for t in (40, 120, 140, 400, 9000)]
    assert [recipe.rounds for recipe in recipes] == [1, 2, 2, 2, 2]
    assert [recipe.alone > 0 for recipe in recipes] == [False, False, False, True, True]
    assert [recipe.steps for recipe in recipes[2:]] == [400] * 3
    assert recipes[-1].alone == 10_000


def test_small_images_take_fewer_steps_within_a_time():
    recipes = [recipe_within(t, 3e-6, 128, 192, FAST) for t in (100, 9000)]
    assert [(recipe.steps, recipe.alone > 0) for recipe in recipes] == [(200, False), (200, True)]
    assert recipes[-1].alone == 5000
    assert recipe_within(9000, 3e-6, 63, 900, FAST).rounds == 0


def test_small_images_take_fewer_steps_or_none():
    preset = Preset(rounds=2, steps=400, alone=2000)
    recipes = [recipe_for(*size, preset) for size in [(512, 768), (128, 192), (95, 900), (63, 900)]]
    assert [recipe.rounds for recipe in recipes] == [2, 2, 2, 0]
    assert [recipe.steps for recipe in recipes[:2]] == [400, 200]
    assert [recipe.alone for recipe in recipes[:3]] == [2000, 1000, 0]


def test_a_slow_start_is_not_the_pace(monkeypatch):
    now = iter([0.0, 5.0, 6.0, 7.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    clock = Clock()
    for _ in range(3):
        clock.advance(100)
    assert clock.spent == 7.0
    assert clock.pace == pytest.approx(1.8 * 2 / 200)
    now = iter([0.0, 1.0, 2.0])
    clock = Clock()
    clock.advance(100)
    assert clock.pace == 0.01
    clock.advance(100)
    assert clock.pace == 0.01


def test_the_least_is_what_fast_does(photo):
    jpeg = compress(photo[:96, :96], 10)
    within = restore_jpeg(jpeg, FAST, device="cpu", budget=0.01)
    assert torch.equal(within, restore_jpeg(jpeg, FAST, device="cpu"))


def test_a_preset_and_a_budget_contradict(photo, tmp_path, capsys):
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(RestorationError, match="a preset or a budget"):
        restoration.restore(find_sample(), preset="fast", budget="5s")
    with pytest.raises(RestorationError, match="not both"):
        main([str(tmp_path / "a.jpg"), "--preset", "fast", "--budget", "5s"])
    with pytest.raises(SystemExit):
        main([str(tmp_path / "a.jpg"), "--budget", "soon"])
    assert "'soon' is no duration; give 30s" in capsys.readouterr().err


def find_sample():
    return find("samples/coffee.jpg")


@pytest.mark.slow
def test_more_time_is_more_quality(photo):
    jpeg, truth = compress(photo, 10), to_tensor(photo)
    values = []
    for seconds in (1, 20, 40, 150):
        began = time.monotonic()
        image = restore_jpeg(jpeg, FAST, device="cpu", budget=seconds)
        assert time.monotonic() - began < 1.5 * seconds + 5
        values.append(psnr(image, truth))
    assert all(later > before - 0.02 for before, later in pairwise(values))
    assert values[-1] > values[-2] + 0.1 > values[0] + 0.2
