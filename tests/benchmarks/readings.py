"""Readings of the paper's KL term and lambdas beside each other: what each adds to MSE alone.

python tests/benchmarks/readings.py tests/benchmarks/results/readings.zip
"""

import argparse
from pathlib import Path

import numpy as np

from restoration.errors import RestorationError
from restoration.experiments.archive import unpacked
from restoration.experiments.protocol import Cell, cells_of, mean_difference, paired
from restoration.experiments.report.paper import TABLES
from restoration.experiments.report.tables import is_rising
from restoration.experiments.results import read_records

HEAD = ["network", "quality", "loss", "reading", "lambda", "PSNR", "gain / dB", "95 % interval"]
HEAD += ["paper's gain", "average best epoch", "still rising", "images"]


def row(cell: Cell, mse: Cell) -> list[str]:
    """One configuration at its average best epoch, and what it gains over MSE at its own."""
    c = cell.configuration
    value, low, high = mean_difference([paired(cell.psnr, mse.psnr)])
    key = c.network, c.quality, c.loss
    paper = TABLES[key][0] - TABLES[c.network, c.quality, "mse"][0]
    return [
        c.network,
        str(c.quality),
        c.loss,
        c.reading or "",
        "" if c.weight is None else f"{c.weight:g}",
        f"{cell.mean_psnr:.2f}",
        f"{value:+.2f}",
        f"{low:+.2f} to {high:+.2f}",
        f"{paper:+.2f}",
        f"{cell.epoch:.0f}",
        f"{np.mean([is_rising(r) for r in cell.records]):.0%}",
        str(len(cell.psnr)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", type=Path, help="folder, or what report --pack made")
    options = parser.parse_args()
    try:
        with unpacked(options.runs) as folder:
            records, _ = read_records(folder)
    except RestorationError as error:
        parser.error(str(error))
    cells = cells_of(records)
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for c in sorted(cells, key=lambda c: (c.quality, c.loss, c.reading or "", c.weight or 0)):
        mse = c._replace(loss="mse", weight=None, reading=None)
        if mse in cells and (c.network, c.quality, c.loss) in TABLES:
            print(f"| {' | '.join(row(cells[c], cells[mse]))} |")


if __name__ == "__main__":
    main()
