"""What processor time buys: dB against seconds, for one image alone and for libraries.

python tests/benchmarks/scaling.py run FOLDER RESULTS.json --library JPEGS [--images ...]
python tests/benchmarks/scaling.py table RESULTS.json
python tests/benchmarks/scaling.py plot RESULTS.json scaling.png

FOLDER holds clean images that no library learns on, JPEGS the files that libraries learn on (see
`library.py jpegs`). Each point of a library is a learning of its own, from nothing, of as many
steps as fit into that processor time. Results are added to the file as they come.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from restoration.experiments.report.plots import pyplot
from restoration.internal_learning.library.applying import restored_by, within_cells
from restoration.internal_learning.library.checkpoint import Description, load_library
from restoration.internal_learning.library.learning import learn
from restoration.internal_learning.library.pictures import pictures_of
from restoration.internal_learning.library.windows import Picture
from restoration.jpeg import compress, read_lossless, to_tensor
from restoration.metrics import scores
from restoration.pipeline import restore_jpeg
from restoration.presets import BALANCED
from restoration.support.files import atomic_file, write_atomically

sys.path.insert(0, str(Path(__file__).parent))
from run_and_table import RunAndTable, chosen, processor_seconds

QUALITY = 10
WIDTHS = {  # filters and blocks of the two levels
    "narrow": ([32, 48], [2, 2]),
    "usual": ([64, 96], [2, 2]),
    "wide": ([128, 192], [2, 3]),
}
ALONE = "one image alone"


class Results:
    """Rows in a file, written as they come."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = json.loads(path.read_text()) if path.exists() else []

    def has(self, curve: str, budget: float, image: str) -> bool:
        return any(
            (r["curve"], r["budget"], r["image"]) == (curve, budget, image) for r in self.rows
        )

    def add(self, curve: str, budget: float, image: str, seconds: float, told: dict) -> None:
        row = {"curve": curve, "budget": budget, "image": image, "seconds": round(seconds, 1)}
        self.rows.append(row | told)
        write_atomically(self.path, (json.dumps(self.rows, indent=0) + "\n").encode())
        print(self.rows[-1], flush=True)


def measured(image: torch.Tensor, jpeg: torch.Tensor, truth: torch.Tensor) -> dict:
    """Gains in PSNR over the JPEG."""
    now, before = scores(image, truth), scores(jpeg, truth)
    return {
        "gain": round(now["psnr"] - before["psnr"], 4),
        "chroma_gain": round(now["chroma_psnr"] - before["chroma_psnr"], 4),
    }


def alone(options: argparse.Namespace, results: Results) -> None:
    """Budgets of `restore`, image by image."""
    for path in chosen(options):
        clean = read_lossless(path)
        jpeg, truth = compress(clean, QUALITY), to_tensor(clean)
        for budget in options.seconds:
            if results.has(ALONE, budget, path.stem):
                continue
            began = processor_seconds()
            image = restore_jpeg(jpeg, BALANCED, device="cpu", budget=budget)
            spent = processor_seconds() - began
            told = measured(image, to_tensor(jpeg.pixels), truth)
            results.add(ALONE, budget, path.stem, spent, told)


def learned(pictures: list[Picture], width: str, place: Path, steps: int) -> float:
    """Learn a library anew; return the processor seconds."""
    place.unlink(missing_ok=True)
    told = {"pictures": ["-"] * len(pictures), "qualities": [10, 20, 40]}
    began = time.process_time()
    learn(pictures, place, Description(*WIDTHS[width], **told), np.inf, steps)
    return time.process_time() - began


def libraries(options: argparse.Namespace, results: Results) -> None:
    """Libraries of a number of pictures and of a width."""
    torch.set_num_threads(1)
    cache = options.results.with_suffix(".estimates")
    cache.mkdir(exist_ok=True)
    files = sorted(options.library.glob("*.jpg"))
    pictures = pictures_of(files, cache, print)
    for name in options.curves:
        number, width = name.split("-")
        some = pictures[:: max(len(pictures) // int(number), 1)][: int(number)]
        for minutes in options.minutes:
            curve = f"{len(some)} files, {width}"
            if all(results.has(curve, minutes, path.stem) for path in chosen(options)):
                continue
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder) / "library.ckpt"

                pace = -learned(some, width, place, 4) + learned(some, width, place, 14)
                steps = max(int(minutes * 60 * 10 / pace), 1)
                spent = learned(some, width, place, steps)
                net = load_library(place)
            for path in chosen(options):
                clean = read_lossless(path)
                jpeg = compress(clean, QUALITY)
                image = within_cells(restored_by(net, jpeg), jpeg.quantised)
                told = measured(image, to_tensor(jpeg.pixels), to_tensor(clean))
                results.add(curve, minutes, path.stem, spent, told | {"steps": steps})


def run(options: argparse.Namespace) -> None:
    results = Results(options.results)
    if options.seconds:
        alone(options, results)
    if options.library:
        libraries(options, results)


def points(rows: list[dict]) -> dict[str, list[tuple[float, float, float, int]]]:
    """Per curve: processor seconds, gains in PSNR and chroma PSNR, number of images."""
    curves: dict[str, list[tuple[float, float, float, int]]] = {}
    for curve, budget in dict.fromkeys((r["curve"], r["budget"]) for r in rows):
        some = [r for r in rows if (r["curve"], r["budget"]) == (curve, budget)]
        means = [float(np.mean([r[k] for r in some])) for k in ("seconds", "gain", "chroma_gain")]
        curves.setdefault(curve, []).append((means[0], means[1], means[2], len(some)))
    return {curve: sorted(told) for curve, told in curves.items()}


def table(options: argparse.Namespace) -> None:
    print("| learned on | processor seconds | gain / dB | chroma gain / dB | images |")
    print("|---|---|---|---|---|")
    for curve, told in points(json.loads(options.results.read_text())).items():
        for seconds, gain, chroma, number in told:
            print(f"| {curve} | {seconds:.0f} | {gain:+.3f} | {chroma:+.2f} | {number} |")


def plot(options: argparse.Namespace) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(7, 4.2))
    for curve, told in points(json.loads(options.results.read_text())).items():
        seconds, gains, *_ = zip(*told, strict=True)
        style = "o--" if curve == ALONE else "o-"
        axes.semilogx(seconds, gains, style, label=curve)
    axes.set_xlabel("processor seconds of learning (alone: for each image; libraries: once)")
    axes.set_ylabel(f"gain over the JPEG of quality {QUALITY} / dB")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    with atomic_file(options.picture) as output:
        figure.savefig(output, format="png", dpi=120, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    command = RunAndTable(__doc__, run, table)
    command.run.add_argument("--seconds", nargs="*", type=float, default=[5, 15, 45, 135])
    command.run.add_argument("--library", type=Path, help="folder of JPEGs")
    command.run.add_argument("--minutes", nargs="*", type=float, default=[1, 4])
    command.run.add_argument(
        "--curves",
        nargs="*",
        default=["24-usual", "3-usual", "12-usual", "24-narrow", "24-wide"],
        help="files-width",
    )
    picture = command.commands.add_parser("plot")
    picture.add_argument("results", type=Path)
    picture.add_argument("picture", type=Path)
    picture.set_defaults(function=plot)
    command.main()


if __name__ == "__main__":
    main()
