"""Every YAML under configs/ parses against the signatures, on top of what it builds on."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from restoration.__main__ import main
from restoration.experiments.grid import read_grid
from restoration.experiments.runs import runs_of

CONFIGS = Path(__file__).parents[1] / "configs"
GRIDS = sorted(CONFIGS.glob("sweep/*.yaml"))
FILES = sorted(set(CONFIGS.rglob("*.yaml")) - set(GRIDS))
ON_TOP = ("base.yaml", "rules.yaml")  # beside quickstart.yaml, which stands alone
BASIS = ["base.yaml", "net/low.yaml", "loss/mse.yaml"]


def assert_contains(whole, part):
    """Every leaf of a configuration is in the parsed one."""
    if isinstance(part, list) and part and isinstance(part[0], dict):
        for one, other in zip(whole, part, strict=True):
            assert_contains(one, other)
        return
    if not isinstance(part, dict):
        assert whole == part
        return
    for key, value in part.items():
        assert_contains(whole[key], value)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_configuration_parses(path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["restoration"])
    layered = path.parent != CONFIGS or path.name in ON_TOP
    files = [*(CONFIGS / name for name in BASIS if layered), path]
    if path.parent.name == "reading":
        files.insert(-1, CONFIGS / "loss/kl_q_sure.yaml")
    arguments = [f"--config={file}" for file in files]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *arguments, "--data.image", "photo.jpg", "--print_config"])
    assert stop.value.code == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert printed["data"].pop("image") == "photo.jpg"
    written = yaml.safe_load(path.read_text())
    written.get("data", {}).pop("image", None)
    assert_contains(printed, written)


@pytest.mark.parametrize("path", GRIDS, ids=lambda p: p.name)
def test_every_run_of_a_grid_parses(path, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.argv", ["restoration"])
    monkeypatch.chdir(tmp_path)
    grid = replace(read_grid(str(path), []), images=["samples/coffee.png"])
    all_runs = runs_of(grid, Path(), Path("runs"))
    kinds = {str(run.config["model"]): run for run in all_runs}
    for run in list(kinds.values())[:: max(len(kinds) // 4, 1)]:
        Path("run.yaml").write_text(yaml.safe_dump(run.config))
        with pytest.raises(SystemExit) as stop:
            main(["fit", "--config", "run.yaml", "--print_config"])
        assert stop.value.code == 0
        assert_contains(yaml.safe_load(capsys.readouterr().out), run.config)


@pytest.mark.parametrize("path", [*FILES, *GRIDS], ids=lambda p: str(p.relative_to(CONFIGS)))
def test_configuration_is_small_and_gives_its_reason(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 30
    assert lines[0].startswith("# ")
