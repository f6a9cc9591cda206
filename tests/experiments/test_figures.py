"""What the report draws."""

import contextlib
import json
from dataclasses import replace

import numpy as np
from PIL import Image

from restoration.__main__ import main
from restoration.experiments.protocol import (
    cells_of,
)
from restoration.experiments.report import plots
from restoration.experiments.report.plots import figure_3, figure_4, mean_curve, panels, psnr_figure
from restoration.experiments.results import read_records
from tests.experiments.records import STEPS, write_run


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


def test_figure_3_compares_runs_that_differ_in_the_loss_alone(tmp_path):
    write_run(tmp_path, "a", 50, 27.0)
    write_run(tmp_path, "a", 50, 26.0, "sure", skips=False)
    assert figure_3(read_records(tmp_path)[0]) is None
    write_run(tmp_path, "b", 50, 27.0, skips=False)
    write_run(tmp_path, "b", 50, 26.0, "sure", skips=False)
    assert "of b, quality 10" in figure_3(read_records(tmp_path)[0]).caption


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


def test_captions_leave_out_what_small_images_have_not(tmp_path):
    run = write_run(tmp_path, "a", 50, 27.0)
    Image.new("RGB", (16, 16)).save(run / "comparison.png")
    (record,) = read_records(tmp_path)[0]
    assert "JPEG 25.00 dB, restored 2.00 dB (PSNR)." in panels(record).caption
    record.result["projected"]["ms_ssim"] = 0.5
    assert "JPEG 25.00 dB / 0.9000, restored 2.00 dB / 0.5000 (PSNR / MS-SSIM)" in (
        panels(record).caption
    )


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
    assert curve.get_label() == "MSE"
    assert set(jpeg.get_ydata()) == {25.0}
    write_run(tmp_path, "a", 40, 27.0, "sure")
    cells = list(cells_of(read_records(tmp_path)[0]).values())
    (axis,) = lines_of(monkeypatch, psnr_figure, "low", 10, cells)
    assert "SURE (1 of 2 images)" in [line.get_label() for line in axis.lines]
