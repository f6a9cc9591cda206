"""What a sweep would take, told before it begins."""

from pathlib import Path

import pytest
import yaml
from torch import nn

from restoration.__main__ import main
from restoration.errors import RestorationError
from restoration.experiments import timing
from restoration.experiments.engines.running import attempt
from restoration.experiments.sweep import sweep
from tests.experiments.grids import InProcess, grid, runs

pytestmark = pytest.mark.usefixtures("folder")


def test_a_dry_run_lists_and_estimates_and_runs_nothing(monkeypatch, capsys):
    monkeypatch.setattr(timing, "seconds_per_pixel", lambda model: 1e-3)
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(seeds=[0, 1]))))
    command = ["sweep", "grid.yaml", "--output", "runs", "--workers", "2", "--dry-run"]
    assert main(command) == 0
    out = capsys.readouterr().out
    for run in runs(seeds=[0, 1]):
        assert str(run.folder) in out
    # 2 runs x 6 steps x 32 x 32 pixels x 1 ms / 2 workers
    assert "2 runs, about 6 s with 2 at a time" in out
    assert main([*command, "--set", "set.data.crop=16", "--set", "set.trainer.max_steps=96"]) == 0
    assert "2 runs, about 25 s with 2 at a time" in capsys.readouterr().out
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"trainer": {"max_steps": None}}, "trainer.max_steps is None"),
        ({"trainer": {"max_steps": -1}}, "trainer.max_steps is -1"),
        ({"data": {"crop": "large"}}, "data.crop is large: an integer is wanted"),
        ({"model": 3}, "model must hold settings, not 3"),
        ({"model": {"loss": {"init_args": {"no": 1}}}}, "the model of the runs"),
    ],
)
def test_what_cannot_be_estimated_is_one_line(settings, told, capsys):
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(set=settings))))
    assert main(["sweep", "grid.yaml", "--output", "runs", "--dry-run"]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_step_that_fails_is_one_line(monkeypatch):
    def fail(*_):
        raise IndexError("too few\nrows")

    monkeypatch.setattr(timing, "scored", fail)
    with pytest.raises(RestorationError, match="cannot be timed: IndexError too few rows"):
        timing.seconds_per_pixel(runs(losses=["mse"])[0].config["model"])


def test_a_step_is_timed_for_what_it_is():
    """A plain step costs something; SURE, which evaluates the network twice, about twice that."""
    plain, sure = (runs(losses=[loss])[0].config["model"] for loss in ("mse", "sure"))
    times = [min(timing.seconds_per_pixel(model) for _ in range(2)) for model in (plain, sure)]
    assert 1.2 < times[1] / times[0] < 4


class Plain(nn.Sequential):
    """A network without skips, whose channels follow from the image."""

    def __init__(self, inputs: int, outputs: int, filters: int = 4) -> None:
        super().__init__(
            nn.Conv2d(inputs, filters, 1), nn.Conv2d(filters, outputs, 1), nn.Sigmoid()
        )


def test_a_loss_that_is_none_is_one_line_before_the_runs(monkeypatch, capsys):
    Path("configs/loss").mkdir(parents=True)
    Path("configs/loss/none.yaml").write_text("model: {loss: a_loss_of_none.Scalar}")
    Path("a_loss_of_none.py").write_text(
        "from restoration.losses import Loss\n\n"
        "class Scalar(Loss):\n"
        "    def forward(self, output, batch, net):\n"
        "        return output.mean()\n"
    )
    monkeypatch.syspath_prepend(Path.cwd())
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(losses=["none"]))))
    assert main(["sweep", "grid.yaml", "--output", "runs", "--dry-run"]) == 1
    error = capsys.readouterr().err
    assert "Scalar must return a dictionary of scalars" in error
    assert error.count("\n") == 1
    assert sweep(runs(losses=["none"]), InProcess(), retries=0) == 1
    assert "Scalar must return a dictionary of scalars" in capsys.readouterr().err


def test_own_parts_may_be_written_the_short_way_and_are_timed():
    """Where the package has a configuration, one of that name here comes first."""
    for part, path in (("net", f"{__name__}.Plain"), ("loss", "restoration.losses.MSE")):
        Path("configs", part).mkdir(parents=True)
        text = yaml.safe_dump({"model": {part: path}})
        Path("configs", part, "mine.yaml").write_text(text)
    (mine,) = runs(networks=["mine"], losses=["mine"])
    assert attempt(mine).error is None
    assert timing.seconds_per_pixel(mine.config["model"]) > 0
    with pytest.raises(RestorationError, match="the network mine has no skips to leave out"):
        runs(networks=["mine"], skips=[False])
    Path("configs/loss/mine.yaml").write_text("- mse")
    with pytest.raises(RestorationError, match=r"mine\.yaml is no mapping"):
        runs(losses=["mine"])
