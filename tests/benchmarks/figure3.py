"""The paper's figure 3 from two runs' curves: loss, NMSE and divergence per step.

python tests/benchmarks/figure3.py OUT.png NAME=RUN_FOLDER...

The runs must have logged every step (--curves.every 1 --quality.every 1); a run that minimises the
data term alone logs its divergence with loss/sure.yaml and --model.loss.divergence_weight 0.
"""

import argparse
import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

SETTLED = 50  # steps that leave the range of the axes to those after them
PANELS = {"loss": "loss", "nmse": "NMSE", "divergence": "divergence"}


def curve(folder: Path, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of one column of a run."""
    with open(folder / "curves.csv") as file:
        rows = [row for row in csv.DictReader(file) if row[column]]
    return np.array([int(r["step"]) for r in rows]), np.array([float(r[column]) for r in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("destination", type=Path, metavar="OUT.png")
    parser.add_argument("runs", nargs="+", metavar="NAME=RUN_FOLDER")
    options = parser.parse_args()
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for axis, (column, title) in zip(axes, PANELS.items(), strict=True):
        settled = []
        for run in options.runs:
            name, folder = run.split("=", 1)
            steps, values = curve(Path(folder), column)
            axis.plot(steps, values, label=name, linewidth=0.8)
            settled.append(values[steps > SETTLED])
        shown = np.concatenate(settled)
        margin = 0.05 * np.ptp(shown)
        axis.set(title=title, xlabel="step", ylim=(shown.min() - margin, shown.max() + margin))
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(options.destination, dpi=110)


if __name__ == "__main__":
    main()
