"""The report: numbers known beforehand, from result files written here."""

import re

from PIL import Image

from restoration.__main__ import main
from restoration.experiments.protocol import (
    better_weights,
    cells_of,
)
from restoration.experiments.report.document import Document, Figure, Table
from restoration.experiments.report.paper import TABLES
from restoration.experiments.report.tables import coverage, table_1
from restoration.experiments.results import one_experiment, read_records
from tests.experiments.records import rows_of, write_run


def test_runs_of_other_settings_are_left_out_and_told(runs, tmp_path, capsys):
    for image in "abc":
        write_run(tmp_path / "more", image, 40, 27.0, settings="long")
    write_run(tmp_path / "more", "a", 90, 35.0, settings="short")
    kept, others = one_experiment(read_records(tmp_path / "more")[0])
    assert [r.image for r in kept] == ["a", "b", "c"]
    assert [r.settings for r in others] == ["short"]
    assert main(["report", str(tmp_path / "more"), "-o", str(tmp_path / "out")]) == 0
    assert "1 run is left out" in capsys.readouterr().err
    report = (tmp_path / "out/report.md").read_text()
    assert "1 run is left out" in report
    assert "a-mse-None-True-short" in report
    assert rows_of(tmp_path / "out/tables1and2.csv")[0]["PSNR"] == "27.00"


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


def test_a_report_of_short_runs_says_so(runs, tmp_path):
    assert coverage(read_records(runs)[0]).startswith("Too short to judge")  # two images
    for image in "cdefg":
        write_run(tmp_path / "more", image, 40, 27.0)
    text = coverage(read_records(tmp_path / "more")[0])
    assert text.startswith("5 runs on 5 images (c, d, e, f, g)")
    assert "0% of the runs were best in the last twentieth" in text


def test_printed_numbers_of_the_paper():
    assert len(TABLES) == 54
    assert TABLES["high", 25, "kl_q_mse"] == (29.37, 0.947)
    assert TABLES["low", 10, "sure"] == (23.66, 0.826)
    assert TABLES["medium", 15, "kl_p_sure"] == (26.26, 0.908)


def test_a_figure_of_an_image_of_any_name_is_linked():
    assert (
        "](panels_my%20photo%20%281%29_low.png)"
        in Figure("panels_my photo (1)_low", "a caption", b"").markdown()
    )


def test_text_is_escaped():
    document = Document("a < b", ["x & y", Table("t", ["|c|"], [["<1>"]])])
    assert "\\|c\\|" in document.markdown()
    page = document.html()
    for text in ("a &lt; b", "x &amp; y", "&lt;1&gt;"):
        assert text in page


def test_cells_that_the_paper_has_not_follow_its_own(tmp_path):
    write_run(tmp_path, "a", 50, 27.0)
    write_run(tmp_path, "a", 50, 28.0, "mine", quality=20)
    best = better_weights(cells_of(read_records(tmp_path)[0]))
    paper, own = table_1(best, skips=True, reading=None).rows
    assert paper[0] == "low Q10 MSE"
    assert paper[6:9] == ["27.00", "26.83", "+0.17"]
    assert own[0] == "low Q20 mine"
    assert own[6:] == ["28.00", "", "", "0.2800", ""]
    write_run(tmp_path, "a", 50, 29.0, "charb_hist", 10.0, reading="counted")
    best = better_weights(cells_of(read_records(tmp_path)[0]))
    names = [row[0] for row in table_1(best, skips=True, reading="counted").rows]
    assert names == ["low Q10 MSE", "low Q10 charb_hist", "low Q20 mine"]


def test_cells_without_skips_stand_beside_nothing_of_the_paper(tmp_path):
    """Which prints one table, and says that skips are worth a decibel."""
    write_run(tmp_path, "a", 50, 27.0)
    write_run(tmp_path, "a", 50, 26.0, skips=False)
    best = better_weights(cells_of(read_records(tmp_path)[0]))
    (row,) = table_1(best, skips=False, reading=None).rows
    assert row[6:] == ["26.00", "", "", "0.2600", ""]


def test_runs_that_are_best_at_their_end_are_told(tmp_path):
    write_run(tmp_path, "a", 100, 27.0)
    write_run(tmp_path, "b", 90, 27.0)  # of 100 steps: before the last twentieth
    records = read_records(tmp_path)[0]
    (row,) = table_1(better_weights(cells_of(records)), skips=True, reading=None).rows
    assert row[3] == "50%"
    assert "50% of the runs were best in the last twentieth" in coverage(records)
