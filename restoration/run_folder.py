"""The folder of a run: which one it gets or goes on in, and the names of its files."""

from __future__ import annotations

import json
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
LOCK = "run.lock"  # held by the process that works on the run

# Sections of a configuration, and settings of the trainer, that decide a run's result
IDENTITY = ("seed_everything", "model", "data", "smoothing", "rules")
IDENTITY_OF_TRAINER = (
    "precision",
    "gradient_clip_val",
    "gradient_clip_algorithm",
)


def read_result(folder: Path) -> dict[str, Any]:
    """Read the result of a finished run.

    Raises:
        RestorationError: There is none, or it is not what a run writes.
    """
    path = folder / RESULT
    try:
        content = json.loads(path.read_bytes(), parse_constant=refuse_constant)
    except FileNotFoundError as error:
        raise RestorationError(f"{folder}: unfinished") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RestorationError(f"{folder}: {RESULT} is damaged ({error})") from error
    whole = isinstance(content, dict) and isinstance(content.get("steps"), int)
    if not (whole and "jpeg" in content and all(map(is_entry, content.items()))):
        raise RestorationError(f"{folder}: {RESULT} is not the result of a run")
    return dict(content)


def refuse_constant(name: str) -> None:
    """Refuse NaN and infinities, which a run writes as null."""
    raise ValueError(f"{name} is no number")


def is_entry(entry: tuple[str, Any]) -> bool:
    """Whether the scores of an entry, if it has any, are numbers or missing."""
    name, value = entry
    if not isinstance(value, dict):
        return value is None or name != "jpeg"
    scores = [value.get(key) for key in ("psnr", "ms_ssim", "chroma_psnr", "ciede2000", "step")]
    return all(score is None or type(score) in (int, float) for score in scores)


def is_finished(folder: Path) -> bool:
    """Whether a run has left a result that can be read, and curves to their last line."""
    try:
        read_result(folder)
        lines = (folder / CURVES).read_bytes().splitlines(keepends=True)  # a header at least
    except (RestorationError, OSError):
        return False
    return bool(lines) and lines[-1][-1:] == b"\n" and lines[-1].count(b",") == lines[0].count(b",")


def kept_image(name: str) -> str:
    """Name the file of the image that a callback of some name has kept: "best.png", say."""
    return f"{name}.png"


def run_version(folder: Path, resumed: dict[str, Any], claims: bool) -> str:
    """Claim the next free ``version_N`` in ``folder``, or name the run to go on with.

    That is the latest one of the same image, network, loss, optimiser, seed and smoothing, whose
    ``config.yaml`` says so.

    Args:
        folder: Folder of the image's runs.
        resumed: The configuration to go on with, or {} for a new run.
        claims: Whether this process may; the others of a distributed run are told its directory.

    Raises:
        RestorationError: The folder cannot be written.
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
    return deciding(saved) == deciding(resumed)


def deciding(config: dict[str, Any]) -> list[Any]:
    """List what decides a run's result in its configuration, but its length."""
    sections = [config.get(key) for key in IDENTITY]
    sections += [config["trainer"].get(key) for key in IDENTITY_OF_TRAINER]
    # cuda_graph tells how a GPU launches the same kernels
    return [
        {k: v for k, v in s.items() if k != "cuda_graph"} if isinstance(s, dict) else s
        for s in sections
    ]
