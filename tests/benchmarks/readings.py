"""Readings of the paper's KL term and lambdas beside each other: what each adds to MSE alone.

python tests/benchmarks/readings.py tests/benchmarks/results/readings.zip
"""

import argparse

import numpy as np
from run_and_table import runs_given

from restoration.experiments.protocol import Cell, cells_of, paired
from restoration.experiments.report.paper import TABLES
from restoration.experiments.report.tables import is_rising

HEAD = ["network", "quality", "loss", "reading", "lambda", "PSNR", "gain / dB", "least"]
HEAD += ["most", "paper's gain", "average best epoch", "still rising", "images"]


def row(cell: Cell, mse: Cell) -> list[str]:
    """One configuration at its average best epoch, and what it gains over MSE at its own."""
    c = cell.configuration
    gains = list(paired(cell.psnr, mse.psnr).values())
    key = c.network, c.quality, c.loss
    paper = TABLES[key][0] - TABLES[c.network, c.quality, "mse"][0]
    return [
        c.network,
        str(c.quality),
        c.loss,
        c.reading or "",
        "" if c.weight is None else f"{c.weight:g}",
        f"{cell.mean_psnr:.2f}",
        *(f"{x:+.2f}" for x in (np.mean(gains), min(gains), max(gains))),
        f"{paper:+.2f}",
        f"{cell.epoch:.0f}",
        f"{np.mean([is_rising(r) for r in cell.records]):.0%}",
        str(len(cell.psnr)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    _, records = runs_given(parser)
    cells = cells_of(records)
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for c in sorted(cells, key=lambda c: (c.quality, c.loss, c.reading or "", c.weight or 0)):
        mse = c._replace(loss="mse", weight=None, reading=None)
        if mse in cells and (c.network, c.quality, c.loss) in TABLES:
            print(f"| {' | '.join(row(cells[c], cells[mse]))} |")


if __name__ == "__main__":
    main()
