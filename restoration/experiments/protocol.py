"""The paper's protocol: every image at the average best epoch of its configuration (an oracle)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from restoration.experiments.results import Configuration, Record

Key = tuple[str, int]  # image and seed


@dataclass(frozen=True)
class Cell:
    """One configuration at its average best epoch.

    Attributes:
        configuration: of the runs.
        records: the runs, one per image and seed.
        epoch: mean over the runs of the step with the highest PSNR.
        psnr: per image and seed, at that step, dB.
        ms_ssim: likewise, at the nearest step at which it was measured; NaN for small images.
        raw: PSNR of the unsmoothed output at that step, dB.
    """

    configuration: Configuration
    records: tuple[Record, ...]
    epoch: float
    psnr: dict[Key, float]
    ms_ssim: dict[Key, float]
    raw: dict[Key, float]

    @property
    def mean_psnr(self) -> float:
        """Mean over the runs, dB."""
        return float(np.mean(list(self.psnr.values())))

    @property
    def mean_ms_ssim(self) -> float:
        """Mean over the runs."""
        return float(np.mean(list(self.ms_ssim.values())))


def reported(loss: str) -> str:
    """Name the output that the paper reports: smoothed for losses with MSE, raw with SURE."""
    return "" if "sure" in loss else "_smoothed"


def value_at(record: Record, name: str, step: float) -> float:
    """Look a curve up at the measured step nearest to ``step``; NaN where there is none."""
    steps, values = record.curves["step"], record.curves.get(name)
    if values is None or not np.isfinite(values).any():
        return float("nan")
    measured = np.flatnonzero(np.isfinite(values))
    return float(values[measured[np.argmin(np.abs(steps[measured] - step))]])


def best_step(record: Record) -> float:
    """Return the step with the highest PSNR of the output that the paper reports."""
    curve = record.curves["psnr" + reported(record.configuration.loss)]
    return float(record.curves["step"][np.nanargmax(curve)])


def cell_of(configuration: Configuration, records: Sequence[Record]) -> Cell:
    """Evaluate one configuration by the paper's protocol."""
    epoch = float(np.mean([best_step(r) for r in records]))
    suffix = reported(configuration.loss)

    def values(name: str) -> dict[Key, float]:
        return {(r.image, r.seed): value_at(r, name, epoch) for r in records}

    return Cell(
        configuration,
        tuple(records),
        epoch,
        psnr=values("psnr" + suffix),
        ms_ssim=values("ms_ssim" + suffix),
        raw=values("psnr"),
    )


def cells_of(records: Iterable[Record]) -> dict[Configuration, Cell]:
    """Evaluate all configurations."""
    groups: dict[Configuration, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.configuration].append(record)
    return {c: cell_of(c, some) for c, some in groups.items()}


def better_weights(cells: dict[Configuration, Cell]) -> dict[Configuration, Cell]:
    """Keep, of configurations that differ in lambda alone, the one of higher mean PSNR.

    Returns:
        The cells kept, by their configuration without lambda.
    """
    best: dict[Configuration, Cell] = {}
    for configuration, cell in cells.items():
        key = configuration._replace(weight=None)
        if key not in best or cell.mean_psnr > best[key].mean_psnr:
            best[key] = cell
    return best


def paired(one: dict[Key, float], other: dict[Key, float]) -> NDArray[np.float64]:
    """Differences one - other over the images and seeds that both have."""
    return np.array([one[k] - other[k] for k in one if k in other])


def interval(differences: NDArray[np.float64], draws: int = 10_000) -> tuple[float, float]:
    """Estimate the 95 % confidence interval of a mean by the bootstrap, with a fixed seed."""
    if len(differences) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(0)
    picks = generator.integers(0, len(differences), (draws, len(differences)))
    low, high = np.percentile(differences[picks].mean(1), [2.5, 97.5])
    return float(low), float(high)
