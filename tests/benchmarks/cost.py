"""What a step costs: each loss against MSE, the bare loop against ``fit``, memory of the KL term.

python tests/benchmarks/cost.py [--size 768x512] [--rounds 10] [--fit-steps 400] [--json FILE]

Run it on a quiet machine. Losses take turns step by step, so that drift hits all alike; medians are
reported. The overhead of ``fit`` is the share of its time outside forward, backward and optimiser,
which a bare loop has too; its time is printed beside the bare loop's, which ran before and after.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from restoration.batch import Batch
from restoration.data import SingleImage
from restoration.inputs import DecodedJPEG
from restoration.losses import MSE, SURE, KLDivergence, Loss, WeightedSum
from restoration.networks import Hourglass
from restoration.support.cpu_settings import keep_freed_memory
from restoration.support.files import find

sys.path.insert(0, str(Path(__file__).parent))
from turns import peak_mib

LOSSES: dict[str, Loss] = {
    "mse": MSE(),
    "kl_p_mse": WeightedSum(KLDivergence("P"), MSE()),
    "kl_q_mse": WeightedSum(KLDivergence("Q"), MSE()),
    "kl_q_mse counted": WeightedSum(KLDivergence("Q", histogram="hard"), MSE(), data_range=1),
    "sure": SURE(),
    "sure forward mode": SURE(forward_mode=True),
    "kl_q_sure": WeightedSum(KLDivergence("Q"), SURE()),
}


def clean_image(folder: Path, size: tuple[int, int]) -> Path:
    """The sample photograph, enlarged."""
    path = folder / "photo.png"
    with Image.open(find("samples/coffee.png")) as image:
        image.resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def stepper(loss: Loss, batch: Batch):
    """One optimiser step of the low network as a function, without Lightning."""
    torch.manual_seed(0)
    net = Hourglass()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        loss(net(batch.z), batch, net)["loss"].backward()
        optimizer.step()

    return step


def loop(batch: Batch, steps: int) -> float:
    """Seconds per step of the bare loop that ``fit`` runs: perturbation, MSE, Adam."""
    torch.manual_seed(0)
    net, generator = Hourglass(), torch.Generator()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, fused=True)
    began = time.perf_counter()
    for _ in range(steps):
        optimizer.zero_grad()
        noise = torch.randn(batch.z.shape, generator=generator)
        torch.nn.functional.mse_loss(net(noise.div_(30).add_(batch.z)), batch.target).backward()
        optimizer.step()
    return (time.perf_counter() - began) / steps


def fit(image: Path, folder: Path, steps: int) -> tuple[float, float]:
    """Seconds per step of ``restoration fit``, callbacks at their defaults: all, and the core."""
    from restoration.__main__ import main
    from restoration.task import DeepImagePrior

    core = 0.0
    original = DeepImagePrior.optimizer_step

    def timed(self, *arguments, **keywords):
        nonlocal core
        began = time.perf_counter()
        original(self, *arguments, **keywords)  # forward, loss, backward and Adam
        core += time.perf_counter() - began

    DeepImagePrior.optimizer_step = timed
    os.chdir(folder)
    arguments = ["--config", "configs/quickstart.yaml", "--data.image", str(image)]
    assert main(["fit", *arguments, "--trainer.max_steps", str(steps), "--name", "cost"]) == 0
    result = json.loads((folder / "lightning_logs/cost/version_0/result.json").read_text())
    return result["seconds"] / result["steps"], core / result["steps"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="768x512")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fit-steps", type=int, default=400)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    keep_freed_memory()  # as ``fit`` does
    width, height = map(int, options.size.split("x"))
    destination = options.json and options.json.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = clean_image(folder, (width, height))
        data = SingleImage(str(image), quality=10, input=DecodedJPEG())
        data.setup("fit")
        if options.memory:
            step = stepper(LOSSES[options.memory], data.batch)
            for _ in range(4):
                step()
            print(peak_mib())
            return
        report = {"size": [width, height], "threads": torch.get_num_threads()}

        steps = {name: stepper(loss, data.batch) for name, loss in LOSSES.items()}
        times: dict[str, list[float]] = {name: [] for name in steps}
        for turn in range(options.rounds + 1):
            for name, step in steps.items():
                began = time.perf_counter()
                step()
                if turn:  # the first round warms up
                    times[name].append(time.perf_counter() - began)
        ratios = {n: np.array(t) / np.array(times["mse"]) for n, t in times.items()}
        report["losses"] = {
            name: {"seconds": statistics.median(times[name]), "ratio": float(np.median(ratio))}
            for name, ratio in ratios.items()
        }
        print(f"{'loss':<20}{'s/step':>8}{'/ mse':>8}")
        for name, row in report["losses"].items():
            print(f"{name:<20}{row['seconds']:8.3f}{row['ratio']:8.3f}")

        peaks = {
            name: float(
                subprocess.run(
                    [sys.executable, __file__, "--size", options.size, "--memory", name],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout
            )
            for name in ("mse", "kl_q_mse", "kl_q_mse counted", "sure")
        }
        images = {
            n: (p - peaks["mse"]) / (width * height * 3 * 4 / 2**20) for n, p in peaks.items()
        }
        report["peak_mib"] = peaks
        report["images_above_mse"] = images
        for name, peak in peaks.items():
            print(f"peak {name:<15}{peak:8.0f} MiB, {images[name]:+.1f} images above mse")

        if options.fit_steps:
            bare = [loop(data.batch, 30)]
            full, core = fit(image, folder, options.fit_steps)
            bare.append(loop(data.batch, 30))
            report |= {"bare": bare, "fit": full, "core": core, "overhead": full / core - 1}
            print(f"bare loop {bare[0]:.4f} and {bare[1]:.4f} s/step")
            print(f"fit {full:.4f} s/step, of which core {core:.4f}: {full / core - 1:+.1%}")
    if destination:
        destination.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
