"""What the runs of a sweep left: labels, results, curves."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from restoration.errors import RestorationError
from restoration.run_folder import CURVES, FAILED, LABELS, RESULT

Columns = dict[str, NDArray[np.float64]]
NO_RULES = ("best", "least_sure")  # what else a run keeps: an oracle's image, and one loss's own


class Configuration(NamedTuple):
    """What is equal among the runs that one cell of a table averages.

    Attributes:
        quality: of the JPEG.
        network: name of its YAML.
        skips: whether skip connections are on.
        loss: name of its YAML.
        weight: lambda, None for a plain loss.
        reading: of the combined losses, None for the default.
    """

    quality: int
    network: str
    skips: bool
    loss: str
    weight: float | None
    reading: str | None


@dataclass(frozen=True)
class Record:
    """One finished run.

    Attributes:
        image: name of the image.
        seed: of all randomness.
        configuration: what tables tell apart.
        settings: digest of all else, which the sweep lays under and over its runs; "" in old files.
        result: content of ``result.json``.
        curves: columns of ``curves.csv``; NaN where nothing was measured.
        folder: of the run.
    """

    image: str
    seed: int
    configuration: Configuration
    settings: str
    result: dict[str, Any]
    curves: Columns
    folder: Path

    @property
    def rules(self) -> dict[str, dict[str, Any]]:
        """What the blind rules have kept: step, title and scores by the rule's name."""
        kept = {k: v for k, v in self.result.items() if isinstance(v, dict) and "step" in v}
        return {k: v for k, v in kept.items() if k not in NO_RULES}


def read_curves(path: Path) -> Columns:
    """Read ``curves.csv``."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return {}
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def reason(failed: Path) -> str:
    """Tell why a run has no result."""
    return str(json.loads(failed.read_text())["error"]) if failed.exists() else "unfinished"


def read_records(folder: Path) -> tuple[list[Record], list[str]]:
    """Read all runs of a sweep under a folder.

    Returns:
        Finished runs, in order of their folders, and a line for each that was begun and is not.

    Raises:
        RestorationError: there are none, or a file is damaged.
    """
    records, missing = [], []
    for head in sorted(folder.rglob(LABELS)):
        try:
            labels = json.loads(head.read_text())["labels"]
            if not (head.parent / RESULT).exists():
                missing.append(f"{head.parent}: {reason(head.parent / FAILED)}")
                continue
            image, seed = labels.pop("image"), labels.pop("seed")
            settings = labels.pop("settings", "")
            result = json.loads((head.parent / RESULT).read_text())
            curves = read_curves(head.parent / CURVES)
            configuration = Configuration(**labels)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RestorationError(f"{head.parent}: damaged ({error}); delete it") from error
        if result["jpeg"] is not None and "psnr" in curves:
            record = Record(image, seed, configuration, settings, result, curves, head.parent)
            records.append(record)
        else:
            missing.append(f"{head.parent}: measured nothing")
    if not records:
        raise RestorationError(f"no finished runs of a sweep in {folder}")
    return records, missing


def one_experiment(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Part the runs of those settings that most runs have from the others.

    Runs of unequal steps or crops, say, must not meet in one cell of a table.
    """
    settings, _ = Counter(r.settings for r in records).most_common(1)[0]
    kept = [r for r in records if r.settings == settings]
    return kept, [r for r in records if r.settings != settings]
