"""The paper's losses side by side on crops: runs ``fit``, then makes a table of the result files.

python tests/benchmarks/pilot.py run FOLDER IMAGE... [--crop 192] [--steps 1000] [--workers 2]
python tests/benchmarks/pilot.py table FOLDER [--json FILE]

``run`` starts one single-threaded process per worker, in the order of the grid, and skips what is
finished; ``table`` shows whatever there is.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

READINGS = ("byte", "literal", "counted")


def grid() -> dict[str, list[str]]:
    """Name of each configuration -> its arguments, the most telling first."""
    runs = {"mse": ["loss/mse"], "sure": ["loss/sure"]}
    for reading in READINGS:
        for loss in ("q_mse", "p_mse", "q_sure", "p_sure"):
            if reading == "counted" and loss.startswith("p"):
                continue  # without a gradient, P and Q are one
            for weight in (10, 100):
                if reading != "literal" and weight == 100:
                    continue  # byte: 6.5e6 on [0, 1], beyond the curve below; counted: no effect
                name = f"kl_{loss} {reading} {weight}"
                runs[name] = [f"loss/kl_{loss}", f"reading/{reading}", str(weight)]
    for weight in (1_000, 10_000, 100_000, 1_000_000):
        for loss in ("q_mse", "p_mse"):
            runs[f"kl_{loss} literal {weight}"] = [
                *(f"loss/kl_{loss}", "reading/literal", str(weight))
            ]
    return runs


def run_one(folder: Path, image: Path, name: str, parts: list[str], crop: int, steps: int) -> None:
    """Run one configuration on one image, unless its result file is there."""
    root = folder / name.replace(" ", "_")
    if (root / "lightning_logs" / image.stem / "version_0" / "result.json").exists():
        return
    configs = ["base", "net/low", *(p for p in parts if "/" in p)]
    command = [sys.executable, "-m", "restoration", "fit"]
    command += [f"--config=configs/{c}.yaml" for c in configs]
    command += ["--data.image", str(image), "--data.quality", "10", "--data.crop", str(crop)]
    command += ["--trainer.max_steps", str(steps), "--trainer.default_root_dir", str(root)]
    command += ["--name", image.stem, "--images.every", "0", "--histograms.every", "0"]
    command += ["--ckpt_path", "last"]
    if not parts[-1].count("/"):
        command += ["--model.loss.init_args.weight", parts[-1]]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    outcome = "done" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]
    print(f"{name:<28}{image.stem}  {outcome}", flush=True)


def table(folder: Path) -> list[dict]:
    """Mean figures per configuration over the images that all of its runs have finished."""
    rows = []
    for name in grid():
        files = sorted((folder / name.replace(" ", "_")).glob("lightning_logs/*/*/result.json"))
        results = [json.loads(f.read_text()) for f in files]
        if not results:
            continue

        def mean(key: str, metric: str, results: list[dict] = results) -> float:
            return float(np.mean([r[key][metric] for r in results]))

        row = {"name": name, "images": len(results), "steps": results[0]["steps"]}
        row["image_names"] = [Path(r["image"]).stem for r in results]
        for key in ("jpeg", "best", "smoothed", "final"):
            row[key] = [mean(key, "psnr"), mean(key, "ms_ssim")]
        if "least_sure" in results[0]:
            row["least_sure"] = [mean("least_sure", "psnr"), mean("least_sure", "ms_ssim")]
        row["smoothed_psnr"] = [r["smoothed"]["psnr"] for r in results]
        row["best_psnr"] = [r["best"]["psnr"] for r in results]
        rows.append(row)
    return rows


def show(rows: list[dict]) -> None:
    """Print the table; differences are to MSE on the same images."""
    mse = next((r for r in rows if r["name"] == "mse"), None)
    print("| loss | images | JPEG | best (oracle) | smoothed | raw | best - MSE's |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        cells = [
            f"{row[k][0]:.2f} / {row[k][1]:.4f}" for k in ("jpeg", "best", "smoothed", "final")
        ]
        gain = ""
        if mse is not None:
            known = dict(zip(mse["image_names"], mse["best_psnr"], strict=True))
            pairs = [
                b - known[n]
                for n, b in zip(row["image_names"], row["best_psnr"], strict=True)
                if n in known
            ]
            if pairs:
                gain = f"{np.mean(pairs):+.2f}"
        print(f"| {row['name']} | {row['images']} | {' | '.join(cells)} | {gain} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("images", type=Path, nargs="*")
    parser.add_argument("--crop", type=int, default=192)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.what == "run":
        with ThreadPoolExecutor(options.workers) as pool:
            for image in options.images:
                for name, parts in grid().items():
                    pool.submit(
                        run_one,
                        *(options.folder.resolve(), image.resolve(), name, parts),
                        *(options.crop, options.steps),
                    )
    rows = table(options.folder)
    show(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
