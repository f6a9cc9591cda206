"""A step of the networks that learn on copies, with torch's Muon and with ours, on one core.

python tests/benchmarks/optimiser.py run RESULTS.json
python tests/benchmarks/optimiser.py table RESULTS.json

Both take turns, so that whatever else the machine does hits both alike; medians are told: seconds
of a step (forward, backward and optimiser, in the precision that networks learn in here), and of
the optimiser in it.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from restoration.internal_learning.library.sizes import ENTRY, USUAL, WIDE
from restoration.internal_learning.muon import Muon
from restoration.internal_learning.pace import NUMBER, SIDE
from restoration.networks.correction import CorrectionNetwork
from restoration.networks.deblocking import DeblockingNetwork
from restoration.support.devices import precision
from restoration.support.files import write_atomically

TURNS = {"correcting": 8, "restoring": 5, "restoring, wide": 3}
OPTIMISERS = {"torch": torch.optim.Muon, "ours": Muon}


def network(name: str) -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """Make a network and what it is given."""
    image = torch.rand(NUMBER, 3, SIDE, SIDE)
    if name == "correcting":
        return CorrectionNetwork(3), (image, image)
    size = WIDE if name.endswith("wide") else USUAL
    return DeblockingNetwork(*size, ENTRY), (image, torch.zeros(NUMBER, 2))


def step(net: nn.Module, inputs: tuple[torch.Tensor, ...], optimizer) -> tuple[float, float]:
    """Take a step; tell its seconds, and those of the optimiser."""
    began = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision("cpu") != "32-true"):
        loss = net(*inputs).float().square().mean()
    loss.backward()
    learned = time.perf_counter()
    optimizer.step()
    ended = time.perf_counter()
    optimizer.zero_grad()
    return ended - began, ended - learned


def run(file: Path) -> None:
    torch.set_num_threads(1)
    rows = []
    for name, turns in TURNS.items():
        steppers = {}
        for optimiser, kind in OPTIMISERS.items():
            net, inputs = network(name)
            steppers[optimiser] = (net, inputs, kind(net.parameters(), 0.01))
        told = {optimiser: [] for optimiser in OPTIMISERS}
        for turn in range(1 + turns):
            for optimiser, stepper in steppers.items():
                seconds = step(*stepper)
                if turn:  # the first warms up
                    told[optimiser].append(seconds)
        row = {"network": name, "precision": precision("cpu")}
        for optimiser, seconds in told.items():
            whole, alone = (statistics.median(s) for s in zip(*seconds, strict=True))
            row |= {optimiser: round(whole, 4), f"{optimiser}, optimiser": round(alone, 4)}
        rows.append(row)
        print(row, flush=True)
    write_atomically(file, (json.dumps(rows, indent=1) + "\n").encode())


def table(file: Path) -> None:
    print("| network | precision | torch's Muon | of it the optimiser | ours | the optimiser |")
    print("|---|---|---|---|---|---|")
    for row in json.loads(file.read_text()):
        cells = [row["network"], row["precision"]]
        for optimiser in OPTIMISERS:
            cells += [f"{row[optimiser]:.3f}", f"{row[f'{optimiser}, optimiser']:.3f}"]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("run", "table"):
        sys.exit(__doc__)
    if sys.argv[1] == "run":
        run(Path(sys.argv[2]).resolve())
    elif Path(sys.argv[2]).is_file():
        table(Path(sys.argv[2]))
    else:
        sys.exit(f"optimiser.py: error: no results in {sys.argv[2]}; make them by run")
