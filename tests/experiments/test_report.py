"""The report: numbers known beforehand, from result files written here."""

import contextlib
import csv
import json
import re
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from restoration.__main__ import main
from restoration.errors import RestorationError
from restoration.experiments.archive import pack, unpacked
from restoration.experiments.protocol import (
    better_weights,
    cells_of,
    mean_difference,
    mean_size,
    reported,
)
from restoration.experiments.report import plots
from restoration.experiments.report.claims import beats_jpeg, claims
from restoration.experiments.report.document import Document, Table
from restoration.experiments.report.paper import TABLES
from restoration.experiments.report.plots import figure_3, figure_4, mean_curve, panels, psnr_figure
from restoration.experiments.report.tables import coverage, table_1
from restoration.experiments.results import Configuration, one_experiment, read_records
from restoration.run_folder import is_finished

STEPS = np.arange(10, 101, 10)


def write_run(
    folder,
    image,
    peak,
    height,
    loss="mse",
    weight=None,
    skips=True,
    rule=None,
    planned=None,
    **labels,
):
    """A run whose smoothed PSNR is a parabola of the step, ``height`` dB at ``peak``.

    The output itself lies 0.5 dB below; MS-SSIM, measured every 50 steps, is PSNR / 100.
    """
    labels |= {} if planned is None else {"steps": planned}
    name = "-".join(map(str, [image, loss, weight, skips, *labels.values()]))
    defaults = {"quality": 10, "network": "low", "reading": None, "seed": 0}
    axes = {"image": image, "skips": skips, "loss": loss, "weight": weight}
    labels = defaults | axes | labels
    run = folder / name
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
        result["mine"] = {"title": "a rule of mine", **result["nearest_estimate"]}
        result["mine"]["reference"] = {"title": "a method of mine", "psnr": height - 2}
    if loss == "sure":  # its own rule, the paper's
        result["least_sure"] = {"title": "least SURE", "step": 90, "psnr": height - 2}
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
    assert cell.unsmoothed["a", 0] == pytest.approx(25.5)
    sure = cells["sure", None, True]
    assert sure.mean_psnr == pytest.approx(27.0 - 0.5 - 1)  # 1 dB off the peaks


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
    assert rows["a KL term beside MSE, PSNR, dB"][2:] == ["+0.15", "", "50%", "4", "2"]
    # MS-SSIM of MSE at step 50 is 0.26 and 0.28, with Q 0.263 and 0.283
    gain = 100 * np.mean([0.263 / 0.26 - 1, 0.283 / 0.28 - 1, 0, 0])
    assert rows["a KL term beside MSE, MS-SSIM, %"][2] == f"{gain:+.2f}"
    assert rows["|L_P - L_Q|, means of cells, dB"][2:] == ["0.30", "", "", "2", "2"]
    assert rows["SURE above MSE, dB"][2:] == ["-1.50", "", "0%", "2", "2"]
    assert rows["a KL term beside SURE, PSNR, dB"][1:] == ["+0.07", "", "", "", "0", "0"]


def test_a_kl_term_beside_sure_and_both_lambdas_are_compared_run_by_run(tmp_path):
    for image, gain in (("a", 0.2), ("b", 0.6)):
        write_run(tmp_path, image, 50, 26.0, "sure")
        write_run(tmp_path, image, 50, 26.0 + gain, "kl_q_sure", 10.0)
        write_run(tmp_path, image, 50, 25.9 + gain, "kl_q_sure", 100.0)
        write_run(tmp_path, image, 50, 25.0, "kl_q_sure", 1000.0)  # not the paper's
    cells = cells_of(read_records(tmp_path)[0])
    rows = {row[0]: row for row in claims(cells, better_weights(cells)).rows}
    assert rows["a KL term beside SURE, PSNR, dB"][2:] == ["+0.40", "", "100%", "2", "2"]
    assert rows["lambda 100 above lambda 10, dB"][2:] == ["-0.10", "", "0%", "2", "2"]


def test_noise_between_images_is_no_difference_of_the_terms(tmp_path):
    """The paper's |L_P - L_Q| compares means of cells; +0.4 and -0.4 dB are none."""
    for image, difference in (("a", 0.4), ("b", -0.4)):
        write_run(tmp_path, image, 50, 27.0, "kl_p_mse", 10.0)
        write_run(tmp_path, image, 50, 27.0 + difference, "kl_q_mse", 10.0)
    for image in "ab":  # another cell
        write_run(tmp_path, image, 50, 27.0, "kl_p_mse", 10.0, network="high")
        write_run(tmp_path, image, 50, 26.8, "kl_q_mse", 10.0, network="high")
    cells = cells_of(read_records(tmp_path)[0])
    rows = {row[0]: row for row in claims(cells, better_weights(cells)).rows}
    assert rows["|L_P - L_Q|, means of cells, dB"][2] == "0.10"


def test_each_reading_has_claims_of_its_own(tmp_path):
    for image in "ab":
        write_run(tmp_path, image, 50, 27.0)
        write_run(tmp_path, image, 50, 27.1, "kl_q_mse", 10.0)
        write_run(tmp_path, image, 50, 20.0, "kl_q_mse", 10.0, reading="literal")
    cells = cells_of(read_records(tmp_path)[0])
    rows = {row[0]: row for row in claims(cells, better_weights(cells)).rows}
    assert rows["a KL term beside MSE, PSNR, dB"][2] == "+0.10"
    assert rows["a KL term beside MSE, reading literal, PSNR, dB"][2] == "-7.00"


def test_networks_are_compared_by_equal_losses_and_images(tmp_path):
    write_run(tmp_path, "a", 40, 27.0)
    write_run(tmp_path, "b", 40, 28.0)
    high = write_run(tmp_path, "b", 40, 28.4, network="high") / "curves.csv"
    # as if it had ended after 30 steps, 1 dB below its best one; the low one is as far below then
    high.write_text("".join(high.read_text().splitlines(keepends=True)[:4]))
    write_run(tmp_path, "b", 40, 29.0, "kl_q_mse", 10.0, network="high")  # nothing to pair
    cells = cells_of(read_records(tmp_path)[0])
    rows = {row[0]: row[1:] for row in claims(cells, better_weights(cells)).rows}
    name = "the high network above the low one, quality 10, dB"
    assert rows[name] == ["+0.37", "+0.40", "", "100%", "1", "1"]
    assert not any("medium network" in row for row in rows)


def test_runs_whose_divergence_runs_away_are_counted(runs):
    """Images of 16 x 16 pixels."""
    records, _ = read_records(runs)
    told = []
    for least in (-256.0, -257.0):
        given = []
        for r in records:
            if r.configuration.loss == "sure":
                values = np.full(len(STEPS), 5.0)
                values[3:5] = np.nan, least if r.image == "b" else 0.0
                r = replace(r, curves=r.curves | {"divergence": values})
            given.append(r)
        cells = cells_of(given)
        table = claims(cells, better_weights(cells)).rows
        told.append([row[2:] for row in table if "runs whose divergence" in row[0]])
    assert told == [[], [["1 of 2", "", "", "2", "2"]]]


def test_lambdas_are_compared_on_the_images_that_both_have(tmp_path):
    """The better one has run on a hard image, too."""
    for image, height in (("a", 27.0), ("b", 29.0)):
        write_run(tmp_path, image, 50, height, "kl_q_mse", 10.0)
        write_run(tmp_path, image, 50, height + 0.3, "kl_q_mse", 100.0)
    write_run(tmp_path, "hard", 50, 20.0, "kl_q_mse", 100.0)
    (cell,) = better_weights(cells_of(read_records(tmp_path)[0])).values()
    assert cell.configuration.weight == 100


def test_a_report_does_without_histograms_where_the_image_is_another_by_now(tmp_path):
    folder = write_run(tmp_path / "runs", "a", 50, 27.0)
    Image.new("RGB", (16, 16)).save(folder / "restored.png")
    (record,), _ = read_records(tmp_path / "runs")
    for place, side, drawn in (("a.png", 16, True), ("small.png", 8, False)):
        Image.new("RGB", (2 * side, side)).save(tmp_path / place)
        result = record.result | {"image": str(tmp_path / place)}
        assert (figure_4(replace(record, result=result)) is not None) == drawn
    packed = replace(record, result=record.result | {"image": "a.png"})
    with contextlib.chdir(tmp_path):
        assert figure_4(packed) is None  # some a.png


def test_runs_of_other_settings_are_left_out_and_told(runs, tmp_path, capsys):
    for image in "abc":
        write_run(tmp_path / "more", image, 40, 27.0, settings="long")
    write_run(tmp_path / "more", "a", 90, 35.0, settings="short")
    kept, others = one_experiment(read_records(tmp_path / "more")[0])
    assert [r.image for r in kept] == ["a", "b", "c"]
    assert [r.settings for r in others] == ["short"]
    assert main(["report", str(tmp_path / "more"), "-o", str(tmp_path / "out")]) == 0
    assert "1 runs are left out" in capsys.readouterr().err
    report = (tmp_path / "out/report.md").read_text()
    assert "1 runs are left out" in report
    assert "a-mse-None-True-short" in report
    assert rows_of(tmp_path / "out/tables1and2.csv")[0]["PSNR"] == "27.00"


def test_runs_of_unequal_steps_meet_in_no_cell(tmp_path):
    """Each network at each quality has the steps of most of its runs; SURE has its own."""

    def write(image, steps, **more):
        head = write_run(tmp_path, image, 40, 27.0, planned=steps, **more) / "run.json"
        assert json.loads(head.read_text())["labels"]["steps"] == steps

    write("a", 100)
    write("b", 100)
    write("c", 300)  # fewer
    write("a", 100, loss="kl_q_mse", weight=10.0)
    write("b", 300, loss="kl_q_mse", weight=10.0)
    write("a", 300, loss="sure")
    write("a", 300, network="high")
    write("a", 100, quality=25)
    write("b", 300, quality=25)  # as many: the longer ones
    kept, others = one_experiment(read_records(tmp_path)[0])
    left = {(r.image, r.configuration.loss, r.configuration.quality) for r in others}
    assert left == {("c", "mse", 10), ("b", "kl_q_mse", 10), ("a", "mse", 25)}
    assert len(kept) == 6
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    rows = {r["cell"]: r for r in rows_of(tmp_path / "out/tables1and2.csv")}
    assert rows["low Q10 MSE"]["steps"] == "100"
    assert rows["low Q10 MSE"]["still rising"] == "0%"


def test_runs_that_a_rule_ended_at_unequal_steps_stay_together(tmp_path):
    for image, steps in (("a", 70), ("b", 80), ("c", 90)):
        result = write_run(tmp_path, image, 40, 27.0, planned=100) / "result.json"
        result.write_text(json.dumps(json.loads(result.read_text()) | {"steps": steps}))
    kept, others = one_experiment(read_records(tmp_path)[0])
    assert len(kept) == 3
    assert not others
    assert "70 or 80 or 90 steps each" in coverage(kept)


def test_two_runs_of_equal_labels_are_refused(tmp_path):
    write_run(tmp_path / "one", "a", 40, 27.0)
    write_run(tmp_path / "other", "a", 40, 29.0)
    with pytest.raises(RestorationError, match="two runs of equal labels"):
        cells_of(read_records(tmp_path)[0])


def test_figure_3_compares_runs_that_differ_in_the_loss_alone(tmp_path):
    write_run(tmp_path, "a", 50, 27.0)
    write_run(tmp_path, "a", 50, 26.0, "sure", skips=False)
    assert figure_3(read_records(tmp_path)[0]) is None
    write_run(tmp_path, "b", 50, 27.0, skips=False)
    write_run(tmp_path, "b", 50, 26.0, "sure", skips=False)
    assert "of b, quality 10" in figure_3(read_records(tmp_path)[0]).caption


def test_the_interval_is_that_of_the_mean():
    sample = np.random.default_rng(1).normal(3, 2, 400)
    value, low, high = mean_difference([{(str(i), 0): x for i, x in enumerate(sample)}])
    half = 1.96 * sample.std(ddof=1) / 20
    assert value == pytest.approx(sample.mean())
    assert low == pytest.approx(sample.mean() - half, abs=0.03)
    assert high == pytest.approx(sample.mean() + half, abs=0.03)


def test_the_interval_knows_that_pairs_of_one_image_are_alike():
    sample = np.random.default_rng(2).normal(0, 1, 40)
    cell = {(str(i), 0): x for i, x in enumerate(sample)}
    once, often = mean_difference([cell]), mean_difference([cell] * 30)  # thirty times the same
    assert often == pytest.approx(once)
    four = {(str(i), 0): float(i) for i in range(4)}
    assert np.isnan(mean_difference([four] * 30)[1:]).all()  # so few images tell no interval


@pytest.mark.parametrize("images", [5, 8])
def test_the_interval_of_few_images_holds_the_truth_as_often_as_it_says(images):
    generator, trials = np.random.default_rng(3), 300
    held = 0
    for _ in range(trials):
        sample = generator.normal(1, 2, images)
        _, low, high = mean_difference([{(str(i), 0): x for i, x in enumerate(sample)}], 2000)
        held += low <= 1 <= high
    # its standard error is 1.3 %; percentiles of 2.5 and 97.5 hold it in 84 and 86 %
    assert 0.91 <= held / trials <= 0.985


def test_the_mean_size_of_differences_is_that_of_the_cells_means():
    cells = [{("a", 0): 1.0, ("b", 0): -2.0}, {("a", 0): 0.25}, {}]
    assert mean_size(cells) == pytest.approx((0.5 + 0.25) / 2)


def test_the_whole_report(runs, tmp_path, capsys):
    failed = write_run(runs, "c", 50, 30.0)
    (failed / "result.json").unlink()
    (failed / "failed.json").write_text('{"error": "the loss is nan", "attempts": 2}')
    write_run(runs, "a", 40, 27.0, network="high")
    for name, grey in (("a-mse-None-True", 10), ("a-mse-None-True-high", 200)):
        Image.new("RGB", (16, 16), (grey,) * 3).save(runs / name / "comparison.png")
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
    assert "medium Q10 MSE" not in table  # nothing ran: nothing is told
    for network, grey in (("low", 10), ("high", 200)):
        with Image.open(out / f"panels_a_{network}_q10.png") as panel:
            assert panel.getpixel((0, 0)) == (grey,) * 3

    rule = next(r for r in rows_of(out / "rules.csv") if r["network and loss"] == "low MSE")
    # a: one decibel off at step 50, b none; the last step is 36 and 16 dB off
    assert rule["nearest estimate"] == "0.50, worst 1.00, step 55"
    assert rule["a rule of mine"] == rule["nearest estimate"]
    assert rule["last step"] == "26.00, worst 36.00, step 100"
    assert not rule["least SURE"]
    rule = next(r for r in rows_of(out / "rules.csv") if r["network and loss"] == "low SURE")
    assert rule["least SURE"] == "2.00, worst 2.00, step 90"
    blind = next(r for r in rows_of(out / "blind.csv") if r["cell"] == "low Q10 MSE")
    assert blind["smoothed, nearest estimate, blind"] == "27.50"
    assert blind["smoothed, best per image (oracle)"] == "28.00"
    assert blind["CIEDE2000"] == "2.00"
    baselines = rows_of(out / "baselines.csv")
    assert [(b["method"], b["PSNR"]) for b in baselines] == [
        ("Q10 JPEG", "25.00"),
        ("Q10 a method of mine", "26.00"),
        ("Q10 restoration without a network, 2 passes", "27.00"),
    ]
    assert rows_of(out / "table3.csv")[0]["PSNR / dB"] == "25.00"
    assert rows_of(out / "beats_jpeg.csv")[0]["cells above the JPEG"] == "6 of 6"


def test_the_best_cell_is_that_of_the_images_that_all_cells_have(tmp_path):
    write_run(tmp_path, "a", 50, 29.0)  # +4 dB, on b +1: a mean of +2.5
    write_run(tmp_path, "b", 50, 26.0)
    write_run(tmp_path, "a", 50, 28.0, network="high")  # +3, on a alone
    write_run(tmp_path, "b", 50, 24.0, network="medium", quality=25)
    records, _ = read_records(tmp_path)
    rows = beats_jpeg(cells_of(records)).rows
    assert rows[0] == ["10", "2 of 2", "low MSE", "+4.00", "1"]
    assert rows[1] == ["25", "0 of 1", "medium MSE", "-1.00", "1"]


def test_histograms_are_of_the_first_run_whose_images_are_there(runs, tmp_path):
    """As after a sweep that went on with packed runs, which hold no images."""
    run = runs / "b-kl_q_mse-100.0-True"
    result = json.loads((run / "result.json").read_text())
    place = tmp_path / "b.png"
    (run / "result.json").write_text(json.dumps(result | {"image": str(place)}))
    for path in (place, run / "restored.png"):
        Image.new("RGB", (16, 16), (10, 20, 30)).save(path)
    assert main(["report", str(runs), "-o", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.md").read_text()
    assert "Channel histograms of b, quality 10, Q+MSE, lambda 100" in page
    assert (tmp_path / "out" / "figure4.png").exists()


def test_no_runs_and_damaged_runs_are_told(runs, tmp_path, capsys):
    assert main(["report", str(tmp_path / "none"), "-o", str(tmp_path / "out")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty"), "-o", str(tmp_path / "out")]) == 1
    assert "no finished runs" in capsys.readouterr().err
    before = len(read_records(runs)[0])
    (runs / "a-sure-None-True/result.json").write_text("{")
    records, missing = read_records(runs)
    assert len(records) == before - 1
    assert len(missing) == 1
    assert "a-sure-None-True: result.json is damaged" in missing[0]
    assert not is_finished(runs / "a-sure-None-True")  # the next sweep does it anew


@pytest.mark.parametrize(
    "lacking",
    [{"best": None}, {"jpeg": {"psnr": None, "ms_ssim": None}}, {"curves": "step,psnr\n10,\n"}],
)
def test_a_run_that_measured_too_little_is_named(runs, tmp_path, lacking):
    """Fewer steps than are measured after, say, or a JPEG that lost nothing."""
    file = runs / "a-sure-None-True/result.json"
    if "curves" in lacking:
        (file.parent / "curves.csv").write_text(lacking["curves"])
    file.write_text(json.dumps(json.loads(file.read_text()) | lacking))
    assert main(["report", str(runs), "-o", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out/report.md").read_text()
    assert "a-sure-None-True: measured nothing" in text


RESULTS = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.sampled_from(["psnr", "step"]), x),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    result=st.dictionaries(st.sampled_from(["jpeg", "steps", "smoothed", "size", "x"]), RESULTS),
    labels=st.dictionaries(st.sampled_from(["image", "seed", "quality", "loss", "x"]), RESULTS),
    curves=st.text("step,psnr\n0123.-", max_size=20),
)
def test_any_run_is_read_or_named(runs, result, labels, curves):
    """Whatever lies in the files of one run, the others are reported."""
    folder, whole = runs / "a-sure-None-True", len(list(runs.iterdir()))
    for name, content in (("result", result), ("run", {"labels": labels})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "curves.csv").write_text(curves)
    records, missing = read_records(runs)
    assert len(records) + len(missing) == whole
    assert not any("\n" in line for line in missing)


def test_a_report_of_short_runs_says_so(runs, tmp_path):
    assert coverage(read_records(runs)[0]).startswith("Too short to judge")  # two images
    for image in "cdefg":
        write_run(tmp_path / "more", image, 40, 27.0)
    text = coverage(read_records(tmp_path / "more")[0])
    assert text.startswith("5 runs on 5 images (c, d, e, f, g)")
    assert "0% of the runs were best in the last twentieth" in text


def test_curves_are_averaged_where_they_were_measured(runs):
    """Other scalars may be recorded more often than the quality."""
    records = [r for r in read_records(runs)[0] if r.configuration.loss == "sure"]
    steps, means = mean_curve(records, "psnr")
    assert np.array_equal(steps, STEPS)
    sparse = [replace(r, curves={**r.curves}) for r in records]
    for r in sparse:
        r.curves["psnr"] = np.where(STEPS % 20 == 0, r.curves["psnr"], np.nan)
    fewer, same = mean_curve(sparse, "psnr")
    assert np.array_equal(fewer, STEPS[1::2])
    assert np.array_equal(same, means[1::2])


def test_names_with_signs_of_formulas_are_drawn(runs):
    for image in ("$\\frac{$", "b"):
        write_run(runs, image, 40, 27.0, "$x$")
    (runs / "b-$x$-None-True" / "comparison.png").write_bytes(b"\x89PNG cut")
    records, _ = read_records(runs)
    assert psnr_figure("low", 10, list(cells_of(records).values())).png.startswith(b"\x89PNG")
    assert panels(next(r for r in records if r.image == "b")) is None


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


def test_packed_runs_make_the_same_report(runs, tmp_path):
    folders = sorted(folder for folder in runs.iterdir())
    Image.new("RGB", (48, 16)).save(folders[0] / "comparison.png")
    result = json.loads((folders[0] / "result.json").read_text())
    (folders[0] / "result.json").write_text(json.dumps(result | {"image": "/far/away/a.png"}))
    packed = tmp_path / "runs.zip"
    assert main(["report", str(runs), "-o", str(tmp_path / "one"), "--pack", str(packed)]) == 0
    assert main(["report", str(packed), "-o", str(tmp_path / "two")]) == 0
    made = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert {"report.md", "tables1and2.csv", "claims.csv"} < set(made)
    for name in made:
        if name.endswith((".md", ".csv")):
            one, other = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
            assert other == one, name
    assert b"/far/away" not in packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "again")
    names = {path.name for path in (tmp_path / "again").iterdir()}
    assert names == {folder.name for folder in folders}
    assert all(is_finished(folder) for folder in (tmp_path / "again").iterdir())
    before = packed.read_bytes()
    main(["report", str(packed), "-o", str(tmp_path / "two"), "--pack", str(packed)])
    assert packed.read_bytes() == before


def test_a_missing_or_damaged_pack_is_told(tmp_path, capsys):
    assert main(["report", str(tmp_path / "runs.zip"), "-o", str(tmp_path / "out")]) == 1
    assert "there is no file" in capsys.readouterr().err
    (tmp_path / "runs.zip").write_bytes(b"PK no")
    assert main(["report", str(tmp_path / "runs.zip"), "-o", str(tmp_path / "out")]) == 1
    assert "is no ZIP file of runs" in capsys.readouterr().err


def test_a_pack_with_any_byte_wrong_is_told_or_read(runs, tmp_path):
    """Deflated data that is damaged raises errors of its own."""
    packed, damaged = tmp_path / "runs.zip", tmp_path / "damaged.zip"
    pack(read_records(runs)[0], runs, packed)
    whole = packed.read_bytes()
    for place in range(0, len(whole), 37):
        damaged.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        with suppress(RestorationError), unpacked(damaged):
            pass


@pytest.mark.parametrize(
    ("loss", "reported_output"),
    [
        ("sure", ""),
        ("kl_q_sure", ""),
        ("my-SURE", ""),
        ("pressure", "_smoothed"),
        ("mse", "_smoothed"),
    ],
)
def test_a_loss_has_sure_where_a_word_of_its_name_says_so(loss, reported_output):
    assert reported(Configuration(10, "low", True, loss, None, None)) == reported_output


def test_cells_that_the_paper_has_not_follow_its_own(tmp_path):
    write_run(tmp_path, "a", 50, 27.0)
    write_run(tmp_path, "a", 50, 28.0, "mine", quality=20)
    best = better_weights(cells_of(read_records(tmp_path)[0]))
    paper, own = table_1(best, skips=True, reading=None).rows
    assert paper[0] == "low Q10 MSE"
    assert paper[6:9] == ["27.00", "26.83", "+0.17"]
    assert own[0] == "low Q20 mine"
    assert own[6:] == ["28.00", "", "", "0.2800", ""]


def test_captions_leave_out_what_small_images_have_not(tmp_path):
    run = write_run(tmp_path, "a", 50, 27.0)
    Image.new("RGB", (16, 16)).save(run / "comparison.png")
    (record,) = read_records(tmp_path)[0]
    assert "JPEG 25.00 dB, restored 2.00 dB (PSNR)." in panels(record).caption
    record.result["projected"]["ms_ssim"] = 0.5
    assert "JPEG 25.00 dB / 0.9000, restored 2.00 dB / 0.5000 (PSNR / MS-SSIM)" in (
        panels(record).caption
    )


def test_runs_that_are_best_at_their_end_are_told(tmp_path):
    write_run(tmp_path, "a", 100, 27.0)
    write_run(tmp_path, "b", 90, 27.0)  # of 100 steps: before the last twentieth
    records = read_records(tmp_path)[0]
    (row,) = table_1(better_weights(cells_of(records)), skips=True, reading=None).rows
    assert row[3] == "50%"
    assert "50% of the runs were best in the last twentieth" in coverage(records)


def lines_of(monkeypatch, draw, *arguments):
    """Draw a figure; return its axes."""
    monkeypatch.setattr(plots, "drawn", lambda name, caption, figure: figure)
    return draw(*arguments).axes


def test_figure_3_shows_the_steps_from_where_it_settles(tmp_path, monkeypatch):
    for loss in ("mse", "sure"):
        write_run(tmp_path, "a", 50, 27.0, loss)
    loss, nmse, divergence = lines_of(monkeypatch, figure_3, read_records(tmp_path)[0])
    for line in loss.lines:
        np.testing.assert_array_equal(line.get_xdata(), STEPS[STEPS > 25])  # a quarter of 100
        np.testing.assert_array_equal(line.get_ydata(), 1.0)
    assert [line.get_label() for line in loss.lines] == ["MSE", "SURE"]
    assert not nmse.lines
    assert not divergence.lines


def test_the_figure_of_psnr_shows_means_the_epoch_and_the_jpeg(tmp_path, monkeypatch):
    write_run(tmp_path, "a", 40, 27.0)
    write_run(tmp_path, "b", 60, 29.0)
    cells = list(cells_of(read_records(tmp_path)[0]).values())
    (axis,) = lines_of(monkeypatch, psnr_figure, "low", 10, cells)
    curve, star, jpeg = axis.lines
    mean = 28 - (((STEPS - 40) / 10) ** 2 + ((STEPS - 60) / 10) ** 2) / 2
    np.testing.assert_allclose(curve.get_xydata(), np.stack([STEPS, mean], 1))
    np.testing.assert_allclose(star.get_xydata(), [[50, 27]])
    assert set(jpeg.get_ydata()) == {25.0}
