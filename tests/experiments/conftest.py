"""Fixtures of the tests of grids and reports."""

import pytest
from PIL import Image

from tests.experiments.records import write_run


@pytest.fixture
def folder(tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])
    Image.fromarray(photo[:32, :32]).save("a.png")
    Image.fromarray(photo[32:64, :32]).save("b.png")
    return tmp_path


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    write_run(folder, "a", 40, 27.0, rule=50)
    write_run(folder, "b", 60, 29.0, rule=60)
    for weight, gain in ((10.0, 0.2), (100.0, 0.3)):
        write_run(folder, "a", 40, 27.0 + gain, "kl_q_mse", weight)
        write_run(folder, "b", 60, 29.0 + gain, "kl_q_mse", weight)
        write_run(folder, "a", 40, 27.0, "kl_p_mse", weight)
        write_run(folder, "b", 60, 29.0, "kl_p_mse", weight)
    write_run(folder, "a", 40, 26.0, "sure")
    write_run(folder, "b", 60, 28.0, "sure")
    write_run(folder, "a", 40, 26.2, skips=False)
    return folder
