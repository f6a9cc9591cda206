"""How far results spread over seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from restoration.experiments.protocol import Cell, Values
from restoration.experiments.report.document import Table
from restoration.experiments.report.tables import Cells, name_of, number


def spread(values: Values) -> tuple[float, float, float]:
    """Mean over seeds of the mean over images, its deviation, and that of one image.

    With x_is of image i and seed s and m_s the mean of x_is over i: mean_s m_s, the standard
    deviation of m_s over the n seeds with n - 1 in the denominator, and the root of the mean over i
    of the variance of x_is over s.

    Args:
        values: by image and seed; only images that have all the seeds are taken.

    Returns:
        Three numbers; the last two are NaN for a single seed, all are without such an image.
    """
    seeds = sorted({seed for _, seed in values})
    images = complete(values)
    if not images:
        return float("nan"), float("nan"), float("nan")
    x = np.array([[values[image, seed] for seed in seeds] for image in images])
    if len(seeds) < 2:
        return float(x.mean()), float("nan"), float("nan")
    alone = float(np.sqrt(x.var(axis=1, ddof=1).mean()))
    return float(x.mean()), float(x.mean(axis=0).std(ddof=1)), alone


def complete(values: Values) -> list[str]:
    """Name the images that have all the seeds."""
    seeds = {seed for _, seed in values}
    images = sorted({image for image, _ in values})
    return [i for i in images if all((i, seed) in values for seed in seeds)]


def seed_table(cells: Cells) -> Table | None:
    """Mean and deviation over seeds of each cell that has several; None where none has."""
    columns: dict[str, tuple[Callable[[Cell], Values], str]] = {
        "average best epoch (oracle)": (lambda cell: cell.psnr, ".2f"),
        "projected, blind": (projected, ".2f"),
        "MS-SSIM (oracle)": (lambda cell: cell.ms_ssim, ".4f"),
    }
    rows = []
    for c, cell in sorted(cells.items(), key=lambda item: str(item[0])):
        seeds = {seed for _, seed in cell.psnr}
        if len(seeds) > 1:
            row = [f"{c.network} Q{c.quality} {name_of(c)}", str(len(seeds))]
            row.append(str(len(complete(cell.psnr))))
            for values, form in columns.values():
                row += [number(x, form) for x in spread(values(cell))]
            rows.append(row)
    head = ["cell", "seeds", "images"]
    for name in columns:
        head += [name, f"deviation of {name}", f"of one image, {name}"]
    return Table("seeds", head, rows) if rows else None


def projected(cell: Cell) -> Values:
    """PSNR of the runs' results, where they have been projected and measured."""
    scores = {(r.image, r.seed): r.result.get("projected") or {} for r in cell.records}
    return {key: float(s["psnr"]) for key, s in scores.items() if s.get("psnr") is not None}
