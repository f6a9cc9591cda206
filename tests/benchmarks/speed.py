"""A step of the plain loop, as published code of the deep image prior does it, against ours.

python tests/benchmarks/speed.py RESULTS.json [--sizes 256x256 768x512] [--networks low medium high]
python tests/benchmarks/speed.py table RESULTS.json
python tests/benchmarks/speed.py profile [low] [768x512]   one step by operator

The plain loop is written here: a module per layer with reflection padding and upsampling modules,
Adam as it comes, the noise saved and copied, and at every step the output on the host for the
moving average and the PSNR. It has our network's very weights, so both optimise the same function.
Plain loop, bare loop (network, loss, Adam) and ``fit`` (all callbacks at their defaults) have a
process each, the last two with ``restoration.support.cpu_settings``. They take turns, so that
whatever else the machine does hits all alike; the median of the turns is told. Peak memory is the
process's, less what it takes before the network.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
import yaml
from torch import nn

from restoration.data import SingleImage
from restoration.networks import Hourglass, Level
from restoration.support.cpu_settings import keep_freed_memory, set_waiting
from restoration.support.files import find, write_atomically

sys.path.insert(0, str(Path(__file__).parent))
from cost import clean_image, peak_mib

ROUNDS = {"low": 16, "medium": 10, "high": 1}
TURN = 4  # steps, after one that wakes the process and is not counted
FIT_STEPS = 400  # what is done once, as writing the result, is a share of the steps that a run has


def plain_block(inputs, outputs, kernel, stride=1):
    return [
        nn.ReflectionPad2d(kernel // 2),
        nn.Conv2d(inputs, outputs, kernel, stride),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2),
    ]


class Concat(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def plain_level(level: Level, inputs: int) -> nn.Sequential:
    filters = level.filters
    inside = [*plain_block(inputs, filters, 3, 2), *plain_block(filters, filters, 3)]
    if level.deeper is not None:
        inside.append(plain_level(level.deeper, filters))
    mode = "nearest" if level.nearest else "bilinear"
    inside.append(nn.Upsample(scale_factor=2, mode=mode))
    body = nn.Sequential(*inside)
    skip = level.skip.convolution.out_channels if level.skip is not None else 0
    joined = level.norm.num_features
    first = Concat(nn.Sequential(*plain_block(inputs, skip, 1)), body) if skip else body
    return nn.Sequential(
        first,
        nn.BatchNorm2d(joined),
        *plain_block(joined, filters, 3),
        *plain_block(filters, filters, 1),
    )


def plain_network(ours: Hourglass, depth: int) -> nn.Sequential:
    """The same function as a module per layer, with the same weights."""
    head = nn.Conv2d(*reversed(ours.head.weight.shape[:2]), 1)
    net = nn.Sequential(plain_level(ours.level, depth), head, nn.Sigmoid())
    # both register their layers in the order in which data passes them
    for theirs, own in zip(net.parameters(), ours.parameters(), strict=True):
        theirs.data.copy_(own.data)
    return net


def network(name: str) -> Hourglass:
    options = yaml.safe_load(find(f"configs/net/{name}.yaml").read_text())["model"]["net"]
    torch.manual_seed(0)
    return Hourglass(3, 3, **options["init_args"])


def plain_stepper(net, batch, truth):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    loss_function = nn.MSELoss()
    saved, noise = batch.z.detach().clone(), batch.z.detach().clone()
    state = {"average": None, "psnr": []}
    original = truth[0].numpy()

    def step():
        optimizer.zero_grad()
        output = net(saved + noise.normal_() / 30)
        if state["average"] is None:
            state["average"] = output.detach()
        else:
            state["average"] = state["average"] * 0.99 + output.detach() * 0.01
        loss = loss_function(output, batch.target)
        loss.backward()
        picture = np.clip(state["average"].cpu().numpy()[0], 0, 1)
        state["psnr"].append(-10 * np.log10(((picture - original) ** 2).mean()))
        loss.item()
        optimizer.step()

    return step


def bare_stepper(net, batch):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, fused=True)
    generator = torch.Generator().manual_seed(0)

    def step():
        optimizer.zero_grad()
        noise = torch.randn(batch.z.shape, generator=generator).div_(30).add_(batch.z)
        nn.functional.mse_loss(net(noise), batch.target).backward()
        optimizer.step()

    return step


class Stepper:
    """A process that does steps of one kind when it is asked to."""

    def __init__(self, kind: str, name: str, size: tuple[int, int]) -> None:
        command = [sys.executable, __file__, "serve", kind, name, "x".join(map(str, size))]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(kind),
        )

    def turn(self) -> tuple[float, float]:
        """Seconds per step of a turn, and peak memory in MiB so far."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, mib = self.process.stdout.readline().split()
        return float(seconds), float(mib)

    def end(self) -> None:
        self.process.communicate()


def environment(kind: str) -> dict[str, str]:
    if kind == "bare":
        with patch.dict(os.environ):
            set_waiting()
            return dict(os.environ)
    return dict(os.environ)


def serve(kind: str, name: str, size: tuple[int, int]) -> None:
    if kind == "bare":
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        data, _ = prepared(Path(folder), size)
    before = peak_mib()
    net = network(name)
    if kind == "plain":
        step = plain_stepper(plain_network(net, 3), data.batch, data.truth)
    else:
        step = bare_stepper(net, data.batch)
    for _ in sys.stdin:
        step()
        began = time.perf_counter()
        for _ in range(TURN):
            step()
        print((time.perf_counter() - began) / TURN, peak_mib() - before, flush=True)


def fit_seconds(image: Path, name: str, steps: int) -> float:
    """Seconds per step of ``restoration fit``, from the result file."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--config", "configs/base.yaml", "--config", f"configs/net/{name}.yaml"]
        arguments += ["--config", "configs/loss/mse.yaml", "--data.image", str(image)]
        arguments += ["--data.quality", "10", "--trainer.max_steps", str(steps)]
        command = [sys.executable, "-m", "restoration", "fit", *arguments, "--folder", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        result = json.loads((Path(folder) / "result.json").read_text())
    return result["seconds"] / result["steps"]


def measure(name: str, size: tuple[int, int], data: SingleImage, image: Path, fits: bool) -> dict:
    ours = network(name)
    with torch.no_grad():
        difference = plain_network(ours, 3)(data.batch.z) - ours(data.batch.z)
    assert difference.abs().max() < 1e-4, difference
    kinds = {kind: Stepper(kind, name, size) for kind in ("plain", "bare")}
    steps = {kind: [] for kind in kinds}
    for _ in range(ROUNDS[name]):
        for kind, stepper in kinds.items():
            steps[kind].append(stepper.turn())
    seconds = {k: statistics.median(s for s, _ in steps[k]) for k in kinds}
    row = seconds | {f"{kind} MiB": steps[kind][-1][1] for kind in kinds}
    if fits:
        row["fit"] = fit_seconds(image, name, FIT_STEPS)
        after = statistics.median(kinds["bare"].turn()[0] for _ in range(ROUNDS[name]))
        row["bare around fit"] = (row["bare"] + after) / 2
    for stepper in kinds.values():
        stepper.end()
    return {"network": name, "size": list(size), "threads": torch.get_num_threads(), **row}


def prepared(folder: Path, size: tuple[int, int]) -> tuple[SingleImage, Path]:
    image = clean_image(folder, size)
    torch.manual_seed(0)
    data = SingleImage(str(image), quality=10)
    data.setup("fit")
    return data, image


def profile(name: str, size: tuple[int, int]) -> None:
    from torch.profiler import profile as profiler

    with tempfile.TemporaryDirectory() as folder:
        data, _ = prepared(Path(folder), size)
        step = bare_stepper(network(name), data.batch)
        step()
        with profiler() as result:
            step()
    print(result.key_averages().table(sort_by="self_cpu_time_total", row_limit=15))


def table(file: Path) -> None:
    print("| network | pixels | published loop | ours | ratio | ratio of `fit` | memory |")
    print("|---|---|---|---|---|---|---|")
    for r in json.loads(file.read_text()):
        # the machine's pace while fit ran was that of the bare loop around it
        fit = r["plain"] / r["bare"] * r["bare around fit"] / r["fit"] if "fit" in r else None
        cells = [
            r["network"],
            "x".join(map(str, r["size"])),
            f"{r['plain']:.3f}",
            f"{r['bare']:.3f}",
            f"{r['plain'] / r['bare']:.2f}",
            "" if fit is None else f"{fit:.2f}",
            f"{r['bare MiB'] / r['plain MiB']:.2f}",
        ]
        print("| " + " | ".join(cells) + " |")


def parsed(size: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", size)
    assert match
    return int(match[1]), int(match[2])


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], sys.argv[3], parsed(sys.argv[4]))
        return
    if sys.argv[1:2] == ["table"]:
        if not (len(sys.argv) == 3 and Path(sys.argv[2]).is_file()):
            sys.exit(f"speed.py: error: table needs a results file, not {sys.argv[2:]}")
        table(Path(sys.argv[2]))
        return
    if sys.argv[1:2] == ["profile"]:
        options = [*sys.argv[2:], *("low", "768x512")[len(sys.argv) - 2 :]]
        profile(options[0], parsed(options[1]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--sizes", nargs="+", type=parsed, default=[(256, 256), (768, 512)])
    parser.add_argument("--networks", nargs="+", default=["low", "medium", "high"])
    parser.add_argument("--fit", action="store_true", help="time fit too")
    options = parser.parse_args()
    rows, destination = [], options.results.resolve()
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            data, image = prepared(Path(folder), size)
            for name in options.networks:
                rows.append(measure(name, size, data, image, options.fit))
                print(rows[-1], flush=True)
                write_atomically(destination, (json.dumps(rows, indent=1) + "\n").encode())
    table(destination)


if __name__ == "__main__":
    main()
