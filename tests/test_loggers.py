"""``fit`` with loggers by YAML, as Lightning has them: the run stays whole, each gets its own."""

import csv
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from restoration.__main__ import main
from restoration.jpeg import compress
from restoration.run_loggers import in_folder

SMALL = ["fit", "--config", "configs/quickstart.yaml", "--data.crop", "64"]
STEPS = ["--trainer.max_steps", "20", "--images.every", "10"]
RUN = Path("lightning_logs/coffee-q10/version_0")
# What a run leaves whatever logs it
OURS = {"restored.png", "comparison.png", "best.png", "result.json", "curves.csv"}
OURS |= {"config.yaml", "last.ckpt", "run.lock"}

MINE = """
    from lightning.pytorch.loggers import CSVLogger, Logger

    class Pictures(Logger):
        name, version = "mine", 0

        def __init__(self, save_dir: str = "mine", name: str = "nobody"):
            super().__init__()
            self.place, self.nobody = save_dir, name
            self.pictures, self.rows = {}, []
            seen.append(self)

        def log_hyperparams(self, *_, **__):
            pass

        def log_metrics(self, metrics, step=None):
            self.rows.append((step, metrics))

        def log_image(self, key, images, step=None):
            self.pictures[key, step] = images

    class Missing(Pictures):
        def __init__(self):
            raise ModuleNotFoundError("Requirement 'there>=2' not met. HINT: install it")

    seen = []
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "a_logger.py").write_text(textwrap.dedent(MINE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")


def names(folder) -> set[str]:
    return {p.name for p in Path(folder).iterdir()}


def rows_of(path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


def same_numbers(curves, metrics):
    """Each number of ``curves.csv`` is among the rows of ``metrics.csv``, under its tag."""
    logged = {}
    for row in rows_of(metrics):
        logged |= {(row["step"], k): float(v) for k, v in row.items() if v}
    rows = rows_of(curves)
    assert [row["step"] for row in rows] == ["10", "20"]
    for row in rows:
        for group, name in (("train", "loss"), ("quality", "psnr"), ("quality", "psnr_smoothed")):
            assert logged[row["step"], f"{group}/{name}"] == pytest.approx(float(row[name]))


@pytest.mark.parametrize(
    "logger",
    [
        ["--trainer.logger", "CSVLogger"],
        ["--trainer.logger=lightning.pytorch.loggers.CSVLogger"],
        ["--config", "logger.yaml"],
    ],
)
def test_a_csv_logger_writes_into_the_runs_folder(logger):
    Path("logger.yaml").write_text("trainer: {logger: {class_path: CSVLogger}}")
    assert main([*SMALL, *STEPS, *logger]) == 0
    assert names(RUN) == OURS | {"metrics.csv", "hparams.yaml"}
    same_numbers(RUN / "curves.csv", RUN / "metrics.csv")
    again = main(["fit", "--config", str(RUN / "config.yaml")])
    assert again == 0
    assert names(RUN.with_name("version_1")) == names(RUN)


def test_a_logger_of_another_place_leaves_the_run_in_its_own(capsys):
    logger = ["--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", "logs"]
    assert main([*SMALL, *STEPS, *logger]) == 0
    assert names(RUN) == OURS
    same_numbers(RUN / "curves.csv", "logs/lightning_logs/version_0/metrics.csv")
    arguments = [*SMALL, *logger, "--trainer.max_steps", "30", "--ckpt_path", "last"]
    assert main(arguments) == 0
    assert "no checkpoint" not in capsys.readouterr().err
    assert names(RUN.parent) == {"version_0"}
    assert json.loads((RUN / "result.json").read_bytes())["steps"] == 30
    assert [row["step"] for row in rows_of(RUN / "curves.csv")] == ["10", "20", "30"]


TWO = """
trainer:
  logger:
    - class_path: CSVLogger
      init_args: {save_dir: logs}
    - class_path: TensorBoardLogger
      init_args: {save_dir: "", prefix: p}
"""


def test_each_of_several_loggers_gets_all():
    Path("two.yaml").write_text(TWO)
    assert main([*SMALL, *STEPS, "--config", "two.yaml"]) == 0
    same_numbers(RUN / "curves.csv", "logs/lightning_logs/version_0/metrics.csv")
    events = EventAccumulator(str(RUN)).Reload()
    last = rows_of(RUN / "curves.csv")[-1]
    for name in ("train-loss", "quality-psnr_smoothed"):
        scalar = events.Scalars(f"p-{name.replace('-', '/')}")[-1]
        assert scalar.step == 20
        assert scalar.value == pytest.approx(float(last[name.split("-")[1]]), rel=1e-5)
    assert "images/projected" in events.Tags()["images"]


def test_a_logger_of_ones_own_keeps_its_defaults_and_gets_pictures(photo):
    import a_logger

    assert main([*SMALL, *STEPS, "--trainer.logger", "a_logger.Pictures"]) == 0
    logger = a_logger.seen[-1]
    assert (logger.place, logger.nobody) == ("mine", "nobody")
    assert names(RUN) == OURS
    (jpeg,) = logger.pictures["images/jpeg", 0]
    assert np.array_equal(jpeg, compress(photo[64:128, 64:128], 10).pixels)
    steps = {step for name, step in logger.pictures if name == "images/projected"}
    assert steps == {1, 10, 20}
    restored = np.array(Image.open(RUN / "restored.png")).astype(int)
    (projected,) = logger.pictures["images/projected", 20]
    assert np.abs(restored - projected).max() <= 1
    assert {"quality/psnr_jpeg", "train/loss"} <= {k for _, row in logger.rows for k in row}


def test_a_logger_whose_library_is_missing_is_one_line(capsys):
    assert main([*SMALL, *STEPS, "--trainer.logger", "a_logger.Missing"]) == 1
    error = capsys.readouterr().err
    assert "the option needs there>=2, which is missing" in error
    assert error.count("\n") == 1
    assert not RUN.exists()


def test_only_what_has_no_place_is_moved(tmp_path):
    from jsonargparse import Namespace
    from lightning.pytorch.loggers import CSVLogger

    mine, placed = CSVLogger("logs"), CSVLogger("")
    options = [Namespace(init_args=Namespace(save_dir=place, prefix="p")) for place in ("logs", "")]
    kept, moved = in_folder([mine, placed], options, tmp_path / "run")
    assert kept is mine
    assert Path(moved.log_dir) == tmp_path / "run"
    assert moved._prefix == "p"
