"""Each run with SURE: how good it is, and whether and when its divergence runs away.

python tests/benchmarks/sure_runs.py tests/benchmarks/results/desk/runs.zip
"""

import argparse

import numpy as np
from run_and_table import runs_given

from restoration.experiments.protocol import cells_of, mean_difference, paired
from restoration.experiments.results import Record

HEAD = ["quality", "loss", "image", "average best epoch", "stopped and projected"]
HEAD += ["least divergence / values", "below -1 from step", "least PSNR then", "PSNR at the end"]


def runaway(record: Record) -> list[str]:
    """Where the divergence is least, from where on below minus the number of values, and PSNR."""
    curves = record.curves
    shares = curves["divergence"] / (3 * np.prod(record.result["size"]))
    away = np.flatnonzero(shares < -1)
    least = f"{np.nanmin(shares):.1f}"
    if not len(away):
        return [least, "", "", ""]
    psnr = curves["psnr"][away[0] :]
    return [least, f"{curves['step'][away[0]]:.0f}", f"{np.nanmin(psnr):.1f}", f"{psnr[-1]:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    _, records = runs_given(parser)
    cells = cells_of(r for r in records if "divergence" in r.curves)
    if not cells:
        parser.error("no runs with SURE there")
    projected = {
        c: {(r.image, r.seed): float(r.result["projected"]["psnr"]) for r in cell.records}
        for c, cell in cells.items()
    }
    print(f"| {' | '.join(HEAD)} |")
    print("|---" * len(HEAD) + "|")
    for c, cell in sorted(cells.items(), key=str):
        for r in sorted(cell.records, key=lambda r: (r.image, r.seed)):
            known = (f"{values[r.image, r.seed]:.2f}" for values in (cell.psnr, projected[c]))
            print(f"| {' | '.join([str(c.quality), c.loss, r.image, *known, *runaway(r)])} |")
    for c, cell in cells.items():
        plain = c._replace(loss="sure", weight=None, reading=None)
        if plain != c and plain in cells:
            value, low, high = mean_difference([paired(projected[c], projected[plain])])
            print(f"\nquality {c.quality}, {c.loss} less SURE, projected: {value:+.3f} dB", end="")
            print(f" ({low:+.3f} to {high:+.3f})" if np.isfinite(low) else "")
            for (image, _), difference in sorted(paired(cell.psnr, cells[plain].psnr).items()):
                print(f"{image} at the average best epochs: {difference:+.2f} dB")


if __name__ == "__main__":
    main()
