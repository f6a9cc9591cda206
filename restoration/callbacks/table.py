"""The table on the screen at the end of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from restoration.callbacks.keep import BestStep

# What every run has, and its keys in the result file; what callbacks have kept follows
ROWS = {"JPEG": "jpeg", "output": "final", "smoothed": "smoothed", "projected": "projected"}


def show(result: dict[str, Any], image: Path) -> None:
    """Print the final table on stdout, and where the restored image lies."""
    rows = {name: result[key] or {} for name, key in ROWS.items()}
    kept = {k: v for k, v in result.items() if isinstance(v, dict) and "title" in v}
    for key in sorted(kept, key=lambda key: key == BestStep.name):  # the oracle last
        oracle = ", oracle" if key == BestStep.name else ""
        rows[f"{kept[key]['title']} (step {kept[key]['step']}{oracle})"] = kept[key]
    console = Console()
    title = f"{escape(Path(result['image']).name)}, {result['steps']} steps"
    table = Table("", "PSNR / dB", "MS-SSIM", title=title)
    for name, row in rows.items():
        if "psnr" in row:
            table.add_row(escape(name), number(row["psnr"], ".2f"), number(row["ms_ssim"], ".4f"))
    if table.row_count:
        console.print(table)
    console.print(f"restored image: {image}", soft_wrap=True, highlight=False, markup=False)


def number(value: float | None, form: str) -> str:
    """Format a number; a dash stands for one that is not defined."""
    return "-" if value is None else format(value, form)
