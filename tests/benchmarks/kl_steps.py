"""What the KL term beside MSE changes at each step of the runs, not only at the best one.

python tests/benchmarks/kl_steps.py tests/benchmarks/results/desk/runs.zip [--steps 400 2400]
    [--term P] [--weight 100]
"""

import argparse
from math import isfinite

from run_and_table import runs_given

from restoration.experiments.protocol import mean_difference, paired, value_at
from restoration.experiments.results import Record

STEPS = (400, 600, 800, 1000, 1200, 1600, 2400, 3600, 4800)


def values(records: list[Record], quality: int, loss: str, weight: float | None, step: int) -> dict:
    """PSNR of the smoothed outputs at a step, by image and seed; low network with skips."""
    return {
        (r.image, r.seed): value_at(r, "psnr_smoothed", step)
        for r in records
        if r.configuration == (quality, "low", True, loss, weight, None)
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--steps", nargs="+", type=int, default=STEPS)
    parser.add_argument("--term", choices=("P", "Q"), default="Q", help="L_P or L_Q")
    parser.add_argument("--weight", type=float, default=10.0, help="lambda")
    options, records = runs_given(parser)
    term, weight = options.term, options.weight
    kl = f"kl_{term.lower()}_mse"
    losses = {kl: weight, "mse": None}
    if (kl, weight) not in {(r.configuration.loss, r.configuration.weight) for r in records}:
        parser.error(f"no runs of L_{term} + {weight:g} MSE there")
    print(f"| quality | step | L_{term} + {weight:g} MSE, less MSE / dB | 95 % interval | images |")
    print("|---|---|---|---|---|")
    for quality in sorted({r.configuration.quality for r in records}):
        for step in options.steps:
            both = (values(records, quality, loss, own, step) for loss, own in losses.items())
            pairs = paired(*both)
            if not pairs:  # nothing has run there
                continue
            value, low, high = mean_difference([pairs])
            interval = f"{low:+.3f} to {high:+.3f}" if isfinite(low) else ""
            print(f"| {quality} | {step} | {value:+.3f} | {interval} | {len(pairs)} |")


if __name__ == "__main__":
    main()
