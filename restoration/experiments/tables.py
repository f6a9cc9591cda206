"""The report's tables: the paper's, the blind columns that it lacks, and its claims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from restoration.experiments.document import Table
from restoration.experiments.paper import TABLE_3, TABLES, TITLES
from restoration.experiments.protocol import Cell, best_step, interval, paired, reported
from restoration.experiments.results import Configuration, Record

RULES = ("nearest_estimate", "nearest_rejpeg", "discrepancy", "block_contrast", "moving_variance")
METRICS = ("psnr", "ms_ssim", "chroma_psnr", "ciede2000")
Cells = dict[Configuration, Cell]


def number(value: float | None, form: str = ".2f") -> str:
    """Format a number; nothing for one that is missing."""
    return "" if value is None or not np.isfinite(value) else format(value, form)


def mean(values: Sequence[float | None]) -> float:
    """Mean of the values there are; NaN of none."""
    known = [v for v in values if v is not None and np.isfinite(v)]
    return float(np.mean(known)) if known else float("nan")


def name_of(c: Configuration) -> str:
    """Name a configuration in a table: "Q+MSE, lambda 100"."""
    text = TITLES.get(c.loss, c.loss)
    text += "" if c.weight is None else f", lambda {c.weight:g}"
    text += "" if c.reading is None else f", {c.reading}"
    return text + ("" if c.skips else ", no skips")


def table_3(records: Sequence[Record]) -> Table:
    """The JPEGs themselves."""
    rows = []
    for quality in sorted({r.configuration.quality for r in records}):
        scores = {r.image: r.result["jpeg"] for r in records if r.configuration.quality == quality}
        printed = TABLE_3.get(quality, (None, None))
        measured = (
            mean([s[k] for s in scores.values()]) for k in ("psnr", "ms_ssim", "chroma_psnr")
        )
        psnr, ms_ssim, chroma = measured
        rows.append(
            [
                str(quality),
                str(len(scores)),
                number(psnr),
                number(ms_ssim, ".4f"),
                number(chroma),
                number(printed[0]),
                number(printed[1], ".3f"),
            ]
        )
    head = ["quality", "images", "PSNR / dB", "MS-SSIM", "chroma PSNR / dB"]
    return Table("table3", [*head, "paper: PSNR", "paper: MS-SSIM"], rows)


def table_1(best: Cells, skips: bool, reading: str | None) -> Table:
    """PSNR by the paper's protocol, beside the printed value and the difference."""
    rows = []
    for (network, quality, loss), (printed, printed_ms_ssim) in TABLES.items():
        plain = Configuration(quality, network, skips, loss, None, None)
        cell = best.get(plain._replace(reading=reading if "kl" in loss else None))
        rows.append(
            [
                f"{network} Q{quality} {TITLES[loss]}",
                "" if cell is None else str(len(cell.records)),
                "" if cell is None else number(cell.epoch, ".0f"),
                "" if cell is None else number(cell.configuration.weight, "g"),
                "" if cell is None else number(cell.mean_psnr),
                number(printed),
                "" if cell is None else number(cell.mean_psnr - printed, "+.2f"),
                "" if cell is None else number(cell.mean_ms_ssim, ".4f"),
                number(printed_ms_ssim, ".3f"),
            ]
        )
    head = ["cell", "runs", "average best epoch", "lambda", "PSNR", "paper", "difference"]
    shown = [row for row in rows if row[1]] or rows
    name = "tables1and2" + ("" if skips else "_no_skips") + (f"_{reading}" if reading else "")
    return Table(name, [*head, "MS-SSIM", "paper"], shown)


def blind_table(cells: Cells) -> Table:
    """What can be had without the truth, beside the oracle of the paper's protocol."""
    rows = []
    for c, cell in sorted(cells.items(), key=lambda item: str(item[0])):
        results = [r.result for r in cell.records]
        jpeg = mean([r["jpeg"]["psnr"] for r in results])
        rows.append(
            [
                f"{c.network} Q{c.quality} {name_of(c)}",
                str(len(results)),
                number(jpeg),
                number(cell.mean_psnr),
                *(score(results, key, "psnr") for key in ("best", "smoothed", RULES[0])),
                *(
                    score(results, "projected", k)
                    for k in ("psnr", "ms_ssim", "chroma_psnr", "ciede2000")
                ),
            ]
        )
    head = ["cell", "runs", "JPEG", "average best epoch (oracle)", "best per image (oracle)"]
    blind = ["last step, blind", "nearest estimate, blind", "projected, blind"]
    return Table("blind", [*head, *blind, "MS-SSIM", "chroma PSNR", "CIEDE2000"], rows)


def score(results: Sequence[dict[str, Any]], key: str, metric: str) -> str:
    """Mean of one score of the result files; nothing where one lacks it."""
    values = [(r.get(key) or {}).get(metric) for r in results]
    form = ".4f" if metric == "ms_ssim" else ".2f"
    return "" if None in values else number(mean(values), form)


def rule_table(cells: Cells) -> Table:
    """Gap of each blind rule to the best step of each image: mean, worst, and mean step."""
    rows = []
    groups: dict[str, list[Record]] = {}
    for c, cell in sorted(cells.items(), key=lambda item: str(item[0])):
        groups.setdefault(f"{c.network} {name_of(c)}", []).extend(cell.records)
    for name, records in groups.items():
        row = [
            name,
            str(len(records)),
            number(mean([r.result["best"]["step"] for r in records]), ".0f"),
        ]
        for rule in ("smoothed", *RULES):
            some = [r.result for r in records if (r.result.get(rule) or {}).get("psnr") is not None]
            gaps = [r["best"]["psnr"] - r[rule]["psnr"] for r in some]
            steps = mean([r[rule].get("step", r["steps"]) for r in some])
            row.append(f"{mean(gaps):.2f}, worst {max(gaps):.2f}, step {steps:.0f}" if gaps else "")
        rows.append(row)
    head = ["network and loss", "runs", "best step"]
    return Table("rules", [*head, "last step", *(r.replace("_", " ") for r in RULES)], rows)


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


def coverage(records: Sequence[Record]) -> str:
    """Tell on how many images, seeds and steps the tables rest."""
    images = sorted({r.image for r in records})
    steps = sorted({r.result["steps"] for r in records})
    sizes = sorted({"x".join(map(str, r.result["size"])) for r in records})
    late = np.mean([best_step(r) >= r.curves["step"][-1] for r in records])
    return (
        f"{len(records)} runs on {len(images)} images ({', '.join(images)}) of {', '.join(sizes)} "
        f"pixels, {', '.join(map(str, steps))} steps each. In {late:.0%} of the runs the best step "
        "was the last: those had not been optimised for longer than needed, as the protocol asks."
    )
