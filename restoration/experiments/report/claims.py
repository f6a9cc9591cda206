"""The paper's claims, recomputed: each with its spread, so that noise is seen to be noise."""

from __future__ import annotations

import itertools
import operator
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from restoration.experiments.protocol import (
    Cell,
    Values,
    mean_difference,
    mean_size,
    paired,
    reported,
    shortened,
)
from restoration.experiments.report.document import Table
from restoration.experiments.report.paper import KL_BESIDE_SURE, LAMBDAS, TABLES
from restoration.experiments.report.tables import Cells, mean, name_of, number
from restoration.experiments.results import Configuration


def difference_row(
    claim: str,
    printed: str,
    cells: Sequence[Values],
    form: str = "+.2f",
) -> list[str]:
    """One claim: the mean difference, its confidence interval, and how often it is positive."""
    differences = np.array([d for cell in cells for d in cell.values()])
    if not len(differences):
        return [claim, printed, "", "", "", "0", "0"]
    value, low, high = mean_difference(cells)
    between = f"{format(low, form)} to {format(high, form)}" if np.isfinite(low) else ""
    positive = f"{(differences > 0).mean():.0%}"
    return [claim, printed, format(value, form), between, positive, *counts_of(cells)]


def size_row(claim: str, printed: str, cells: Sequence[Values]) -> list[str]:
    """One claim on the size of differences, which has no interval: chance alone makes sizes."""
    if not any(cells):
        return [claim, printed, "", "", "", "0", "0"]
    return [claim, printed, f"{mean_size(cells):.2f}", "", "", *counts_of(cells)]


def counts_of(cells: Sequence[Values]) -> list[str]:
    """Tell the numbers of pairs and of images."""
    keys = [key for cell in cells for key in cell]
    return [str(len(keys)), str(len({image for image, _ in keys}))]


def claims(cells: Cells, best: Cells) -> Table:
    """The paper's claims, recomputed run by run: each difference pairs equal images and seeds."""
    skips = partial(against, skips=False)
    rows = [
        difference_row("skip connections, dB", "+0.996", skips(cells), "+.3f"),
        *in_parts("skip connections", cells, loss_of, skips, "+.3f"),
        difference_row("smoothing, dB", "+0.176", smoothed(cells), "+.3f"),
        *in_parts("smoothing", cells, lambda c: f"{c.network} network", smoothed, "+.3f"),
    ]
    for reading in sorted({c.reading for c in best if "kl" in c.loss}, key=str) or [None]:
        rows += claims_of_kl(best, reading)
    rows += claim_of_lambda(cells)
    sure = against(only(best, None, "mse", "sure"), loss="mse")
    rows.append(difference_row("SURE above MSE, dB", "below 0", sure))
    rows += runaways(cells)
    rows += order_of_networks(cells)
    head = ["claim", "paper", "here", "95 % interval", "positive", "pairs", "images"]
    return Table("claims", head, rows)


def in_parts(
    claim: str,
    cells: Cells,
    part_of: Callable[[Configuration], str],
    differences: Callable[[Cells], list[Values]],
    form: str = "+.2f",
) -> list[list[str]]:
    """Rows of a claim for the parts of the cells that tell it; none where a single one does."""
    parts: dict[str, Cells] = defaultdict(dict)
    for c, cell in cells.items():
        parts[part_of(c)][c] = cell
    told = {part: differences(parts[part]) for part in sorted(parts)}
    told = {part: values for part, values in told.items() if any(values)}
    if len(told) < 2:
        return []
    return [difference_row(f"{claim}, {part}, dB", "", told[part], form) for part in told]


def loss_of(c: Configuration) -> str:
    """Name the loss of a configuration, with its weight."""
    return name_of(c._replace(skips=True))


def network_of(c: Configuration) -> str:
    """Name the network of a configuration."""
    return f"{c.network} network" + ("" if c.skips else " without skips")


def smoothed(cells: Cells) -> list[Values]:
    """What smoothing gains in each cell whose smoothed outputs are reported."""
    return [paired(cell.psnr, cell.unsmoothed) for c, cell in cells.items() if reported(c)]


def runaways(cells: Cells) -> list[list[str]]:
    """Runs whose divergence falls below minus the number of pixels: SURE has no least value there.

    It is the risk of a function over all noise, and here that of one image at one point, where a
    network may answer any small change by a multiple of its opposite. No row without such runs.
    """
    runs = [r for cell in cells.values() for r in cell.records if "divergence" in r.curves]
    away = [np.nanmin(r.curves["divergence"]) < -np.prod(r.result["size"]) for r in runs]
    if not any(away):
        return []
    counts = [str(len(runs)), str(len({r.image for r in runs}))]
    claim = "runs whose divergence falls below minus the number of pixels"
    return [[claim, "", f"{sum(away)} of {len(runs)}", "", "", *counts]]


def order_of_networks(cells: Cells) -> list[list[str]]:
    """What the larger networks gain over the low one at each quality, by equal losses and steps.

    The runs of those that took more are looked at as if they had ended with the others.
    """
    rows = []
    for quality, network in itertools.product(
        sorted({c.quality for c in cells}), ("medium", "high")
    ):
        some = {c: cell for c, cell in cells.items() if (c.quality, c.skips) == (quality, True)}
        larger = [c for c in some if c.network == network and c._replace(network="low") in some]
        if larger:
            printed = [
                TABLES[network, quality, loss][0] - TABLES["low", quality, loss][0]
                for loss in {c.loss for c in larger}
                if (network, quality, loss) in TABLES
            ]
            pairs = [at_equal_steps(some[c], some[c._replace(network="low")]) for c in larger]
            claim = f"the {network} network above the low one, quality {quality}, dB"
            rows.append(difference_row(claim, number(mean(printed), "+.2f"), pairs))
    return rows


def at_equal_steps(one: Cell, other: Cell) -> Values:
    """Differences of two cells, over no more steps than all their runs have."""
    steps = min(float(r.curves["step"][-1]) for cell in (one, other) for r in cell.records)
    return paired(shortened(one, steps).psnr, shortened(other, steps).psnr)


def claims_of_kl(best: Cells, reading: str | None) -> list[list[str]]:
    """The claims on the KL terms, in one reading of them."""
    name = "" if reading is None else f", reading {reading}"
    kl = only(best, reading, "mse", "kl_p_mse", "kl_q_mse")
    ratios = [
        {key: (ratio - 1) * 100 for key, ratio in cell.items() if np.isfinite(ratio)}
        for cell in against(kl, "ms_ssim", operator.truediv, loss="mse")
    ]
    with_sure = only(best, reading, "sure", "kl_p_sure", "kl_q_sure")
    p_q = [
        part
        for d in ("mse", "sure")
        for part in against(only(best, reading, f"kl_p_{d}", f"kl_q_{d}"), loss=f"kl_q_{d}")
    ]
    gain = partial(against, loss="mse")
    return [
        difference_row(f"a KL term beside MSE{name}, PSNR, dB", "+0.29", gain(kl)),
        *in_parts(f"a KL term beside MSE{name}, PSNR", kl, network_of, gain),
        difference_row(f"a KL term beside MSE{name}, MS-SSIM, %", "+0.73", ratios),
        difference_row(
            f"a KL term beside SURE{name}, PSNR, dB",
            number(KL_BESIDE_SURE, "+.2f"),
            against(with_sure, loss="sure"),
        ),
        size_row(f"|L_P - L_Q|{name}, means of cells, dB", "0.05", p_q),
    ]


def claim_of_lambda(cells: Cells) -> list[list[str]]:
    """What the larger of the paper's lambdas gains over the smaller; no row without both."""
    pairs = against(
        {c: cell for c, cell in cells.items() if c.weight in LAMBDAS}, weight=LAMBDAS[0]
    )
    claim = "lambda {1:g} above lambda {0:g}, dB".format(*LAMBDAS)
    return [difference_row(claim, "", pairs)] if pairs else []


def against(
    cells: Cells,
    metric: str = "psnr",
    compare: Callable[[float, float], float] = operator.sub,
    **change: Any,
) -> list[Values]:
    """Compare each cell with that of a changed configuration, run by run."""
    others = ((cell, c, c._replace(**change)) for c, cell in cells.items())
    return [
        paired(getattr(cell, metric), getattr(cells[other], metric), compare)
        for cell, c, other in others
        if other in cells and other != c
    ]


def only(best: Cells, reading: str | None, *losses: str) -> Cells:
    """Cells of some losses, the combined ones in one reading, by configurations without it."""
    return {
        c._replace(reading=None): cell
        for c, cell in best.items()
        if c.loss in losses and (c.reading == reading or "kl" not in c.loss)
    }


def beats_jpeg(best: Cells) -> Table:
    """Which cells lie above the JPEG, with the oracle's epoch, and which one is the best.

    The best one is told by the images and seeds that all cells of the quality have, if any.
    """
    rows = []
    for quality in sorted({c.quality for c in best}):
        some = [cell for c, cell in best.items() if c.quality == quality]
        gains = [
            {
                (r.image, r.seed): cell.psnr[r.image, r.seed] - r.result["jpeg"]["psnr"]
                for r in cell.records
            }
            for cell in some
        ]
        told = [cell.configuration for cell in some]
        names = [f"{c.network} {name_of(c)}" for c in told]
        above = sum(mean(list(gain.values())) > 0 for gain in gains)
        common = set.intersection(*(set(gain) for gain in gains))
        means = [mean([gain[key] for key in common or gain]) for gain in gains]
        top = max(range(len(names)), key=means.__getitem__)
        rows.append(
            [
                str(quality),
                f"{above} of {len(gains)}",
                names[top],
                number(means[top], "+.2f"),
                str(len({image for image, _ in common or gains[top]})),
            ]
        )
    head = ["quality", "cells above the JPEG", "best cell", "gain / dB", "images"]
    return Table("beats_jpeg", head, rows)
