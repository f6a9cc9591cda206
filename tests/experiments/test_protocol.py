"""The paper's protocol and claims, on runs whose answer is known."""

import json
from dataclasses import replace

import numpy as np
import pytest

from restoration.__main__ import main
from restoration.errors import RestorationError
from restoration.experiments.protocol import (
    better_weights,
    cells_of,
    mean_difference,
    mean_size,
    reported,
)
from restoration.experiments.report.claims import beats_jpeg, claims
from restoration.experiments.report.tables import coverage
from restoration.experiments.results import Configuration, one_experiment, read_records
from tests.experiments.records import STEPS, rows_of, write_run


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


def test_a_claim_is_told_for_each_part_where_several_tell_it(tmp_path):
    """Of networks a KL term's gain, of losses that of skip connections."""
    kl = ("kl_q_mse", 10.0)
    for image in "ab":
        write_run(tmp_path, image, 50, 27.0)
        write_run(tmp_path, image, 50, 27.3, *kl)
        write_run(tmp_path, image, 50, 26.0, skips=False)
        write_run(tmp_path, image, 50, 26.1, *kl, skips=False)
        write_run(tmp_path, image, 50, 25.0, network="medium")
        write_run(tmp_path, image, 50, 24.8, *kl, network="medium")
        write_run(tmp_path, image, 50, 28.0, network="high")  # alone: it tells neither
    cells = cells_of(read_records(tmp_path)[0])
    rows = {row[0]: row[2] for row in claims(cells, better_weights(cells)).rows}
    assert {name: rows[name] for name in rows if "a KL" in name and "network" in name} == {
        "a KL term beside MSE, PSNR, low network, dB": "+0.30",
        "a KL term beside MSE, PSNR, low network without skips, dB": "+0.10",
        "a KL term beside MSE, PSNR, medium network, dB": "-0.20",
    }
    assert rows["skip connections, MSE, dB"] == "+1.000"
    assert rows["skip connections, Q+MSE, lambda 10, dB"] == "+1.200"
    assert rows["skip connections, dB"] == "+1.100"


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


@pytest.mark.parametrize(("images", "kept"), [(["a", "b"], 100), (["a"], 10)])
def test_a_lambda_of_fewer_images_is_left_out(tmp_path, images, kept):
    for image in ("a", "b"):
        write_run(tmp_path, image, 50, 27.0, "kl_q_mse", 10.0)
    for image in images:
        write_run(tmp_path, image, 50, 27.3, "kl_q_mse", 100.0)
    (cell,) = better_weights(cells_of(read_records(tmp_path)[0])).values()
    assert cell.configuration.weight == kept


def test_lambdas_are_compared_on_the_images_that_both_have(tmp_path):
    """The worse one has run on an easy image instead of a hard one."""
    write_run(tmp_path, "hard", 50, 20.0, "kl_q_mse", 10.0)
    write_run(tmp_path, "easy", 50, 34.0, "kl_q_mse", 100.0)
    for weight, height in ((10.0, 24.0), (100.0, 23.9)):
        write_run(tmp_path, "both", 50, height, "kl_q_mse", weight)
    (cell,) = better_weights(cells_of(read_records(tmp_path)[0])).values()
    assert cell.configuration.weight == 10


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


def test_the_best_cell_is_that_of_the_images_that_all_cells_have(tmp_path):
    write_run(tmp_path, "a", 50, 29.0)  # +4 dB, on b +1: a mean of +2.5
    write_run(tmp_path, "b", 50, 26.0)
    write_run(tmp_path, "a", 50, 28.0, network="high")  # +3, on a alone
    write_run(tmp_path, "b", 50, 24.0, network="medium", quality=25)
    records, _ = read_records(tmp_path)
    rows = beats_jpeg(cells_of(records)).rows
    assert rows[0] == ["10", "2 of 2", "low MSE", "+4.00", "1"]
    assert rows[1] == ["25", "0 of 1", "medium MSE", "-1.00", "1"]


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
