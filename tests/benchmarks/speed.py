"""A step of the plain loop, as published code of the deep image prior does it, against ours.

python tests/benchmarks/speed.py RESULTS.json [--sizes 256x256 768x512] [--networks low medium high]
python tests/benchmarks/speed.py table RESULTS.json
python tests/benchmarks/speed.py profile [low] [768x512]   one step by operator

The plain loop (``published``) has our network's very weights, so both optimise the same function.
Plain loop, bare loop (network, loss, Adam) and ``fit`` (all callbacks at their defaults) have a
process each, the last two with ``restoration.support.cpu_settings``. They take turns, so that
whatever else the machine does hits all alike; the median of the turns is told. Peak memory is the
process's, less what it takes before the network.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import torch

from restoration.data import SingleImage
from restoration.support.cpu_settings import keep_freed_memory, set_waiting
from restoration.support.files import write_atomically

sys.path.insert(0, str(Path(__file__).parent))
from cost import clean_image
from published import plain_network, plain_stepper
from turns import Turns, bare_stepper, network, parsed_size, peak_mib, take_turns

ROUNDS = {"low": 16, "medium": 10, "high": 1}
FIT_STEPS = 400  # what is done once, as writing the result, is a share of the steps that a run has


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
        step = bare_stepper(net, data.batch.z, data.batch.target)
    take_turns(step, before)


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
    arguments = name, "x".join(map(str, size))
    kinds = {
        kind: Turns([__file__, "serve", kind, *arguments], environment(kind))
        for kind in ("plain", "bare")
    }
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
        step = bare_stepper(network(name), data.batch.z, data.batch.target)
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


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2], sys.argv[3], parsed_size(sys.argv[4]))
        return
    if sys.argv[1:2] == ["table"]:
        if not (len(sys.argv) == 3 and Path(sys.argv[2]).is_file()):
            sys.exit(f"speed.py: error: table needs a results file, not {sys.argv[2:]}")
        table(Path(sys.argv[2]))
        return
    if sys.argv[1:2] == ["profile"]:
        options = [*sys.argv[2:], *("low", "768x512")[len(sys.argv) - 2 :]]
        profile(options[0], parsed_size(options[1]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--sizes", nargs="+", type=parsed_size, default=[(256, 256), (768, 512)])
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
