"""The report as a whole: what it says, in its order."""

from __future__ import annotations

from collections.abc import Sequence

from restoration.experiments.protocol import better_weights, cells_of
from restoration.experiments.report import plots, tables
from restoration.experiments.report.claims import beats_jpeg, claims
from restoration.experiments.report.document import Document, Figure
from restoration.experiments.report.seeds import seed_table
from restoration.experiments.results import Record


def report(records: Sequence[Record], missing: Sequence[str], others: Sequence[Record]) -> Document:
    """Build the report.

    Args:
        records: Finished runs.
        missing: A line for each run that was begun and is not.
        others: Runs that are left out, since their settings are others.
    """
    cells = cells_of(records)
    best = better_weights(cells)
    document = Document("JPEG restoration without ground truth: results")
    document.parts.append(tables.coverage(records))
    if missing:
        document.parts.append(
            f"{len(missing)} runs were begun and left no result; their cells rest on fewer runs: "
            + "; ".join(missing[:10])
            + ("; ..." if len(missing) > 10 else "")
        )
    if others:
        document.parts.append(left_out(others))
    document.add("Table 3: the JPEGs", tables.table_3(records))
    document.add(
        "Tables 1 and 2: the paper's protocol",
        "Every image at the average best epoch of its configuration, which takes the truth (an "
        "oracle), and the better lambda of each cell, of those with most runs. Smoothed outputs "
        "where the loss has MSE, the outputs themselves with SURE. The paper's values are means "
        "over 24 whole Kodak images: other images, crops or fewer steps are another experiment, "
        "and only differences between cells compare.",
    )
    readings = {c.reading for c in cells}
    for reading in sorted(readings, key=str):
        for skips in sorted({c.skips for c in cells}, reverse=True):
            if reading is None or any(c.reading == reading and c.skips == skips for c in cells):
                document.parts.append(
                    f"Skip connections {'on' if skips else 'off'}, combined losses in the reading: "
                    f"{reading or 'default'}."
                )
                document.parts.append(tables.table_1(best, skips, reading))
    document.add(
        "What can be had blind",
        "Mean PSNR in dB of outputs that no truth chose, beside the oracle's. MS-SSIM, chroma PSNR "
        "and CIEDE2000 are those of the projected image, which is the result of a run.",
        tables.blind_table(cells),
        "Training-free baselines on the same images:",
        tables.baseline_table(records),
    )
    if spread := seed_table(cells):
        document.add(
            "Spread over seeds",
            "Mean over seeds of the mean over images, and its standard deviation: how far the "
            "cell moves with another seed. Of one image: how far the PSNR or MS-SSIM of a single "
            "image does. Only images that have all seeds are taken.",
            spread,
        )
    document.add(
        "Rules that stop without the truth",
        "Gap in dB between the best step of each image and the step that a rule chose: mean, worst "
        "image, mean step. Last step: the fixed number of steps.",
        tables.rule_table(cells),
    )
    document.add(
        "The paper's claims",
        "Differences between runs that are equal in all else, at average best epochs; 95 % "
        "confidence intervals by the bootstrap over images, as wide as few of them demand.",
        claims(cells, best),
        beats_jpeg(best),
    )
    document.add("Figures", *figures(records, cells, best))
    return document


def left_out(others: Sequence[Record]) -> str:
    """Tell of runs that the report leaves out."""
    number = "1 run is" if len(others) == 1 else f"{len(others)} runs are"
    return (
        f"{number} left out, of other settings in the sweep than most (steps or crop, say): "
        f"{others[0].folder}, for one. A report of their own wants a folder "
        "of their own."
    )


def figures(records: Sequence[Record], cells: tables.Cells, best: tables.Cells) -> list[Figure]:
    """Draw what the runs allow."""
    drawn: list[Figure | None] = []
    with_skips = [cell for c, cell in best.items() if c.skips] or list(best.values())
    kinds = sorted({(c.configuration.network, c.configuration.quality) for c in with_skips})
    for network, quality in kinds:
        some = [
            c
            for c in with_skips
            if (c.configuration.network, c.configuration.quality) == (network, quality)
        ]
        drawn.append(plots.psnr_figure(network, quality, some))
    drawn.append(plots.figure_3(records))
    combined = [r for r in records if r.configuration.loss == "kl_q_mse"]
    # of the first run whose images are there
    histograms = (plots.figure_4(record) for record in combined or plain(records))
    drawn.append(next(filter(None, histograms), None))
    drawn += [plots.panels(record) for record in sheets(records)]
    return [figure for figure in drawn if figure is not None]


def plain(records: Sequence[Record]) -> list[Record]:
    """Return the runs of MSE with skip connections, or all where there are none."""
    some = [r for r in records if r.configuration.loss == "mse" and r.configuration.skips]
    return some or list(records)


def sheets(records: Sequence[Record]) -> list[Record]:
    """Choose the runs whose sheets are shown: one image, every network and quality."""
    some = plain(records)
    image = some[0].image
    first = [r for r in reversed(some) if r.image == image]
    chosen = {(r.configuration.network, r.configuration.quality): r for r in first}
    return [record for _, record in sorted(chosen.items())]
