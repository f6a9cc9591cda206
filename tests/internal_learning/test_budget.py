"""A time buys work: never less for more, and no more than fits."""

import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

import restoration
from restoration import pipeline
from restoration.commands.restore import main
from restoration.errors import RestorationError
from restoration.internal_learning import budget, pace
from restoration.internal_learning.budget import FEWEST, LONGEST, RESERVE, START, Clock, recipe_in
from restoration.internal_learning.work import Pace, networks_work, recipe_for
from restoration.jpeg import compress, to_tensor
from restoration.metrics import psnr
from restoration.networks.deblocking import DeblockingNetwork
from restoration.pipeline import restore_jpeg
from restoration.presets import FAST, Preset
from restoration.support.files import find


def recipe_within(seconds, pace, height, width, preset, library=False):
    """What fits into a time that is left after the first estimate."""
    choose = budget.recipe_with_library if library else budget.recipe_within
    return choose(RESERVE * seconds - START, pace, height, width, preset)


SECONDS = [0.1, 5, 10, 20, 40, 80, 160, 320, 640, 1280, 5000]
PACE = Pace(1e-6, 0.05, 0.15)  # about that of two cores
SWIFT, SLOW = Pace(1e-6, 0.002, 0.003), Pace(3e-6, 0.2, 1.0)


@pytest.mark.parametrize("size", [(192, 192), (512, 768), (3000, 4000)])
@pytest.mark.parametrize("pace", [SWIFT, PACE, SLOW])
def test_more_time_is_more_work_and_all_of_it_fits(size, pace):
    spent = []
    for seconds in SECONDS:
        recipe = recipe_within(seconds, pace, *size, FAST)
        spent.append(networks_work(*size, recipe).seconds(pace))
        if recipe.rounds:
            assert START + spent[-1] <= RESERVE * seconds
            assert recipe.steps >= FEWEST
            assert recipe.steps <= LONGEST
            assert recipe.rounds == 2 or not recipe.alone
    assert spent == sorted(spent)
    assert spent[0] == 0


@pytest.mark.parametrize("size", [(64, 64), (128, 192), (512, 768), (3000, 4000)])
@pytest.mark.parametrize("library", [False, True])
def test_no_longer_time_is_less_work(size, library):
    """Wherever a second round begins: the applications alone of a large image take long."""
    recipes = [recipe_within(s, PACE, *size, FAST, library) for s in range(5, 3000, 5)]
    spent = [networks_work(*size, recipe).seconds(PACE) for recipe in recipes]
    assert spent == sorted(spent) or library
    assert all(START + s <= RESERVE * 5 * (i + 1) for i, s in enumerate(spent) if s)
    longest = recipes[-1].steps
    assert all(recipe.steps >= longest // 2 for recipe in recipes if recipe.rounds == 2)


@pytest.mark.parametrize(
    ("seconds", "library"), [*((s, False) for s in (30, 52, 400, 600)), (30, True), (70, True)]
)
def test_the_time_is_used(seconds, library):
    recipe = recipe_within(seconds, PACE, 512, 768, FAST, library)
    spent = START + networks_work(512, 768, recipe).seconds(PACE)
    assert 0.95 * RESERVE * seconds < spent <= RESERVE * seconds


def test_much_time_goes_into_rounds_then_into_networks_that_restore_by_themselves():
    recipes = [recipe_within(t, PACE, 512, 768, FAST) for t in (30, 52, 70, 400, 9000)]
    assert [recipe.rounds for recipe in recipes] == [1, 2, 2, 2, 2]
    assert [recipe.alone > 0 for recipe in recipes] == [False, False, False, True, True]
    assert [recipe.steps for recipe in recipes[2:]] == [400] * 3
    assert recipes[-1].alone == 10_000


def test_the_network_of_a_library_goes_on_learning_before_others_begin():
    """Other networks once they fit beside the steps that the preset "balanced" gives it."""
    recipes = [recipe_within(t, PACE, 512, 768, FAST, True) for t in (5, 20, 75, 90, 9000)]
    assert [recipe.rounds for recipe in recipes] == [0, 0, 0, 2, 2]
    assert [recipe.steps for recipe in recipes[3:]] == [400] * 2
    alone = [recipe.alone for recipe in recipes]
    assert alone[0] == 0 < alone[1] < alone[2]
    assert 200 <= alone[3] < alone[2]
    assert alone[4] == 400
    assert recipe_within(9000, PACE, 95, 900, FAST, True) == FAST  # too small for windows


def test_small_images_take_fewer_steps_within_a_time():
    recipes = [recipe_within(t, PACE, 128, 192, FAST) for t in (60, 9000)]
    assert [(recipe.steps, recipe.alone > 0) for recipe in recipes] == [(200, False), (200, True)]
    assert recipes[-1].alone == 5000
    assert recipe_within(9000, PACE, 63, 900, FAST).rounds == 0


def test_the_pace_of_networks_counts_and_what_its_measurement_took(monkeypatch):
    """A machine that estimates fast and learns slowly takes fewer steps."""
    now = iter([0.0, 1.0, 1.0, 3.0])  # first estimate: a second; the steps: two
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    monkeypatch.setattr(budget, "correction_pace", lambda device: 0.05)
    monkeypatch.setattr(budget, "deblocking_pace", lambda net, device: 0.15)
    clock = Clock()
    clock.advance(10**6)
    recipe = recipe_in(40, clock, 512, 768, FAST, "cpu", None)
    assert recipe == recipe_within(37, PACE, 512, 768, FAST)
    now = iter([1.0, 3.0])
    longer = recipe_in(40, clock, 512, 768, FAST, "cpu", None, start=0.0)
    assert longer == recipe_within(37 + START / RESERVE, PACE, 512, 768, FAST)
    assert longer.steps > recipe.steps
    now = iter([35.0])  # no time for networks: their pace is not asked
    monkeypatch.setattr(budget, "correction_pace", None)
    assert recipe_in(40, clock, 512, 768, FAST, "cpu", None) == FAST


def test_to_measure_a_pace_leaves_random_numbers_as_they_are():
    net = DeblockingNetwork((4,), (1,), 2)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    pace.correction_pace("cpu")
    pace.deblocking_pace(net, "cpu")
    assert torch.equal(torch.rand(2), expected)


def test_small_images_take_fewer_steps_or_none():
    preset = Preset(rounds=2, steps=400, alone=2000)
    recipes = [recipe_for(*size, preset) for size in [(512, 768), (128, 192), (95, 900), (63, 900)]]
    assert [recipe.rounds for recipe in recipes] == [2, 2, 2, 0]
    assert [recipe.steps for recipe in recipes[:2]] == [400, 200]
    assert [recipe.alone for recipe in recipes] == [2000, 1000, 0, 0]


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


@pytest.mark.parametrize("ready", [False, True])
def test_processes_that_are_kept_take_no_time_to_start(ready, photo, monkeypatch):
    starts = []

    def recipe(*given):
        starts.append(given[-1])
        return FAST

    monkeypatch.setattr(pipeline, "recipe_in", recipe)
    pool = SimpleNamespace(ready=ready)
    restore_jpeg(compress(photo[:96, :96], 10), FAST, device="cpu", budget=9, pool=pool)
    assert starts == [0 if ready else START]


def test_progress_before_the_plan_follows_the_time(photo, monkeypatch):
    """It would be at its end after the estimate, and begin anew."""
    monkeypatch.setattr(pipeline, "recipe_in", lambda *_: FAST)
    told = []
    jpeg = compress(photo[:128, :128], 10)
    restore_jpeg(
        jpeg,
        FAST,
        device="cpu",
        budget=3600,
        advance=lambda units, total: told.append((units, total, time.monotonic())),
    )
    done = 0
    for units, total, _ in told:
        done += units
        assert done / total < 0.05  # of an hour
    began, ended = told[0][2], told[-1][2]
    assert done / told[-1][1] >= (ended - began) / 3600


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
    # what fits into those between depends on the machine
    assert values[-1] > values[0] + 0.5
