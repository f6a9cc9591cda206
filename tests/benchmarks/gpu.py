"""A step of the paper's networks on a GPU, in all ways it may be taken, and what `fit` adds to it.

python tests/benchmarks/gpu.py run RESULTS.json [--sizes 256x256 768x512] [--networks low high]
python tests/benchmarks/gpu.py fit RESULTS.json [--sizes ...] [--networks ...] [--steps 400]
python tests/benchmarks/gpu.py learning RESULTS.json
python tests/benchmarks/gpu.py table RESULTS.json

`run` times the bare loop of `turns.py` (noise, network, MSE, Adam) and the loop of published code
(`published.py`), which fetches the output at each step: milliseconds per step, and the most memory
that torch had allocated. `fit` times `restoration fit` with all callbacks at their defaults and
counts where the host waited for the device, and how often. `learning` times a step of the networks
that learn on copies, on windows of 64 x 64 pixels. Results are added to the file.
"""

import argparse
import gc
import json
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import torch

from restoration.__main__ import main as restoration
from restoration.data import SingleImage
from restoration.errors import RestorationError
from restoration.internal_learning import pace
from restoration.internal_learning.pace import SIDE
from restoration.networks import fast
from restoration.support.files import write_atomically
from restoration.task import DeepImagePrior

sys.path.insert(0, str(Path(__file__).parent))
from cost import clean_image
from optimiser import TURNS as OPTIMISED
from optimiser import network as optimised_network
from published import plain_network, plain_stepper
from turns import network, parsed_size

SECONDS = 0.7  # of each measurement, after the steps that prepare
PREPARING = 8  # steps: cuDNN chooses its algorithms


class Way(NamedTuple):
    """How a step is taken."""

    tf32: bool = True  # in convolutions, torch's default
    tried: bool = False  # cuDNN tries all algorithms at first
    bfloat16: bool = False
    graph: bool = False
    fast: bool | None = None  # see ``fast.forced``


WAYS = {
    "published loop": Way(),
    "float32": Way(tf32=False),
    "TF32": Way(),
    "TF32, tried": Way(tried=True),
    "bfloat16": Way(bfloat16=True),
    "float32, graph": Way(tf32=False, graph=True),
    "TF32, graph": Way(graph=True),
    "TF32, graph, no fast paths": Way(graph=True, fast=False),
    "TF32, tried, graph": Way(tried=True, graph=True),
    "bfloat16, tried, graph": Way(tried=True, bfloat16=True, graph=True),
}
NETWORKS = ["low", "medium", "high"]
FIT = {
    "fit": [],
    "fit, no graph": ["--model.cuda_graph", "false"],
    "fit, bfloat16": ["--trainer.precision", "bf16-mixed"],
}

LEARNING = {"learning": True, "learning, no graph": False}


def stepper(way: str, name: str, data: SingleImage):
    """One step of the optimisation as a function."""
    taken = WAYS[way]
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = taken.tf32, taken.tried
    batch = data.batch.to(torch.device("cuda"))
    net = network(name)
    if way == "published loop":
        return plain_stepper(plain_network(net, 3).cuda(), batch, data.truth)
    net.cuda()
    generator = torch.Generator("cuda").manual_seed(0)
    # a graph must not hold weights that autocast has cast and kept
    reduced = torch.autocast(
        "cuda", torch.bfloat16, enabled=taken.bfloat16, cache_enabled=not taken.graph
    )
    forward = net
    if taken.graph:
        paths = nullcontext() if taken.fast is None else fast.forced(taken.fast)
        with reduced, paths:
            forward = fast.cuda_graph.recorded(net, batch.z)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        noise = torch.randn(batch.z.shape, generator=generator, device="cuda")
        noise.div_(30).add_(batch.z)
        with nullcontext() if taken.graph else reduced:
            output = forward(noise)
        torch.nn.functional.mse_loss(output.float(), batch.target).backward()
        optimizer.step()

    return step


def timed(way: str, name: str, size: tuple[int, int]) -> dict:
    torch.manual_seed(0)
    gc.collect()  # a graph keeps its memory in a cycle
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        data = SingleImage(str(clean_image(Path(folder), size)), quality=10)
        data.setup("fit")
    step, steps = stepper(way, name, data), 0
    for _ in range(PREPARING):
        step()
    torch.cuda.synchronize()
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        for _ in range(10):
            step()
        torch.cuda.synchronize()
        steps += 10
    milliseconds = (time.perf_counter() - began) / steps * 1000
    mib = torch.cuda.max_memory_allocated() / 2**20
    return {"milliseconds": round(milliseconds, 3), "MiB": round(mib, 1)}


def fitted(way: str, name: str, size: tuple[int, int], steps: int) -> dict:
    """Time `fit`, and count the waits of the steps from the 50th to the last but ten."""
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    counted = range(50, steps - 10)
    original = DeepImagePrior.on_train_batch_start

    def watching(self, batch, batch_idx):
        if self.global_step == counted.start:
            warnings.simplefilter("always")  # fit silences those that Lightning's modules cause
        torch.cuda.set_sync_debug_mode(1 if self.global_step in counted else 0)
        return original(self, batch, batch_idx)

    with (
        tempfile.TemporaryDirectory() as folder,
        warnings.catch_warnings(record=True) as told,
        patch.object(DeepImagePrior, "on_train_batch_start", watching),
    ):
        warnings.simplefilter("always")
        image = clean_image(Path(folder), size)
        arguments = ["--config", "configs/base.yaml", "--config", f"configs/net/{name}.yaml"]
        arguments += ["--config", "configs/loss/mse.yaml", "--data.image", str(image)]
        arguments += ["--data.quality", "10", "--trainer.max_steps", str(steps), *FIT[way]]
        try:
            assert restoration(["fit", *arguments, "--folder", f"{folder}/run"]) == 0
        finally:
            torch.cuda.set_sync_debug_mode(0)
        result = json.loads(Path(folder, "run/result.json").read_text())
    places = Counter(
        f"{Path(w.filename).name}:{w.lineno}"
        for w in told
        if "called a synchronizing" in str(w.message)
    )
    return {
        "milliseconds": round(result["seconds"] / result["steps"] * 1000, 3),
        "MiB": round(torch.cuda.max_memory_allocated() / 2**20, 1),
        "waits": dict(places),
        "steps": len(counted),
        "device": result["device"],
    }


def learned(way: str, name: str) -> dict:
    """Time a step of a network that learns on copies, optimiser included, without Lightning."""
    net, inputs = optimised_network(name)
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    plain = patch.object(pace, "recorded_if_possible", lambda net, *inputs: net.forward)
    with nullcontext() if LEARNING[way] else plain, patch.object(pace, "TIMED", 50):
        seconds = pace.seconds_of_step(net, tuple(x.cuda() for x in inputs), "cuda")
    mib = torch.cuda.max_memory_allocated() / 2**20
    return {"milliseconds": round(seconds * 1000, 3), "MiB": round(mib, 1)}


def add(file: Path, row: dict) -> None:
    rows = json.loads(file.read_text()) if file.exists() else []
    row |= {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
    rows.append(row)
    write_atomically(file, (json.dumps(rows, indent=1) + "\n").encode())
    print(row, flush=True)


def measure(options: argparse.Namespace, ways: list[str], function) -> None:
    for size in options.sizes:
        for name in options.networks:
            for way in ways:
                row = {"network": name, "size": list(size), "way": way}
                try:
                    row |= function(way, name, size)
                except (RuntimeError, ValueError, AssertionError, RestorationError) as error:
                    row["error"] = " ".join(str(error).split())[:300]
                add(options.results.resolve(), row)


def table(file: Path) -> None:
    rows = json.loads(file.read_text())
    known = dict.fromkeys(r["way"] for r in rows)
    print(f"Milliseconds per step (MiB) on {', '.join(dict.fromkeys(r['card'] for r in rows))}:\n")
    print("| network | pixels | " + " | ".join(known) + " |")
    print("|---" * (len(known) + 2) + "|")
    for name, size in dict.fromkeys((r["network"], tuple(r["size"])) for r in rows):
        cells = {
            r["way"]: f"{r['milliseconds']:.1f} ({r['MiB']:.0f})" if "MiB" in r else "failed"
            for r in rows
            if (r["network"], tuple(r["size"])) == (name, size)
        }
        print(
            f"| {name} | {size[0]}x{size[1]} | "
            + " | ".join(cells.get(w, "") for w in known)
            + " |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", choices=["run", "fit", "learning", "table"])
    parser.add_argument("results", type=Path)
    parser.add_argument("--sizes", nargs="+", type=parsed_size, default=[(256, 256), (768, 512)])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--ways", nargs="+", help="as the table names them; all by default")
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    if options.what == "table":
        if not options.results.is_file():
            parser.error(f"no results in {options.results}; make them by run, fit or learning")
        table(options.results)
        return
    ways = {"run": WAYS, "fit": FIT, "learning": LEARNING}[options.what]
    if unknown := set(options.ways or ()) - set(ways):
        parser.error(f"no way {', '.join(sorted(unknown))}; there are {'; '.join(ways)}")
    if not torch.cuda.is_available():
        parser.error("there is no GPU of NVIDIA's that torch can use")
    chosen = options.ways or list(ways)
    if options.what == "run":
        measure(options, chosen, timed)
    elif options.what == "fit":
        measure(options, chosen, lambda *which: fitted(*which, steps=options.steps))
    else:
        options.sizes, options.networks = [(SIDE, SIDE)], list(OPTIMISED)
        measure(options, chosen, lambda way, name, size: learned(way, name))


if __name__ == "__main__":
    main()
