"""Quality after equal steps from equal weights and equal noise: the plain loop against ours.

python tests/benchmarks/equal_steps.py run RESULTS.json     goes on where the file ends
python tests/benchmarks/equal_steps.py table RESULTS.json

PSNR of the average of the outputs. Both optimise the same function, but differ in rounding, which
a run amplifies; so the plain loop runs a second time with its weights changed by about as much.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from restoration.callbacks import OutputSmoothing
from restoration.metrics import psnr
from restoration.networks import Hourglass, fast
from restoration.support.files import write_atomically

sys.path.insert(0, str(Path(__file__).parent))
from published import plain_network
from speed import prepared

SEEDS = 24


def nudged(net: nn.Module) -> nn.Module:
    """Change a network by about a rounding error, for the part of a difference that is chance."""
    generator = torch.Generator().manual_seed(99)
    for p in net.parameters():
        p.data.mul_(1 + 1e-6 * torch.randn(p.shape, generator=generator))
    return net


def run(file: Path, steps: int = 400, size: tuple[int, int] = (128, 128)) -> None:
    """Run the seeds that the file lacks."""
    torch.set_num_threads(1)
    rows = json.loads(file.read_text()) if file.exists() else []
    with tempfile.TemporaryDirectory() as folder:
        data, _ = prepared(Path(folder), size)
    for seed in sorted(set(range(SEEDS)) - {r["seed"] for r in rows}):
        row = {"seed": seed}
        for kind in ("plain", "nudged", "ours"):
            torch.manual_seed(seed)
            net = Hourglass(3, 3)
            net = net if kind == "ours" else plain_network(net, 3)
            net = nudged(net) if kind == "nudged" else net
            fused = {"fused": True} if kind == "ours" else {}
            optimizer = torch.optim.Adam(net.parameters(), lr=0.01, **fused)
            generator, smoothing = torch.Generator().manual_seed(seed), OutputSmoothing()
            for _ in range(steps):
                optimizer.zero_grad()
                noise = torch.randn(data.batch.z.shape, generator=generator).div_(30)
                with fast.forced(True):  # also what else is for large images only
                    output = net(noise.add_(data.batch.z))
                nn.functional.mse_loss(output, data.batch.target).backward()
                optimizer.step()
                smoothing.on_train_batch_end(None, None, {"image": output.detach()}, None, 0)
            row[kind] = psnr(smoothing.average, data.truth).item()
        rows.append(row)
        print(row, flush=True)
        write_atomically(file, (json.dumps(rows, indent=1) + "\n").encode())


def table(file: Path) -> None:
    """Print the mean differences."""
    rows = json.loads(file.read_text())
    plain, other, ours = (np.array([r[k] for r in rows]) for k in ("plain", "nudged", "ours"))
    for name, difference in (
        ("ours - plain", ours - plain),
        ("ours - mean of plain and nudged", ours - (plain + other) / 2),
        ("nudged - plain", other - plain),
    ):
        error = difference.std(ddof=1) / len(rows) ** 0.5
        print(f"{name}: {difference.mean():+.3f} dB, standard error {error:.3f}, {len(rows)} seeds")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("results", type=Path)
    options = parser.parse_args()
    if options.command == "run":
        run(options.results)
    elif not options.results.is_file():
        parser.error(f"no results in {options.results}; make them by run")
    table(options.results)


if __name__ == "__main__":
    main()
