"""What the commands decide before and after the work: names, plans, refusals, durations."""

import io
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import yaml
from jsonargparse import Namespace
from PIL import Image

from restoration.__main__ import main
from restoration.cli import with_shipped_configs
from restoration.commands import restore_plan
from restoration.commands.inputs import Input, find_inputs, results_among, told_left_out
from restoration.commands.report import parser
from restoration.commands.restore_plan import Job, format_of, is_file_name, plan
from restoration.errors import Interrupted, RestorationError, UsageError
from restoration.experiments.protocol import Cell
from restoration.experiments.report import plots
from restoration.experiments.report.plots import drawn, mean_curve, pyplot
from restoration.experiments.results import Configuration, Record
from restoration.fit_checks import check_trainer
from restoration.formats.png import to_png
from restoration.independent import local_rank
from restoration.run_folder import run_version, same_run

SETTINGS = {"seed_everything": 0, "model": {"a": 1}, "data": {}, "smoothing": {}, "rules": []}
TRAINER = {
    "precision": None,
    "gradient_clip_val": None,
    "gradient_clip_algorithm": None,
}
RIGHT = {
    "max_steps": 5,
    "max_time": None,
    "max_epochs": -1,
    "precision": None,
    "accumulate_grad_batches": 1,
    "barebones": False,
    "fast_dev_run": False,
    "limit_train_batches": None,
}
SETTINGS["trainer"] = TRAINER | {"max_steps": 9}


def record(values, image="a"):
    curves = {"step": np.arange(10.0, 10 * len(values) + 1, 10), "psnr": np.array(values)}
    cell = Configuration(10, "low", True, "mse", None, None)
    return Record(image, 0, cell, "", None, {}, curves, Path())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_steps": -1}, "nothing ends the run"),
        ({"precision": "64-true"}, "would change the image"),
        ({"precision": "bf16-true"}, "would change the image"),
        ({"max_epochs": 2}, "instead of max_epochs"),
        ({"accumulate_grad_batches": 2}, "every step has its own gradient"),
        ({"fast_dev_run": 3}, "would leave no result"),
        ({"limit_train_batches": 0}, "leaves no step"),
    ],
)
def test_trainers_that_cannot_be_right_are_refused(options, said):
    with pytest.raises(RestorationError, match=said):
        check_trainer(Namespace(RIGHT | options))


@pytest.mark.parametrize("precision", [None, 32, "32-true", "bf16-mixed"])
def test_trainers_that_end_pass(precision):
    check_trainer(Namespace(RIGHT | {"precision": precision}))
    timed = {"max_steps": -1, "max_time": "00:00:01:00", "precision": precision}
    check_trainer(Namespace(RIGHT | timed))


def test_versions_count_up_and_the_same_configuration_is_found(tmp_path):
    text = yaml.safe_dump(SETTINGS | {"trainer": TRAINER | {"max_steps": 3}, "ckpt_path": "last"})
    assert [run_version(tmp_path, {}, True) for _ in range(3)] == [
        "version_0",
        "version_1",
        "version_2",
    ]
    (tmp_path / "version_1" / "config.yaml").write_text(text)
    assert run_version(tmp_path, SETTINGS, True) == "version_1"
    assert run_version(tmp_path, SETTINGS | {"seed_everything": 1}, True) == "version_3"
    mixed = {"trainer": TRAINER | {"precision": "bf16-mixed"}}
    assert run_version(tmp_path, SETTINGS | mixed, True) == "version_4"
    launched = {"model": SETTINGS["model"] | {"cuda_graph": False}}  # rounding apart, the same run
    assert run_version(tmp_path, SETTINGS | launched, True) == "version_1"
    assert run_version(tmp_path, {}, False) == "version_4"  # another process has claimed it
    (tmp_path / "damaged.yaml").write_text("a: [")
    assert not same_run(tmp_path / "damaged.yaml", SETTINGS)


def changed(name, value):
    trainer = SETTINGS["trainer"]
    return SETTINGS | ({"trainer": trainer | {name: value}} if name in trainer else {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed_everything", 1),
        ("model", {"a": 2}),
        ("data", {"crop": 64}),
        ("smoothing", {"decay": 0.9}),
        ("rules", [{"class_path": "restoration.callbacks.NearestReJPEG"}]),
        ("precision", "bf16-mixed"),
        ("gradient_clip_val", 1.0),
        ("gradient_clip_algorithm", "value"),
    ],
)
def test_what_decides_the_result_makes_another_run(name, value, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    assert not same_run(tmp_path / "config.yaml", changed(name, value))


@pytest.mark.parametrize(
    ("name", "value"),
    [("model", {"a": 1, "cuda_graph": True}), ("max_steps", 99), ("curves", {"every": 5})],
)
def test_what_does_not_decide_the_result_leaves_the_run_the_same(name, value, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    assert same_run(tmp_path / "config.yaml", changed(name, value))


def test_shipped_configurations_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text("")
    found = with_shipped_configs(["-c", "mine.yaml", "--config=configs/base.yaml", "--name", "x"])
    assert found[1] == "mine.yaml"
    assert Path(found[2].removeprefix("--config=")).read_text()
    assert found[3:] == ["--name", "x"]


def test_outputs_of_equal_stems_keep_their_suffixes(tmp_path):
    for name in ("a.jpg", "a.jpeg", "b.JPG", "c.png"):
        (tmp_path / name).touch()
    inputs, left = find_inputs([str(tmp_path), str(tmp_path / "b.JPG")])
    assert [found.source.name for found in inputs] == ["a.jpeg", "a.jpg", "b.JPG"]
    assert left == {str(tmp_path): {".png": 1}}
    out = tmp_path / "out"
    assert [job.target.relative_to(out).name for job in plan(inputs, out)] == [
        "a.jpeg.restored.png",
        "a.jpg.restored.png",
        "b.restored.png",
    ]
    one = plan(inputs[:1], tmp_path / "x.png")
    assert one == [Job(inputs[0].source, tmp_path / "x.png")]
    with pytest.raises(UsageError, match="cannot hold 3 images"):
        plan(inputs, tmp_path / "x.png")
    with pytest.raises(UsageError, match="such files are not written"):
        is_file_name(tmp_path / "x.bmp")
    with pytest.raises(UsageError, match="no file is named as"):
        find_inputs([str(tmp_path / "*.bmp")])


def test_folders_in_folders_are_mirrored_and_what_is_left_out_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.jpg", "in/.c.jpg", "in/._b.jpg", "in/d.png", "in/e.mov", "in/f.mov"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    Path("in/b.restored.jpg").touch()  # a result of before
    Path("in/one/two").mkdir(parents=True)
    Path("in/one/two/b.jpg").touch()
    Path("in/loop").symlink_to(".")
    flat, left = find_inputs(["in"])
    assert [found.source for found in flat] == [Path("in/b.jpg")]
    assert told_left_out(left["in"]) == (
        "2 .mov, 1 .png (no JPEGs); 2 folders (--recursive looks inside); "
        "2 hidden files (their names begin with a dot)"
    )
    deep, left = find_inputs(["in"], recursive=True)
    assert [job.target for job in plan(deep, Path("out"))] == [
        Path("out/b.restored.png"),
        Path("out/one/two/b.restored.png"),
    ]
    assert "1 link (they may lead back)" in told_left_out(left["in"])
    assert plan(deep, None)[1].target == Path("in/one/two/b.restored.png")
    with pytest.raises(UsageError, match=r"in in/one; there are 1 folder \(--recursive"):
        find_inputs(["in/one"])


@pytest.mark.parametrize(
    ("output", "name", "expected"),
    [
        (None, None, "png"),
        ("a.PNG", None, "png"),
        ("a.png", "png16", "png16"),
        ("a.tif", None, "tiff"),
        ("a.webp", None, "webp"),
        ("a.jpg", None, "jpeg"),
        ("folder", "webp", "webp"),
    ],
)
def test_formats_are_chosen_by_ending_or_option(output, name, expected):
    assert format_of(None if output is None else Path(output), name).name == expected


def test_an_ending_and_an_option_that_contradict_are_refused():
    with pytest.raises(UsageError, match=r"end it in \.tif"):
        format_of(Path("a.png"), "tiff")


def test_png_keeps_pixels_profile_and_exif():
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x010E] = "a bad JPEG"
    image.info |= {"icc_profile": b"profile", "exif": exif.tobytes()}
    with Image.open(io.BytesIO(to_png(image))) as read:
        np.testing.assert_array_equal(np.array(read), pixels)
        assert read.info["icc_profile"] == b"profile"
        assert read.getexif()[0x010E] == "a bad JPEG"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), Interrupted("1 of 2 done")])
def test_a_stop_is_told_in_one_line(stop, monkeypatch, capsys):
    def stopped(*_):
        raise stop

    monkeypatch.setattr("restoration.__main__.run", stopped)
    assert main(["kodak"]) == 130
    assert capsys.readouterr().err == f"\nrestoration kodak: {str(stop) or 'stopped'}\n"


def test_curves_are_averaged_as_far_as_all_go():
    steps, values = mean_curve([record([1.0, 2, 3]), record([3.0, 6])], "psnr")
    assert steps.tolist() == [10, 20]
    assert values.tolist() == [2, 4]


def test_a_figure_is_drawn_in_both_forms():
    figure, axis = pyplot().subplots(figsize=(2, 1))
    axis.plot([0, 1])
    result = drawn("name", "caption", figure)
    with Image.open(io.BytesIO(result.png)) as image:
        assert image.size == (220, 110)
    assert result.svg.lstrip().startswith(b"<?xml")
    assert pyplot().get_fignums() == []


def test_a_loss_whose_name_begins_with_an_underscore_has_its_place_in_the_legend(monkeypatch):
    """Which leaves out labels that begin so."""
    plotted, cell = [], Configuration(10, "low", True, "_mine", None, None)
    curves = {"step": np.arange(10.0, 40, 10), "psnr_smoothed": np.array([20.0, 21.0, 22.0])}
    record = Record("a", 0, cell, "", None, {"jpeg": {"psnr": 21.0}}, curves, Path())
    monkeypatch.setattr(plots, "drawn", lambda name, caption, figure: plotted.append(figure))
    plots.psnr_figure("low", 10, [Cell(cell, (record,), 30.0, {}, {}, {})])
    (axis,) = plotted[0].axes
    assert "_mine" in [text.get_text().strip() for text in axis.get_legend().get_texts()]
    pyplot().close(plotted[0])


def test_the_report_must_be_told_where_to_land(capsys):
    assert parser().parse_args(["runs", "-o", "x"]).output == Path("x")
    with pytest.raises(SystemExit) as stop:
        parser().parse_args(["runs"])
    assert stop.value.code == 2
    assert "-o/--output" in capsys.readouterr().err


def test_a_process_knows_which_image_is_its_own(monkeypatch):
    for name in ("LOCAL_RANK", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)
    assert local_rank() == 0
    monkeypatch.setenv("SLURM_LOCALID", "2")  # a task of srun
    assert local_rank() == 2
    monkeypatch.setenv("LOCAL_RANK", "1")  # a process that the trainer has started
    assert local_rank() == 1


def test_names_that_are_alike_once_written_are_told_apart(tmp_path):
    long = "x" * 170
    names = [f"{long}1.jpg", f"{long}2.jpg", "photo.jpg", "photo.jpeg", "photo.jpg.jpg", "b.jpg"]
    inputs = [Input(tmp_path / name) for name in names]
    targets = [job.target.name for job in plan(inputs, tmp_path / "out")]
    assert len(set(targets)) == len(names)
    assert targets[3:] == ["photo.jpeg.restored.png", targets[4], "b.restored.png"]
    assert all(len(name) < 200 for name in targets)
    again = [job.target.name for job in plan(inputs[::-1], tmp_path / "out")]
    assert again == targets[::-1]  # whatever the order


def test_names_that_a_disk_takes_for_one_are_told_apart(tmp_path, monkeypatch):
    """Capitals on macOS, Windows and memory cards; letters with accents in one part or two."""
    names = ["a/Photo.jpg", "b/photo.jpg", "IMG_1.JPG", "img_1.jpg"]
    names += ["a/\u00e9.jpg", "b/e\u0301.jpg"]
    inputs = [Input(tmp_path / name) for name in names]
    output = tmp_path / "out"
    as_given = [output / f"{Path(name).stem}.restored.png" for name in names]
    for folds, told_apart in ((False, False), (True, True)):
        monkeypatch.setattr(restore_plan, "folds", lambda folder, folds=folds: folds)
        targets = [job.target for job in plan(inputs, output)]
        assert (targets == as_given) is not told_apart
    alike = [unicodedata.normalize("NFC", str(path)).casefold() for path in targets]
    assert len(set(alike)) == len(names)
    assert [job.target for job in plan(inputs[::-1], output)] == targets[::-1]
    twins = [Input(tmp_path / folder / "photo.jpg") for folder in "aA"]
    assert len({job.target.name for job in plan(twins, None)}) == 2


def test_results_are_known_by_the_names_that_were_told_apart(tmp_path, monkeypatch):
    """Such as a shell lists them beside the photographs."""
    monkeypatch.setattr(restore_plan, "folds", lambda folder: True)
    odd = "a\nb.jpg", "a_b.jpg"  # alike once written
    sources = [tmp_path / name for name in ("Photo.jpg", "photo.jpg", *odd)]
    results = [job.target for job in plan([Input(source) for source in sources], None)]
    assert len(set(results)) == 4
    assert results_among([*sources, *results]) == set(map(str, results))


def test_a_disk_is_asked_whether_it_tells_capitals_apart(tmp_path, monkeypatch):
    (tmp_path / "a").touch()
    tells = not (tmp_path / "A").exists()
    assert restore_plan.folds(tmp_path / "missing" / "folder") is not tells
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    monkeypatch.setattr("os.path.exists", lambda path: True)
    assert restore_plan.folds(tmp_path)
