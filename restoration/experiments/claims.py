"""The paper's claims, recomputed: each with its spread, so that noise is seen to be noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from restoration.experiments.document import Table
from restoration.experiments.protocol import interval, paired, reported
from restoration.experiments.tables import Cells, mean, name_of, number


def difference_row(
    claim: str, printed: str, differences: np.ndarray, form: str = "+.2f"
) -> list[str]:
    """One claim: the mean difference, its confidence interval, and how often it is positive."""
    if not len(differences):
        return [claim, printed, "", "", "", "0"]
    low, high = interval(differences)
    between = f"{format(low, form)} to {format(high, form)}" if np.isfinite(low) else ""
    positive = f"{(differences > 0).mean():.0%}"
    return [
        claim,
        printed,
        format(differences.mean(), form),
        between,
        positive,
        str(len(differences)),
    ]


def claims(cells: Cells, best: Cells) -> Table:
    """The paper's claims, recomputed run by run: each difference pairs equal images and seeds."""

    def against(change: dict[str, Any], cells: Cells, metric: str = "psnr") -> np.ndarray:
        parts = [
            paired(getattr(cell, metric), getattr(cells[c._replace(**change)], metric))
            for c, cell in cells.items()
            if c._replace(**change) in cells and c._replace(**change) != c
        ]
        return np.concatenate(parts) if parts else np.array([])

    def only(*losses: str) -> Cells:
        return {c._replace(reading=None): cell for c, cell in best.items() if c.loss in losses}

    smoothing = [paired(cell.psnr, cell.raw) for c, cell in cells.items() if reported(c.loss)]
    kl = only("mse", "kl_p_mse", "kl_q_mse")
    p_q = np.concatenate(
        [
            against({"loss": "kl_q_mse"}, only("kl_p_mse", "kl_q_mse")),
            against({"loss": "kl_q_sure"}, only("kl_p_sure", "kl_q_sure")),
        ]
    )
    sure = only("mse", "sure")
    ms_ssim = against({"loss": "mse"}, kl, "ms_ssim")
    rows = [
        difference_row("skip connections, dB", "+0.996", against({"skips": False}, cells), "+.3f"),
        difference_row(
            "smoothing, dB", "+0.176", np.concatenate(smoothing or [np.array([])]), "+.3f"
        ),
        difference_row("a KL term beside MSE, PSNR, dB", "+0.29", against({"loss": "mse"}, kl)),
        difference_row(
            "a KL term beside MSE, MS-SSIM", "+0.73 %", ms_ssim[np.isfinite(ms_ssim)], "+.4f"
        ),
        difference_row("|L_P - L_Q|, dB", "0.05", np.abs(p_q)),
        difference_row("SURE above MSE, dB", "below 0", against({"loss": "mse"}, sure)),
    ]
    head = ["claim", "paper", "here", "95 % interval", "positive", "pairs"]
    return Table("claims", head, rows)


def beats_jpeg(best: Cells) -> Table:
    """Which cells lie above the JPEG, with the oracle's epoch."""
    rows = []
    for quality in sorted({c.quality for c in best}):
        some = [cell for c, cell in best.items() if c.quality == quality]
        gains = {
            f"{cell.configuration.network} {name_of(cell.configuration)}": mean(
                [cell.psnr[r.image, r.seed] - r.result["jpeg"]["psnr"] for r in cell.records]
            )
            for cell in some
        }
        above = sum(gain > 0 for gain in gains.values())
        top = max(gains, key=gains.__getitem__)
        rows.append([str(quality), f"{above} of {len(gains)}", top, number(gains[top], "+.2f")])
    return Table("beats_jpeg", ["quality", "cells above the JPEG", "best cell", "gain / dB"], rows)
