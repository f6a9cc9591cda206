"""What of many runs a report shows."""

from types import SimpleNamespace

from restoration.experiments.report.composition import plain, sheets
from restoration.experiments.results import Configuration


def run(image, network="low", quality=10, loss="mse", skips=True):
    weight = None if loss in ("mse", "sure") else 10
    return SimpleNamespace(
        image=image, configuration=Configuration(quality, network, skips, loss, weight, None)
    )


def test_one_image_is_shown_by_its_first_run_of_each_network_and_quality():
    runs = [
        run("b", loss="kl_q_mse"),
        *(first := [run("b", "medium"), run("b", quality=25)]),
        run("a"),
        run("b", quality=25),
        *(second := [run("b")]),
        run("b", "high", skips=False),
    ]
    assert sheets(runs) == [*second, first[1], first[0]]


def test_runs_of_mse_with_skips_are_shown_or_what_there_is():
    shown = [run("a"), run("b")]
    assert plain([run("a", loss="sure"), *shown, run("a", skips=False)]) == shown
    others = [run("a", loss="sure"), run("b", skips=False)]
    assert plain(others) == others
