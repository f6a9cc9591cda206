"""What the sweep costs beside its runs, per run, and what its engines take to start.

python tests/benchmarks/overhead.py RESULTS.json

Runs of half a minute through each engine: wall time from start to end, the time inside the runs'
optimisation (their result files), and what is left, as a share.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

from restoration.experiments.engines.local import LocalEngine
from restoration.experiments.engines.ray_cluster import RayEngine
from restoration.experiments.grid import Grid
from restoration.experiments.runs import runs_of
from restoration.experiments.sweep import sweep
from restoration.support.files import write_atomically

GRID = Grid(
    images=["samples/coffee.png"],
    qualities=[10],
    networks=["low"],
    losses=["mse"],
    seeds=[0, 1, 2, 3],
    configs=["configs/base.yaml"],
    set={"trainer": {"max_steps": 300}},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    results = parser.parse_args().results
    rows = []
    for name, engine in (("local", LocalEngine), ("ray", RayEngine)):
        with tempfile.TemporaryDirectory() as folder:
            runs = runs_of(GRID, Path(), Path(folder))
            began = time.monotonic()
            started = engine(workers=2)
            first = time.monotonic() - began
            assert sweep(runs, started, retries=0) == 0
            wall = time.monotonic() - began
            finished = [json.loads((r.folder / "result.json").read_text()) for r in runs]
            seconds = [r["seconds"] for r in finished]
            # the first two runs wait for their process' imports, all of them read and write
            last = min((r.folder / "run.json").stat().st_ctime for r in runs[2:])
            ends = sorted((r.folder / "result.json").stat().st_mtime for r in runs)
            whole = ends[-1] - last
        row = {"engine": name, "wall": wall, "engine starts": first, "runs": seconds}
        row["overhead of a run in a warm process"] = whole / max(seconds[2:]) - 1
        row["overhead of all"] = 2 * wall / sum(seconds) - 1
        rows.append(row)
        print(row, flush=True)
        write_atomically(results, (json.dumps(rows, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
