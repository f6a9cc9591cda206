"""What each fast path, and each setting of the process, gives a step of the network.

python tests/benchmarks/kernels.py run RESULTS.json [--sizes 256x256] [--networks low] [--rounds 8]
python tests/benchmarks/kernels.py table RESULTS.json

A step is noise, network, MSE and Adam. Of each row one thing is off and all else on; it has a
process of its own, and all take turns. Told are the median over the rounds of its time against that
of the process with all on, its standard error, and the peak memory of its steps. Beside them the
readable network, as it is and compiled by ``torch.compile``, which says how long that took.

``moments`` and ``phases`` are written by hand for their gradients: off, autograd makes these.
"""

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from functools import partial
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import torch
import torch.nn.functional as F

from restoration.networks import fast
from restoration.networks.fast import decoder, level_end, moments, phases, upsampling
from restoration.support.cpu_settings import keep_freed_memory, set_waiting
from restoration.support.files import write_atomically

sys.path.insert(0, str(Path(__file__).parent))
from turns import Turns, bare_stepper, network, parsed_size, peak_mib, take_turns


def plain_image_moments(x, inset):
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
    return moments.ImageMoments(padded(x, inset), mean, variance, None)


def plain_bilinear_moments(x):
    image, mean = padded(x, 0), x.mean((0, 2, 3))
    filtered = image
    for axis in (2, 3):
        before, here, after = (filtered.narrow(axis, i, x.shape[axis]) for i in range(3))
        filtered = 0.1875 * (before + after) + 0.625 * here
    centred = x - mean.view(-1, 1, 1)
    variance = (centred * (filtered - mean.view(-1, 1, 1))).mean((0, 2, 3))
    rows = moments._slopes(x, 2)
    slopes = rows, moments._slopes(x, 3), moments._slopes(rows, 3).mT
    return moments.ImageMoments(image, mean, variance, slopes)


def padded(x, inset):
    return F.pad(x, (1, 1, 1, 1), mode="reflect" if inset else "replicate")


def plain_bilinear_phases(v, rows, columns, corners):
    windows = v.unflatten(1, (-1, 2, 2)).clone()
    terms = *rows.unbind(1), *columns.unbind(1), *corners.flatten(1, 2).unbind(1)
    for outermost, term in zip(phases._outermost(windows), terms, strict=True):
        outermost += term
    for phase in (2, 3):
        even, odd = windows.unbind(phase)
        n = even.shape[phase + 1] - 1
        e, f = (even.narrow(phase + 1, i, n) for i in (0, 1))
        o, p = (odd.narrow(phase + 1, i, n) for i in (0, 1))
        windows = torch.stack([o + p + 2 * e, e + f + 2 * p], phase)
    return windows


def pixel_shuffle(x):
    return F.pixel_shuffle(x.flatten(1, 3), 2)


def off(module: ModuleType) -> Callable[[], AbstractContextManager]:
    return lambda: patch.object(module, "applies", lambda *_: False)


PATHS = {
    "borders": off(fast.borders),
    "few filters": off(fast.few_filters),
    "pointwise": off(fast.pointwise),
    "activation": off(fast.activation),
    "level end": off(level_end),
    "decoder": off(fast.decoder),
    "decoder: moments": partial(
        patch.multiple,
        decoder,
        image_moments=plain_image_moments,
        bilinear_moments=plain_bilinear_moments,
    ),
    "decoder: phases": partial(patch.object, upsampling, "bilinear_phases", plain_bilinear_phases),
    "decoder: interleave": partial(patch.object, decoder, "interleave", pixel_shuffle),
    "all paths": partial(fast.forced, False),
    "all paths, compiled": partial(fast.forced, False),
}
SETTINGS = ("fused Adam", "allocator", "waiting of threads")
ROWS = ("nothing", *PATHS, *SETTINGS)


def serve(row: str, name: str, size: tuple[int, int]) -> None:
    """A process with the thing named off."""
    if row != "allocator":
        keep_freed_memory()
    torch.manual_seed(0)
    bare_stepper(network(name), *torch.rand(2, 1, 3, 64, 64))()  # what a first step takes
    z, target = torch.rand(2, 1, 3, size[1], size[0])
    before = peak_mib()
    net = network(name)
    if row.endswith("compiled"):
        net.compile()
    with PATHS.get(row, nullcontext)():
        step = bare_stepper(net, z, target, fused=row != "fused Adam")
        began = time.perf_counter()
        step()
        print(time.perf_counter() - began, flush=True)
        take_turns(step, before)


def measure(name: str, size: tuple[int, int], rows: list[str], rounds: int) -> list[dict]:
    with ExitStack() as stack:
        cache = stack.enter_context(tempfile.TemporaryDirectory())
        processes = {}
        for row in rows:
            with patch.dict(os.environ, TORCHINDUCTOR_CACHE_DIR=cache):
                if row != "waiting of threads":
                    set_waiting()
                command = [__file__, "serve", row, name, "x".join(map(str, size))]
                processes[row] = Turns(command, dict(os.environ))
        first = {row: float(p.process.stdout.readline()) for row, p in processes.items()}
        turns = [{row: p.turn() for row, p in processes.items()} for _ in range(rounds)]
        for process in processes.values():
            process.end()
    results = []
    for row in rows:
        ratios = [turn[row][0] / turn["nothing"][0] for turn in turns]
        result = {"network": name, "size": list(size), "threads": torch.get_num_threads()}
        result |= {"off": row, "seconds": statistics.median(turn[row][0] for turn in turns)}
        result |= {"ratio": statistics.median(ratios), "error": median_error(ratios)}
        result |= {"MiB": turns[-1][row][1]}
        if row.endswith("compiled"):
            result["compile seconds"] = first[row]
        results.append(result)
        print(result, flush=True)
    return results


def median_error(values: list[float]) -> float:
    """Standard error of a median: 1.2533 that of the mean, of a normal distribution's width."""
    quartiles = statistics.quantiles(values, n=4)
    return 1.2533 * (quartiles[2] - quartiles[0]) / 1.349 / math.sqrt(len(values))


def table(file: Path) -> None:
    results = json.loads(file.read_text())
    places = list(dict.fromkeys((r["network"], *r["size"]) for r in results))
    print("| off | " + " | ".join(f"{n} {w}x{h}" for n, w, h in places) + " |")
    print("|---|" + "---|" * len(places))
    found = {(r["off"], r["network"], *r["size"]): r for r in results}
    for row in dict.fromkeys(r["off"] for r in results):
        cells = []
        for place in places:
            r, everything = found.get((row, *place)), found["nothing", *place]
            if r is None:
                cells.append("")
            elif r is everything:
                cells.append(f"{r['seconds']:.3f} s, {r['MiB']:.0f} MiB")
            else:
                more = r["MiB"] - everything["MiB"]
                cells.append(f"{r['ratio']:.3f} ± {r['error']:.3f}, {more:+.0f} MiB")
                if "compile seconds" in r:
                    cells[-1] += f", {r['compile seconds']:.0f} s to compile"
        print(f"| {row} | " + " | ".join(cells) + " |")


def main() -> None:
    if sys.argv[1:2] == ["serve"]:
        serve(*sys.argv[2:4], parsed_size(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=["run", "table"])
    parser.add_argument("results", type=Path)
    parser.add_argument("--sizes", nargs="+", type=parsed_size, default=[(256, 256), (768, 512)])
    parser.add_argument("--networks", nargs="+", default=["low", "medium"])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--rows", nargs="+", choices=ROWS[1:], default=ROWS[1:])
    options = parser.parse_args()
    if options.command == "run":
        results, rows = [], ["nothing", *options.rows]
        for size in options.sizes:
            for name in options.networks:
                results += measure(name, size, rows, options.rounds)
                write_atomically(options.results, (json.dumps(results, indent=1) + "\n").encode())
    table(options.results)


if __name__ == "__main__":
    main()
