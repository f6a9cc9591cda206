"""The figures in the documents are those of the result files, as the benchmarks' tables print."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
README = (FOLDER.parents[1] / "README.md").read_text()
BENCHMARKS = (FOLDER / "README.md").read_text()


@pytest.fixture
def printed(monkeypatch, capsys):
    """Run a benchmark's command, and return the cells of the rows that it prints."""

    def run(script, *arguments):
        monkeypatch.syspath_prepend(FOLDER)
        monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
        importlib.import_module(script).main()
        return [cells_of(line) for line in capsys.readouterr().out.splitlines()[2:]]

    yield run
    for name in {path.stem for path in FOLDER.glob("*.py")} - {Path(__file__).stem}:
        sys.modules.pop(name, None)


def cells_of(row):
    return row.strip("| ").split(" | ")


def rows_of(document):
    """The cells of the tables' rows, by the first one."""
    rows = [cells_of(line) for line in document.splitlines() if line.startswith("| ")]
    return {row[0].strip("`"): row[1:] for row in rows}


def test_the_presets_in_the_readme(printed):
    results, shown = RESULTS / "presets_kodak.json", rows_of(README)
    names = {
        "re-JPEG": "re-JPEG: mean of re-compressions under all 256 shifts of the blocks",
        "best": "best`, on an H200",
    }
    told = printed("presets", "table", results, "--short")
    assert [row[0] for row in told] == ["JPEG", "re-JPEG", "fast", "balanced", "best"]
    for method, *cells in told:
        assert shown[names.get(method, method)] == cells


def test_what_processor_time_buys(printed):
    """A row for each curve: its seconds, and its gains, rounded."""
    shown, curves = rows_of(BENCHMARKS), {}
    for curve, *cells in printed("scaling", "table", RESULTS / "scaling.json"):
        curves.setdefault(curve, []).append([float(cell) for cell in cells[:3]])
    assert len(curves) == 6
    for curve, points in curves.items():
        name = {"one image alone": "each image alone"}.get(curve, curve)
        (cells,) = [row for first, row in shown.items() if first.startswith(name)]
        for i, cell in enumerate(cells):
            values = [float(value) for value in cell.replace("+", "").split(", ")]
            assert values == pytest.approx([point[i] for point in points], abs=0.0051 if i else 0.5)


def test_the_plot_in_the_readme_is_that_of_the_results(printed, tmp_path):
    printed("scaling", "plot", RESULTS / "scaling.json", tmp_path / "plot.png")
    pictures = []
    for path in (tmp_path / "plot.png", RESULTS / "scaling.png"):
        with Image.open(path) as image:
            # coarse, for another font or version of matplotlib moves it by some pixels
            pictures.append(np.asarray(image.convert("L").resize((80, 50), Image.Resampling.BOX)))
    assert np.corrcoef(pictures[0].ravel(), pictures[1].ravel())[0, 1] > 0.9


def test_what_libraries_gain(printed):
    """Each row names its file: PSNR and gain at three qualities."""
    rows = re.findall(r"^\| (.*) \| `(_?\w*\.json)` \| (.*) \|$", BENCHMARKS, re.MULTILINE)
    assert len(rows) == 7
    for name, file, shown in rows:
        method = "network, balanced" if "--preset balanced" in name else "network"
        told = printed("library", "table", RESULTS / f"library_kodak{file}")
        (cells,) = [row[2:] for row in told if row[0] == method]
        for quality, cell in zip((0, 4, 8), shown.split("|"), strict=False):
            psnr, gain = cells[quality : quality + 2] if quality < len(cells) else ("-", "-")
            values = [] if psnr == "-" else [float(psnr), float(gain)]
            here = [float(value) for value in re.findall(r"[\d.]+", cell)]
            assert here == pytest.approx(values, abs=0.0051), (file, quality)


def test_what_colours_give_libraries(printed):
    shown, told = rows_of(BENCHMARKS), printed("colours", "table", RESULTS / "library_colours.json")
    assert len(told) == 5
    for colours, *cells in told:
        assert shown[colours] == cells


def test_what_each_reading_adds_to_mse(printed):
    document = (FOLDER.parents[1] / "configs" / "README.md").read_text()
    told = printed("readings", RESULTS / "readings.zip")
    assert len(told) == 18
    for _, quality, loss, reading, _, _, gain, least, most, *_, images in told:
        assert images == "4"
        if loss != "mse":
            term = "L_P" if loss == "kl_p_mse" else "L_Q"
            (row,) = re.findall(rf"^\| {quality} \| {term} \| `{reading}` \|.*$", document, re.M)
            assert f"{gain} ({least} to {most})" in row


def test_what_the_kl_term_changes_at_each_step(printed):
    told = printed("kl_steps", RESULTS / "desk" / "runs.zip")
    assert len(told) == 27
    page = (RESULTS / "desk" / "README.md").read_text()
    for quality, step, value, interval, images in told:
        low, high = map(float, interval.split(" to "))
        assert low < 0 < high
        assert images == "8"
        if quality in ("15", "25") and step in ("2400", "4800"):
            assert f"{float(value):+.2f} dB ({low:+.2f} to {high:+.2f})" in page
    told = printed("kl_steps", RESULTS / "desk" / "runs.zip", "--term", "P")
    outside = []
    for quality, step, value, interval, _ in told:
        low, high = map(float, interval.split(" to "))
        if not low < 0 < high:
            outside.append((quality, step))
            assert f"{float(value):+.2f} ({low:+.2f} to {high:+.2f})" in page
    assert outside == [("25", "1600")]


def test_which_runs_with_sure_run_away(printed):
    told = printed("sure_runs", RESULTS / "desk" / "runs.zip")
    runs, lines = [r for r in told if len(r) > 1], [" ".join(r) for r in told if len(r) == 1]
    page = (RESULTS / "desk" / "README.md").read_text()
    away = {(quality, loss, image): rest for quality, loss, image, _, _, *rest in runs if rest[1:]}
    assert f"In {len(away)} of {len(runs)} runs it learns to" in page
    least, first, low, end = zip(*(map(float, rest) for rest in away.values()), strict=True)
    assert f"to between {max(least):.0f} and {min(least):.0f} times the number of values" in page
    assert (
        f"to {min(low):.0f} to {max(low):.0f} dB, {min(end):.0f} to {max(end):.0f} at the" in page
    )
    steps = dict(zip(away, first, strict=True))
    beside, alone = (steps["10", loss, "kodim04"] for loss in ("kl_q_sure", "sure"))
    assert f"from step {beside:,.0f} on, SURE alone from {alone:,.0f}" in page
    (mean,) = [line for line in lines if "projected" in line]
    value, low, high = re.search(r"projected: (\S+) dB \((\S+) to (\S+)\)", mean).groups()
    assert (
        f"all five {float(value):.2f} dB in the mean ({float(low):.2f} to {float(high):+.2f};"
        in page
    )
    *others, lost = sorted(
        (float(re.search(r"(\S+) dB$", line)[1]) for line in lines if "average" in line),
        reverse=True,
    )
    assert f"loses {-lost:.2f} dB at the average best epoch" in page
    assert f"the other four gain between {others[-1]:.2f} and {others[0]:+.2f} dB" in page
