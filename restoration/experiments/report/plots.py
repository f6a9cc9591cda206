"""The report's figures, from curves and written images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from restoration.errors import RestorationError
from restoration.experiments.protocol import Cell, reported
from restoration.experiments.report.document import Figure
from restoration.experiments.report.paper import LOSSES, TITLES
from restoration.experiments.report.tables import DEFAULT_RULE, name_of
from restoration.experiments.results import Record
from restoration.jpeg import read_lossless
from restoration.run_folder import COMPARISON, RESTORED

SETTLED = 50  # steps that leave the range of the axes to those after them


def pyplot() -> Any:
    """Import matplotlib without a screen.

    Raises:
        RestorationError: it is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise RestorationError(
            'figures need matplotlib: pip install "restoration[figures]"'
        ) from error
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def drawn(name: str, caption: str, figure: Any) -> Figure:
    """Render a figure as PNG and SVG."""
    files = {}
    for form in ("png", "svg"):
        file = io.BytesIO()
        figure.savefig(file, format=form, dpi=110)
        files[form] = file.getvalue()
    pyplot().close(figure)
    return Figure(name, caption, files["png"], files["svg"])


def literal(text: str) -> str:
    """Keep matplotlib from reading a name as a formula."""
    return text.replace("$", r"\$")


def mean_curve(records: Sequence[Record], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Average a curve over runs, as far as all go, at the steps at which it was measured."""
    length = min(len(r.curves["step"]) for r in records)
    steps = records[0].curves["step"][:length]
    values = np.mean([r.curves[name][:length] for r in records], 0)
    known = np.isfinite(values)
    return steps[known], values[known]


def psnr_figure(network: str, quality: int, cells: Sequence[Cell]) -> Figure:
    """PSNR against the step, mean over the images; average best epoch and blind stop marked."""
    figure, axis = pyplot().subplots(figsize=(9, 4.6), layout="constrained")
    numbers = [len({r.image for r in cell.records}) for cell in cells]
    for cell, number in zip(cells, numbers, strict=True):
        name = "psnr" + reported(cell.configuration)
        steps, values = mean_curve(cell.records, name)
        label = literal(name_of(cell.configuration))
        label = f" {label}" if label.startswith("_") else label  # which a legend leaves out
        label += f" ({number} of {max(numbers)} images)" if number < max(numbers) else ""
        (line,) = axis.plot(steps, values, label=label, linewidth=1.1)
        marks = [(cell.epoch, np.interp(cell.epoch, steps, values), "*")]
        if all(DEFAULT_RULE in r.rules for r in cell.records):
            blind = [r.rules[DEFAULT_RULE] for r in cell.records]
            step, psnr = (np.mean([b[key] for b in blind]) for key in ("step", "psnr"))
            marks.append((step, psnr, "o"))
        for x, y, marker in marks:
            axis.plot(x, y, marker, color=line.get_color(), markersize=8)
    jpeg = np.mean([r.result["jpeg"]["psnr"] for c in cells for r in c.records])
    axis.axhline(jpeg, color="0.4", linestyle=":", label="JPEG")
    highest = max(float(line.get_ydata().max()) for line in axis.lines[:-1])
    axis.set(xlabel="step", ylabel="PSNR / dB", ylim=(min(jpeg - 7, highest - 4), None))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, ncols=2)
    caption = (
        f"PSNR per step, {network} network, quality {quality}, mean over the images. Star: average "
        "best epoch (oracle). Circle: mean step and PSNR of the smoothed output nearest to the "
        "estimate (blind)."
    )
    return drawn(f"psnr_{network}_q{quality}", caption, figure)


def figure_3(records: Sequence[Record]) -> Figure | None:
    """The paper's figure 3: loss, NMSE and divergence per step, of MSE and SURE."""
    pairs: dict[tuple[Any, ...], dict[str, Record]] = {}  # equal in all but the loss
    for r in records:
        if r.configuration.loss in ("mse", "sure"):
            key = (r.image, r.seed, r.configuration._replace(loss=""))
            pairs.setdefault(key, {})[r.configuration.loss] = r
    first = next((pair for pair in pairs.values() if len(pair) == 2), None)
    if first is None:
        return None
    figure, axes = pyplot().subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for axis, column in zip(axes, ("loss", "nmse", "divergence"), strict=True):
        for name, record in sorted(first.items()):
            values = record.curves.get(column)
            if values is not None:
                late = record.curves["step"] > min(SETTLED, record.curves["step"][-1] / 4)
                colour = f"C{LOSSES.index(name)}"  # the same in all panels
                line = {"color": colour, "label": TITLES[name], "linewidth": 0.8}
                axis.plot(record.curves["step"][late], values[late], **line)
        title = "NMSE" if column == "nmse" else column
        axis.set(title=title, xlabel="step", ylabel=title)
        axis.grid(alpha=0.3)
    axes[0].legend()
    record = first["sure"]
    caption = (
        f"Loss, NMSE and divergence per step of {record.image}, quality "
        f"{record.configuration.quality}, {record.configuration.network} network, MSE and SURE, "
        "once settled."
    )
    return drawn("figure3", caption, figure)


def figure_4(record: Record) -> Figure | None:
    """The paper's figure 4: histograms of original, JPEG and output, and the model of the JPEG."""
    from restoration.data import centre_crop
    from restoration.jpeg import compress, to_tensor
    from restoration.losses.source import Gaussian

    source, written = Path(str(record.result["image"])), record.folder / RESTORED
    if not source.is_absolute():  # of a packed run: who knows where it lay
        return None
    width, height = record.result["size"]
    try:
        clean, output = read_lossless(source), read_lossless(written)
        if clean.shape[:2] != (height, width):
            clean = centre_crop(clean, width, source)
    except RestorationError:  # missing, damaged or another: a report does without the figure
        return None
    if clean.shape[-1] != 3:
        return None
    jpeg = compress(clean, record.configuration.quality)
    model = Gaussian()(to_tensor(jpeg.pixels)).squeeze(0)
    figure, axes = pyplot().subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for c, (axis, colour) in enumerate(zip(axes, ("red", "green", "blue"), strict=True)):
        for name, pixels in (("original", clean), ("JPEG", jpeg.pixels), ("output", output)):
            counts = np.bincount(pixels[..., c].ravel(), minlength=256) / pixels[..., c].size
            axis.plot(counts, label=name, linewidth=0.8)
        axis.plot(model[c], "k--", label="model Q", linewidth=0.8)
        axis.set(title=colour, xlabel="level", ylabel="share of the pixels")
    axes[0].legend()
    caption = (
        f"Channel histograms of {record.image}, quality {record.configuration.quality}, "
        f"{name_of(record.configuration)}: original, JPEG, output and the Gaussian model."
    )
    return drawn("figure4", caption, figure)


def panels(record: Record) -> Figure | None:
    """Figures 1 and 5: the run's own sheet, JPEG | restored | original."""
    sheet = record.folder / COMPARISON
    try:
        read_lossless(sheet)
    except RestorationError:  # missing or cut
        return None
    quality = record.configuration.quality
    known = {"JPEG": record.result["jpeg"], "restored": record.result.get("projected")}
    measured = all(scores["ms_ssim"] is not None for scores in known.values() if scores)
    scores = ", ".join(
        f"{label} {scores['psnr']:.2f} dB" + (f" / {scores['ms_ssim']:.4f}" if measured else "")
        for label, scores in known.items()
        if scores
    )
    caption = (
        f"{record.image}, quality {quality}, {record.configuration.network} network, "
        f"{name_of(record.configuration)}: {scores} (PSNR{' / MS-SSIM' if measured else ''})."
    )
    name = f"panels_{record.image}_{record.configuration.network}_q{quality}"
    return Figure(name, caption, sheet.read_bytes())
