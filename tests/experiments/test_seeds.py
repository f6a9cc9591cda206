"""The spread over seeds: deviations known beforehand, and those of a sweep's own result files."""

import csv
import json
import statistics
from pathlib import Path

import pytest
import yaml
from PIL import Image

from restoration.__main__ import main
from restoration.experiments.engines.running import attempt
from restoration.experiments.grid import read_grid
from restoration.experiments.report.seeds import spread
from restoration.experiments.runs import runs_of


def test_the_spread_is_that_of_seeds_not_of_images():
    """Means over images are 25, 26, 30; of each image the variances are 3 and 13."""
    values = {("a", 0): 20.0, ("a", 1): 20.0, ("a", 2): 23.0}
    values |= {("b", 0): 30.0, ("b", 1): 32.0, ("b", 2): 37.0}
    mean, deviation, alone = spread(values)
    assert mean == pytest.approx(27)
    assert deviation == pytest.approx(statistics.stdev([25, 26, 30]))
    assert alone == pytest.approx(((3 + 13) / 2) ** 0.5)


def test_an_image_that_lacks_a_seed_does_not_pose_as_a_difference_of_seeds():
    values = {("a", 0): 20.0, ("a", 1): 21.0, ("b", 0): 40.0}
    assert spread(values) == pytest.approx((20.5, statistics.stdev([20, 21]), 0.5**0.5))


def test_one_seed_has_no_deviation():
    mean, deviation, alone = spread({("a", 3): 20.0, ("b", 3): 30.0})
    assert mean == 25
    assert deviation != deviation
    assert alone != alone
    assert all(x != x for x in spread({("a", 0): 1.0, ("b", 1): 2.0}))  # no image has both


def rows_of(path) -> list[dict[str, str]]:
    with open(path) as file:
        return list(csv.DictReader(file))


def write_run(folder: Path, image: str, seed: int, psnr: float, projected: float | None) -> None:
    """A run of two recorded steps, of which the second is the best."""
    run = folder / f"{image}-{seed}"
    run.mkdir(parents=True)
    labels = {"image": image, "seed": seed, "quality": 10, "network": "low", "skips": True}
    labels |= {"loss": "mse", "weight": None, "reading": None}
    (run / "run.json").write_text(json.dumps({"labels": labels}))
    columns = "step,loss,psnr,psnr_smoothed,ms_ssim_smoothed"
    lines = [columns, "10,1,20,20,", f"20,1,20,{psnr},{psnr / 100}"]
    (run / "curves.csv").write_text("\n".join(lines))
    result: dict = {"image": f"{image}.png", "size": [16, 16], "steps": 20}
    result |= {
        "jpeg": {"psnr": 25.0, "ms_ssim": 0.9, "chroma_psnr": 30.0},
        "smoothed": {"psnr": psnr},
        "best": {"step": 20, "psnr": psnr},
    }
    result["projected"] = None if projected is None else {"psnr": projected}
    (run / "result.json").write_text(json.dumps(result))


def test_the_report_has_mean_and_deviation(tmp_path):
    """Seeds 0 to 3 of two images; PSNR 27, 28, 29, 30 in the mean, twice as far in the result."""
    for seed in range(4):
        write_run(tmp_path / "runs", "a", seed, 26.0 + seed, 26.0 + 2 * seed)
        write_run(tmp_path / "runs", "b", seed, 28.0 + seed, 28.0 + 2 * seed)
    assert main(["report", str(tmp_path / "runs"), "-o", str(tmp_path / "out")]) == 0
    (row,) = rows_of(tmp_path / "out/seeds.csv")
    sigma = statistics.stdev(range(4))  # 1.29
    oracle, blind, ms_ssim = "average best epoch (oracle)", "projected, blind", "MS-SSIM (oracle)"
    assert (row["cell"], row["seeds"], row["images"]) == ("low Q10 MSE", "4", "2")
    assert (row[oracle], row[f"deviation of {oracle}"]) == ("28.50", f"{sigma:.2f}")
    assert (row[blind], row[f"deviation of {blind}"]) == ("30.00", f"{2 * sigma:.2f}")
    assert row[f"of one image, {blind}"] == f"{2 * sigma:.2f}"
    assert (row[ms_ssim], row[f"deviation of {ms_ssim}"]) == ("0.2850", f"{sigma / 100:.4f}")
    report = (tmp_path / "out/report.md").read_text()
    assert "## Spread over seeds" in report
    assert "8 runs on 2 images (a, b) of 16x16 pixels, 4 seeds, 20 steps each" in report


def test_without_several_seeds_the_report_says_nothing_of_them(tmp_path):
    write_run(tmp_path / "runs", "a", 0, 26.0, None)
    write_run(tmp_path / "runs", "b", 0, 28.0, None)
    assert main(["report", str(tmp_path / "runs"), "-o", str(tmp_path / "out")]) == 0
    assert "seeds" not in {p.stem for p in (tmp_path / "out").iterdir()}
    assert "Spread over seeds" not in (tmp_path / "out/report.md").read_text()


def test_results_that_were_not_projected_leave_their_cells_empty(tmp_path):
    for seed in range(2):
        write_run(tmp_path / "runs", "a", seed, 26.0 + seed, None)
    assert main(["report", str(tmp_path / "runs"), "-o", str(tmp_path / "out")]) == 0
    (row,) = rows_of(tmp_path / "out/seeds.csv")
    assert row["projected, blind"] == row["deviation of projected, blind"] == ""
    assert row["deviation of average best epoch (oracle)"] == f"{0.5**0.5:.2f}"


def test_seeds_that_a_sweep_is_given_reach_the_report(tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])
    Image.fromarray(photo[:32, :32]).save("a.png")
    grid = {"images": ["a.png"], "qualities": [10], "networks": ["low"], "losses": ["mse"]}
    grid |= {"configs": ["configs/base.yaml"], "set": {"trainer": {"max_steps": 20}}}
    Path("grid.yaml").write_text(yaml.safe_dump(grid))
    runs = runs_of(read_grid("grid.yaml", ["seeds=[0,1,2]"]), Path(), Path("runs"))
    assert [attempt(run).error for run in runs] == [None] * 3  # as a sweep's processes do
    assert main(["report", "runs", "-o", "out"]) == 0
    results = [json.loads(path.read_bytes()) for path in Path("runs").rglob("result.json")]
    assert sorted(r["seed"] for r in results) == [0, 1, 2]
    found = [r["projected"]["psnr"] for r in results]
    assert len(set(found)) == 3
    (row,) = rows_of("out/seeds.csv")
    assert row["projected, blind"] == f"{statistics.mean(found):.2f}"
    assert row["deviation of projected, blind"] == f"{statistics.stdev(found):.2f}"
