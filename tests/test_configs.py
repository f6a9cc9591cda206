"""Every YAML under configs/ parses against the signatures, on top of what it builds on."""

from pathlib import Path

import pytest
import yaml

from restoration.__main__ import main

CONFIGS = Path(__file__).parents[1] / "configs"
FILES = sorted(CONFIGS.rglob("*.yaml"))
BASIS = ["base.yaml", "net/low.yaml", "loss/mse.yaml"]


def assert_contains(whole, part):
    """Every leaf of a configuration is in the parsed one."""
    if not isinstance(part, dict):
        assert whole == part
        return
    for key, value in part.items():
        assert_contains(whole[key], value)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_configuration_parses(path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["restoration"])
    layered = path.parent != CONFIGS or path.name == "base.yaml"
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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_configuration_is_small_and_gives_its_reason(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 30
    assert lines[0].startswith("# ")
