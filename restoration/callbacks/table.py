"""The table on the screen at the end of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

ROWS = {  # of the final table, and the keys of the result file
    "JPEG": "jpeg",
    "raw": "final",
    "smoothed": "smoothed",
    "projected": "projected",
    "least SURE (step {step})": "least_sure",
    "nearest estimate (step {step})": "nearest_estimate",
    "nearest re-JPEG (step {step})": "nearest_rejpeg",
    "discrepancy (step {step})": "discrepancy",
    "block contrast (step {step})": "block_contrast",
    "least variance (step {step})": "moving_variance",
    "best (step {step}, oracle)": "best",
}


def show(result: dict[str, Any], image: Path) -> None:
    """Print the final table on stdout, and where the restored image lies."""
    console = Console()
    title = f"{escape(Path(result['image']).name)}, {result['steps']} steps"
    table = Table("", "PSNR / dB", "MS-SSIM", title=title)
    for name, key in ROWS.items():
        row = result.get(key)
        if row is not None and "psnr" in row:
            label = name.format(step=row.get("step"))
            table.add_row(label, number(row["psnr"], ".2f"), number(row["ms_ssim"], ".4f"))
    if table.row_count:
        console.print(table)
    console.print(f"restored image: {image}", soft_wrap=True, highlight=False, markup=False)


def number(value: float | None, form: str) -> str:
    """Format a number; a dash stands for one that is not defined."""
    return "-" if value is None else format(value, form)
