"""The folder of a run: which one it gets or goes on in, and the names of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from restoration.errors import RestorationError

RUNS = "lightning_logs"

CONFIG = "config.yaml"  # all settings: they make the run anew
CHECKPOINT = "last.ckpt"
CURVES = "curves.csv"
RESTORED = "restored.png"
COMPARISON = "comparison.png"
RESULT = "result.json"  # written last
# What a sweep puts beside them
LABELS = "run.json"
GIVEN = "run.yaml"  # the settings that the sweep gives
FAILED = "failed.json"

# Sections of a configuration, and settings of the trainer, that decide a run's result
IDENTITY = ("seed_everything", "model", "data", "smoothing", "rules")
IDENTITY_OF_TRAINER = (
    "precision",
    "accumulate_grad_batches",
    "gradient_clip_val",
    "gradient_clip_algorithm",
)


def kept_image(name: str) -> str:
    """Name the file of the image that a callback of some name has kept: "best.png", say."""
    return f"{name}.png"


def run_version(folder: Path, resumed: dict[str, Any], claims: bool) -> str:
    """Claim the next free ``version_N`` in ``folder``, or name the run to go on with.

    That is the latest one of the same image, network, loss, optimiser, seed and smoothing, whose
    ``config.yaml`` says so.

    Args:
        folder: of the image's runs.
        resumed: the configuration to go on with, or {} for a new run.
        claims: whether this process may; the others of a distributed run are told its directory.

    Raises:
        RestorationError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        runs = {int(p.name[8:]): p for p in folder.glob("version_*") if p.name[8:].isdigit()}
        latest = max(runs, default=-1)
        for number in sorted(runs, reverse=True):
            config = runs[number] / CONFIG
            if resumed and config.exists() and same_run(config, resumed):
                return f"version_{number}"
        if not claims:
            return f"version_{max(latest, 0)}"
        while True:
            latest += 1
            try:
                (folder / f"version_{latest}").mkdir()
            except FileExistsError:
                continue  # another process has just claimed it
            return f"version_{latest}"
    except OSError as error:
        raise RestorationError(f"cannot write runs to {folder}: {error.strerror}") from error


def same_run(config: Path, resumed: dict[str, Any]) -> bool:
    """Whether a saved configuration agrees in all that decides a run's result but its length."""
    try:
        saved = yaml.safe_load(config.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return False
    if not isinstance(saved, dict) or not isinstance(saved.get("trainer"), dict):
        return False
    return all(saved.get(key) == resumed[key] for key in IDENTITY) and all(
        saved["trainer"].get(key) == resumed["trainer"][key] for key in IDENTITY_OF_TRAINER
    )
