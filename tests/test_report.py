"""The report: numbers known beforehand, from result files written here."""

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image

from restoration.__main__ import main
from restoration.errors import RestorationError
from restoration.experiments.claims import claims
from restoration.experiments.document import Document, Table
from restoration.experiments.paper import TABLES
from restoration.experiments.protocol import better_weights, cells_of, interval
from restoration.experiments.results import read_records

STEPS = np.arange(10, 101, 10)


def write_run(folder, image, peak, height, loss="mse", weight=None, skips=True, rule=None):
    """A run whose smoothed PSNR is a parabola of the step, ``height`` dB at ``peak``.

    The raw output lies 0.5 dB below; MS-SSIM, measured every 50 steps, is PSNR / 100.
    """
    labels = {"image": image, "quality": 10, "network": "low", "skips": skips, "loss": loss}
    labels |= {"weight": weight, "reading": None, "seed": 0}
    run = folder / f"{image}-{loss}-{weight}-{skips}"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"identity": run.name, "labels": labels}))
    curve = height - ((STEPS - peak) / 10) ** 2
    with open(run / "curves.csv", "w") as file:
        writer = csv.writer(file)
        columns = ["step", "loss", "psnr", "psnr_smoothed", "ms_ssim", "ms_ssim_smoothed"]
        writer.writerow(columns)
        for step, psnr in zip(STEPS, curve, strict=True):
            quality = ["", ""] if step % 50 else [psnr / 100 - 0.01, psnr / 100]
            writer.writerow([step, 1.0, psnr - 0.5, psnr, *quality])
    best = {"step": peak, "psnr": height, "ms_ssim": None}
    last = {"psnr": float(curve[-1]), "ms_ssim": None}
    result = {"image": f"{image}.png", "size": [16, 16], "steps": 100, "best": best}
    result |= {"jpeg": {"psnr": 25.0, "ms_ssim": 0.9, "chroma_psnr": 30.0}, "smoothed": last}
    result["projected"] = {**last, "chroma_psnr": 31.0, "ciede2000": 2.0}
    if rule is not None:
        result["nearest_estimate"] = {"step": rule, "psnr": height - ((rule - peak) / 10) ** 2}
        result["nearest_estimate"]["reference"] = {"psnr": height - 1, "chroma_psnr": 33.0}
    (run / "result.json").write_text(json.dumps(result))
    return run


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    write_run(folder, "a", 40, 27.0, rule=50)
    write_run(folder, "b", 60, 29.0, rule=60)
    for weight, gain in ((10.0, 0.2), (100.0, 0.3)):
        write_run(folder, "a", 40, 27.0 + gain, "kl_q_mse", weight)
        write_run(folder, "b", 60, 29.0 + gain, "kl_q_mse", weight)
        write_run(folder, "a", 40, 27.0, "kl_p_mse", weight)
        write_run(folder, "b", 60, 29.0, "kl_p_mse", weight)
    write_run(folder, "a", 40, 26.0, "sure")
    write_run(folder, "b", 60, 28.0, "sure")
    write_run(folder, "a", 40, 26.2, skips=False)
    return folder


def rows_of(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def test_the_average_best_epoch_is_that_of_the_paper(runs):
    records, missing = read_records(runs)
    assert not missing
    cells = {(c.loss, c.weight, c.skips): cell for c, cell in cells_of(records).items()}
    cell = cells["mse", None, True]
    assert cell.epoch == 50  # the mean of 40 and 60
    assert cell.psnr == {("a", 0): pytest.approx(26.0), ("b", 0): pytest.approx(28.0)}
    assert cell.mean_ms_ssim == pytest.approx(0.27)
    assert cell.raw["a", 0] == pytest.approx(25.5)
    sure = cells["sure", None, True]
    assert sure.mean_psnr == pytest.approx(27.0 - 0.5 - 1)  # raw, and one decibel off the peaks


def test_the_better_weight_is_kept(runs):
    best = better_weights(cells_of(read_records(runs)[0]))
    kept = {c.loss: cell.configuration.weight for c, cell in best.items()}
    assert kept["kl_q_mse"] == 100
    assert all(c.weight is None for c in best)


def test_the_claims_are_paired_differences(runs):
    cells = cells_of(read_records(runs)[0])
    rows = {row[0]: row for row in claims(cells, better_weights(cells)).rows}
    # a's run without skips is alone and at its own best epoch: 26.2 against 26.0 at the mean's
    assert rows["skip connections, dB"][2] == "-0.200"
    assert rows["smoothing, dB"][2] == "+0.500"
    # Q gains 0.3, P nothing: four pairs
    assert rows["a KL term beside MSE, PSNR, dB"][2:] == ["+0.15", "+0.00 to +0.30", "50%", "4"]
    assert rows["|L_P - L_Q|, dB"][2] == "+0.30"
    assert rows["SURE above MSE, dB"][2:] == ["-1.50", "-1.50 to -1.50", "0%", "2"]


def test_the_interval_is_that_of_the_mean():
    sample = np.random.default_rng(1).normal(3, 2, 400)
    low, high = interval(sample)
    half = 1.96 * sample.std(ddof=1) / 20
    assert low == pytest.approx(sample.mean() - half, abs=0.03)
    assert high == pytest.approx(sample.mean() + half, abs=0.03)
    assert all(map(np.isnan, interval(sample[:1])))


def test_the_whole_report(runs, tmp_path, capsys):
    failed = write_run(runs, "c", 50, 30.0)
    (failed / "result.json").unlink()
    (failed / "failed.json").write_text('{"error": "the loss is nan", "attempts": 2}')
    Image.new("RGB", (16, 16)).save(runs / "a-mse-None-True/comparison.png")
    out = tmp_path / "out"
    assert main(["report", str(runs), "-o", str(out)]) == 0
    assert str(out / "report.html") in capsys.readouterr().out

    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == page.count("<img") >= 3
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing from elsewhere
    assert "the loss is nan" in page

    table = {row["cell"]: row for row in rows_of(out / "tables1and2.csv")}
    row = table["low Q10 Q+MSE"]
    assert (row["runs"], row["average best epoch"], row["lambda"]) == ("2", "50", "100")
    assert (row["PSNR"], row["difference"]) == ("27.30", "+0.47")
    assert "high Q10 MSE" not in table  # nothing ran: nothing is told

    rule = next(r for r in rows_of(out / "rules.csv") if r["network and loss"] == "low MSE")
    # a: one decibel off at step 50, b none; the last step is 36 and 16 dB off
    assert rule["nearest estimate"] == "0.50, worst 1.00, step 55"
    assert rule["last step"] == "26.00, worst 36.00, step 100"
    blind = next(r for r in rows_of(out / "blind.csv") if r["cell"] == "low Q10 MSE")
    assert blind["nearest estimate, blind"] == "27.50"
    assert blind["best per image (oracle)"] == "28.00"
    assert blind["CIEDE2000"] == "2.00"
    baselines = rows_of(out / "baselines.csv")
    assert [(b["method"], b["PSNR"]) for b in baselines] == [
        ("Q10 JPEG", "25.00"),
        ("Q10 restoration without a network, 2 passes", "27.00"),
    ]
    assert rows_of(out / "table3.csv")[0]["PSNR / dB"] == "25.00"
    assert rows_of(out / "beats_jpeg.csv")[0]["cells above the JPEG"] == "5 of 5"


def test_no_runs_and_damaged_runs_are_told(runs, tmp_path, capsys):
    assert main(["report", str(tmp_path / "none"), "-o", str(tmp_path / "out")]) == 1
    assert "no finished runs" in capsys.readouterr().err
    (runs / "a-sure-None-True/result.json").write_text("{")
    with pytest.raises(RestorationError, match=r"a-sure-None-True: damaged"):
        read_records(runs)


def test_printed_numbers_of_the_paper():
    assert len(TABLES) == 54
    assert TABLES["high", 25, "kl_q_mse"] == (29.37, 0.947)
    assert TABLES["low", 10, "sure"] == (23.66, 0.826)
    assert TABLES["medium", 15, "kl_p_sure"] == (26.26, 0.908)


def test_text_is_escaped():
    document = Document("a < b", ["x & y", Table("t", ["|c|"], [["<1>"]])])
    assert "\\|c\\|" in document.markdown()
    page = document.html()
    for text in ("a &lt; b", "x &amp; y", "&lt;1&gt;"):
        assert text in page
