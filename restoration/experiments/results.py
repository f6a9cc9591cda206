"""What the runs of a sweep left: labels, results, curves."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jsonargparse import ArgumentError, ArgumentParser
from numpy.typing import NDArray

from restoration.errors import RestorationError
from restoration.run_folder import CURVES, FAILED, LABELS, RESULT, read_result

Columns = dict[str, NDArray[np.float64]]
ORACLE = "best"  # what a run keeps by the truth, beside what its rules do


class Configuration(NamedTuple):
    """What is equal among the runs that one cell of a table averages.

    Attributes:
        quality: Quality of the JPEG.
        network: Name of its YAML.
        skips: Whether skip connections are on.
        loss: Name of its YAML.
        weight: Weight lambda, None for a plain loss.
        reading: Reading of the combined losses, None for the default.
    """

    quality: int
    network: str
    skips: bool
    loss: str
    weight: float | None
    reading: str | None

    @property
    def has_sure(self) -> bool:
        """Whether SURE is a part of the loss, by its name: of kl_q_sure, say, not of pressure."""
        return "sure" in re.split("[^a-z]+", self.loss.lower())


CONFIGURATION = ArgumentParser(exit_on_error=False)
CONFIGURATION.add_class_arguments(Configuration)


@dataclass(frozen=True)
class Record:
    """One finished run.

    Attributes:
        image: Name of the image.
        seed: Seed of all randomness.
        configuration: What tables tell apart.
        settings: Digest of what else the sweep lays under and over its runs, but for their steps;
            "" in old files.
        planned: Steps that the run was to take, which a rule may have ended before; None in old
            files, whose settings tell it.
        result: Content of ``result.json``.
        curves: Columns of ``curves.csv``; NaN where nothing was measured.
        folder: Folder of the run.
    """

    image: str
    seed: int
    configuration: Configuration
    settings: str
    planned: int | None
    result: dict[str, Any]
    curves: Columns
    folder: Path

    @property
    def rules(self) -> dict[str, dict[str, Any]]:
        """What the blind rules have kept: step, title and scores by the rule's name."""
        kept = {k: v for k, v in self.result.items() if isinstance(v, dict) and "step" in v}
        return {k: v for k, v in kept.items() if k != ORACLE}


def read_curves(path: Path) -> Columns:
    """Read ``curves.csv``.

    Raises:
        ValueError: It is cut, or has no steps.
    """
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return {}
    if "step" not in rows[0] or any(None in row or None in row.values() for row in rows):
        raise ValueError(f"{path.name} is cut or has no steps")
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in rows[0]}


def reason(failed: Path) -> str:
    """Tell why a run has no result."""
    try:
        return str(json.loads(failed.read_bytes())["error"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unfinished"


def read_record(folder: Path) -> Record | None:
    """Read one finished run; None if it measured nothing.

    Raises:
        RestorationError: It is unfinished or damaged.
    """
    if not (folder / RESULT).exists():
        raise RestorationError(f"{folder}: {reason(folder / FAILED)}")
    result = read_result(folder)
    try:
        labels = dict(json.loads((folder / LABELS).read_bytes())["labels"])
        image, seed = str(labels.pop("image")), int(labels.pop("seed"))
        settings, planned = str(labels.pop("settings", "")), labels.pop("steps", None)
        curves = read_curves(folder / CURVES)
        configuration = CONFIGURATION.instantiate(CONFIGURATION.parse_object(labels))
        if not measured(result, curves):
            return None
        known = Configuration(**configuration)
        return Record(image, seed, known, settings, planned, result, curves, folder)
    except (OSError, ValueError, KeyError, TypeError, ArgumentError, csv.Error) as error:
        line = " ".join(str(error).split())
        raise RestorationError(
            f"{folder}: damaged ({line}); the next sweep does it anew if you delete its {RESULT}"
        ) from error


def measured(result: dict[str, Any], curves: Mapping[str, NDArray]) -> bool:
    """Whether a run tells what all tables want.

    Raises:
        KeyError: it does not even say that it does not.
    """
    known = result["size"], result["steps"], result["best"], result["jpeg"]
    return (
        all(known)
        and result["jpeg"]["psnr"] is not None  # a JPEG without a loss has none
        and bool(np.isfinite(curves.get("psnr", np.nan)).any())
    )


def read_records(folder: Path) -> tuple[list[Record], list[str]]:
    """Read all runs of a sweep under a folder.

    Returns:
        Finished runs, in order of their folders, and a line for each that is unfinished, damaged,
        or measured nothing.

    Raises:
        RestorationError: The folder is missing, or there are no finished runs in it.
    """
    if not folder.is_dir():
        raise RestorationError(f"there is no folder {folder}")
    records, missing = [], []
    for head in sorted(folder.rglob(LABELS)):
        try:
            record = read_record(head.parent)
        except RestorationError as error:
            missing.append(str(error))
            continue
        if record is None:
            missing.append(f"{head.parent}: measured nothing")
        else:
            records.append(record)
    if not records:
        more = f"; {missing[0]}" if missing else ""
        raise RestorationError(f"no finished runs of a sweep in {folder}{more}")
    return records, missing


def one_experiment(records: Sequence[Record]) -> tuple[list[Record], list[Record]]:
    """Part the runs of those settings that most runs have from the others.

    Runs of unequal crops, say, must not meet in a table, and those that were to take unequal steps
    in none of its cells: a network has one number at a quality, and another with SURE, which needs
    more. Of two as frequent the larger is taken.
    """
    settings, _ = Counter(r.settings for r in records).most_common(1)[0]
    planned: dict[tuple[int, str, bool], Counter[int]] = defaultdict(Counter)
    for record in records:
        if record.settings == settings:
            planned[compared(record)][record.planned or 0] += 1
    usual = {group: max(n, key=lambda k: (n[k], k)) for group, n in planned.items()}

    def same(r: Record) -> bool:
        return r.settings == settings and (r.planned or 0) == usual[compared(r)]

    return [r for r in records if same(r)], [r for r in records if not same(r)]


def compared(record: Record) -> tuple[int, str, bool]:
    """Tell among which runs a run must have as many steps."""
    c = record.configuration
    return c.quality, c.network, c.has_sure
