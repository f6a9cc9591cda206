"""The report's tables: the paper's, and the blind columns that it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from restoration.experiments.protocol import FEWEST_IMAGES, Cell, best_step
from restoration.experiments.report.document import Table
from restoration.experiments.report.paper import TABLE_3, TABLES, TITLES
from restoration.experiments.results import Configuration, Record

DEFAULT_RULE = "nearest_estimate"  # of configs/base.yaml
METRICS = ("psnr", "ms_ssim", "chroma_psnr", "ciede2000")
REFERENCES = {  # of rules, in old result files, which do not name them
    "nearest_rejpeg": "re-JPEG",
    "nearest_estimate": "restoration without a network, 2 passes",
}
MOST_RISING = 0.5  # share of runs that still get better at their end, from which a report warns
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
    """PSNR by the paper's protocol, beside the printed value and the difference.

    Cells that the paper has not follow its own. Still rising: the share of runs that ``is_rising``
    tells of.
    """
    rows = []
    paper = TABLES if skips else {}  # it prints one table: not both kinds can stand beside it
    printed_cells = [
        Configuration(q, network, skips, loss, None, reading if "kl" in loss else None)
        for network, q, loss in TABLES
    ]
    own = {c for c in best if c.skips == skips and c.reading in (None, reading)}
    own -= {c for c in own if (c.network, c.quality, c.loss) in TABLES}
    for c in [*printed_cells, *sorted(own, key=str)]:
        network, quality, loss, cell = c.network, c.quality, c.loss, best.get(c)
        printed, printed_ms_ssim = paper.get((network, quality, loss), (None, None))
        rows.append(
            [
                f"{network} Q{quality} {TITLES.get(loss, loss)}",
                "" if cell is None else str(len(cell.records)),
                "" if cell is None else str(cell.records[0].result["steps"]),
                "" if cell is None else f"{mean([is_rising(r) for r in cell.records]):.0%}",
                "" if cell is None else number(cell.epoch, ".0f"),
                "" if cell is None else number(cell.configuration.weight, "g"),
                "" if cell is None else number(cell.mean_psnr),
                number(printed),
                "" if cell is None or printed is None else f"{cell.mean_psnr - printed:+.2f}",
                "" if cell is None else number(cell.mean_ms_ssim, ".4f"),
                number(printed_ms_ssim, ".3f"),
            ]
        )
    head = ["cell", "runs", "steps", "still rising", "average best epoch", "lambda", "PSNR"]
    head += ["paper", "difference"]
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
                *(score(results, key, "psnr") for key in ("best", "smoothed", DEFAULT_RULE)),
                *(score(results, "projected", metric) for metric in METRICS),
            ]
        )
    head = ["cell", "runs", "JPEG", "average best epoch (oracle)"]
    smoothed = ["best per image (oracle)", "last step, blind", "nearest estimate, blind"]
    head += [f"smoothed, {name}" for name in smoothed] + ["projected, blind"]
    return Table("blind", [*head, "MS-SSIM", "chroma PSNR", "CIEDE2000"], rows)


def baseline_table(records: Sequence[Record]) -> Table:
    """The training-free baselines that the runs' rules compare with, each image once."""
    rows = []
    for quality in sorted({r.configuration.quality for r in records}):
        methods: dict[str, dict[str, dict[str, Any]]] = {}  # and the scores of each image
        for r in records:
            if r.configuration.quality == quality:
                methods.setdefault("JPEG", {})[r.image] = r.result["jpeg"]
                for rule, kept in r.rules.items():
                    if reference := kept.get("reference"):
                        title = reference.get("title") or REFERENCES.get(rule, rule)
                        methods.setdefault(title, {})[r.image] = reference
        for name, images in sorted(methods.items()):
            known = [{name: scores} for scores in images.values()]
            cells = (score(known, name, metric) for metric in METRICS)
            rows.append([f"Q{quality} {name}", str(len(known)), *cells])
    head = ["method", "images", "PSNR", "MS-SSIM", "chroma PSNR", "CIEDE2000"]
    return Table("baselines", head, rows)


def score(results: Sequence[dict[str, Any]], key: str, metric: str) -> str:
    """Mean of one score of the result files; nothing where one lacks it."""
    values = [(r.get(key) or {}).get(metric) for r in results]
    form = ".4f" if metric == "ms_ssim" else ".2f"
    return "" if None in values else number(mean(values), form)


def rule_table(cells: Cells) -> Table:
    """Gap of each blind rule to the best step of each image: mean, worst, and mean step."""
    rows = []
    titles = rule_titles([r for cell in cells.values() for r in cell.records])
    groups: dict[str, list[Record]] = {}
    for c, cell in sorted(cells.items(), key=lambda item: str(item[0])):
        groups.setdefault(f"{c.network} {name_of(c)}", []).extend(cell.records)
    for name, records in groups.items():
        row = [
            name,
            str(len(records)),
            number(mean([r.result["best"]["step"] for r in records]), ".0f"),
        ]
        for rule in ("smoothed", *titles):
            some = [r.result for r in records if (r.result.get(rule) or {}).get("psnr") is not None]
            gaps = [r["best"]["psnr"] - r[rule]["psnr"] for r in some]
            steps = mean([r[rule].get("step", r["steps"]) for r in some])
            row.append(f"{mean(gaps):.2f}, worst {max(gaps):.2f}, step {steps:.0f}" if gaps else "")
        rows.append(row)
    head = ["network and loss", "runs", "best step"]
    return Table("rules", [*head, "last step", *titles.values()], rows)


def rule_titles(records: Sequence[Record]) -> dict[str, str]:
    """Titles of all rules by their names; where result files have none, the names in words."""
    titles: dict[str, str] = {}
    for record in records:
        for name, kept in record.rules.items():
            titles[name] = kept.get("title") or titles.get(name) or name.replace("_", " ")
    return titles


def coverage(records: Sequence[Record]) -> str:
    """Tell on how many images, seeds and steps the tables rest, and whether these are too few."""
    images = sorted({r.image for r in records})
    steps = sorted({r.result["steps"] for r in records})
    seeds = sorted({r.seed for r in records})
    sizes = sorted({"x".join(map(str, r.result["size"])) for r in records})
    rising = float(np.mean([is_rising(r) for r in records]))
    text = (
        f"{counted(len(records), 'run')} on {counted(len(images), 'image')} ({', '.join(images)}) "
        f"of {', '.join(sizes)} pixels, {counted(len(seeds), 'seed')}, "
        f"{' or '.join(map(str, steps))} steps each. {rising:.0%} of "
        "the runs were best in the last twentieth of their steps: those had not been optimised for "
        "longer than needed, as the protocol asks."
    )
    if rising > MOST_RISING or len(images) < FEWEST_IMAGES:
        text = (
            f"Too short to judge: {rising:.0%} of the runs were still getting better at their end, "
            f"and there are {counted(len(images), 'image')}. What follows shows that everything "
            f"runs, and no more. {text}"
        )
    return text


def is_rising(record: Record) -> bool:
    """Whether a run was best in the last twentieth of its steps."""
    return best_step(record) > 0.95 * float(record.curves["step"][-1])


def counted(number: int, thing: str) -> str:
    """Count things: "1 image", "2 images"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
