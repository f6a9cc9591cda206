"""The command ``restore`` and its Python form: files in, files out."""

import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import restoration
from restoration import pipeline, presets, restoring
from restoration.__main__ import main
from restoration.internal_learning import rounds
from restoration.internal_learning.ensemble import Learned
from restoration.jpeg import to_tensor
from restoration.metrics import psnr
from restoration.support import pool

FAST = ["restore", "--preset", "fast"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, photo, one_pass):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo).save("photo.jpg", quality=10)
    Image.fromarray(photo).save("photo.png")


def read(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_fast_beats_the_jpeg_and_reports_it(photo, capsys, monkeypatch):
    monkeypatch.setitem(presets.PRESETS, "fast", presets.FAST)
    assert main([*FAST, "photo.jpg", "--truth", "photo.png", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    gain = psnr(to_tensor(read("photo.restored.png")), to_tensor(photo)).item()
    assert report["restored"]["psnr"] == pytest.approx(gain, abs=1e-4)
    assert report["restored"]["psnr"] > report["jpeg"]["psnr"] + 1.3
    assert report["quality"] == 10
    assert report["size"] == [192, 192]


def test_files_that_are_skipped_take_no_time(monkeypatch):
    names = ["a", "b", "c", "d"]
    for name in names:
        Path(f"{name}.jpg").write_bytes(Path("photo.jpg").read_bytes())
    for name in "bd":
        Path(f"{name}.restored.png").touch()
    told = []

    def display(text):
        told.append(text())
        return nullcontext(SimpleNamespace(advance=None))

    monkeypatch.setattr("restoration.commands.restore.Display", display)
    done = {"seconds": 600.0, "damage": None, "colours": None}
    monkeypatch.setattr("restoration.commands.restore_file.restore_file", lambda *_: done)
    monkeypatch.setattr("restoration.commands.restore.tell", lambda *_: None)
    assert main([*FAST, *(f"{name}.jpg" for name in names)]) == 0
    assert told == ["[1/4] a.jpg", "[3/4, all in about 10 min] c.jpg"]


def test_a_jpeg_that_equals_its_original_is_told_and_compared(capsys):
    Image.open("photo.jpg").save("same.png")
    more = ["--truth", "same.png", "--compare", "sheet.png"]
    assert main([*FAST, "photo.jpg", *more]) == 0
    assert "equal to the original -> 3" in capsys.readouterr().out  # dB
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 3 * 192


def test_profile_exif_and_orientation_are_kept(photo):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    Image.fromarray(photo[:160]).save("t.jpg", quality=20, exif=exif, icc_profile=b"profile")
    assert main([*FAST, "t.jpg"]) == 0
    with Image.open("t.restored.png") as image:
        assert image.size == (160, 192)
        assert image.info["icc_profile"] == b"profile"
        assert image.getexif()[0x010F] == "maker"
        assert image.getexif()[0x0112] == 1
        difference = np.array(image) - np.rot90(photo[:160], -1).astype(float)
    assert np.abs(difference).mean() < 10


@pytest.mark.parametrize("size", [(16, 16), (17, 33), (100, 61)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_sizes_and_modes_stay(photo, size, mode):
    image = Image.fromarray(photo).convert(mode).crop((40, 40, 40 + size[0], 40 + size[1]))
    image.save("s.jpg", quality=10, progressive=True)
    assert main([*FAST, "s.jpg"]) == 0
    with Image.open("s.restored.png") as restored:
        assert (restored.size, restored.mode) == (size, mode)
        error, jpeg = (
            np.square(np.array(x, float) - np.array(image, float)).mean()
            for x in (restored, Image.open("s.jpg"))
        )
    assert error <= jpeg  # a patch of one coefficient has nothing to gain


def test_a_folder_is_restored_and_finished_files_are_skipped(capsys, photo):
    Path("in").mkdir()
    Image.fromarray(photo[:64, :64]).save("in/a.jpg", quality=10)
    Image.fromarray(photo[64:128, :64]).save("in/a.JPEG", quality=10)
    Path("in/broken.jpg").write_bytes(b"\xff\xd8 nothing")
    assert main([*FAST, "in", "-o", "out"]) == 1
    assert "broken.jpg" in capsys.readouterr().err
    names = sorted(p.name for p in Path("out").iterdir())
    assert names == ["a.JPEG.restored.png", "a.jpg.restored.png"]
    before = [Path("out", n).read_bytes() for n in names]
    Path("in/broken.jpg").unlink()
    assert main([*FAST, "in", "-o", "out"]) == 0
    assert capsys.readouterr().err.count("skipped") == 2
    assert [Path("out", n).read_bytes() for n in names] == before


def test_two_files_of_one_name_do_not_meet_in_one_output(capsys, photo):
    for name in "ab":
        Path(name).mkdir()
        Image.fromarray(photo[:64, :64]).save(f"{name}/photo.jpg", quality=10)
    assert main([*FAST, "a", "b", "-o", "out"]) == 2
    assert "a/photo.jpg and b/photo.jpg would both become" in capsys.readouterr().err
    assert not Path("out").exists()
    assert main([*FAST, "a/photo.jpg", "./a/photo.jpg", str(Path("a/photo.jpg").absolute())]) == 0
    assert sorted(p.name for p in Path("a").iterdir()) == ["photo.jpg", "photo.restored.png"]


def test_names_with_brackets_are_shown_whole(capsys, photo):
    Image.fromarray(photo[:64, :64]).save("img[final].jpg", quality=10)
    assert main([*FAST, "img[final].jpg"]) == 0
    assert "img[final].restored.png" in capsys.readouterr().out


def test_what_cannot_be_looked_into_is_one_line(capsys, monkeypatch):
    assert main([*FAST, "x" * 300 + ".jpg"]) in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1
    Path("locked").mkdir()

    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    assert main([*FAST, "locked"]) == 2
    assert "cannot look into locked: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.jpg"], 1, "cannot read missing.jpg"),
        (["photo.png"], 1, "photo.png shows no trace of JPEG compression; give --quality N"),
        (["photo.jpg", "-o", "x.bmp"], 2, "end the name in one of .png, .tif, .webp"),
        (["*.jpgg"], 2, "no file is named as *.jpgg"),
        (["photo.jpg", "-o", "photo.pgn"], 2, "end the name in one of .png, .tif, .webp"),
        (["photo.png", "--history", "none"], 1, "is no JPEG, and no earlier one is searched for"),
        ([""], 2, "an empty name; is a variable unset?"),
        (["photo.jpg", "photo.jpg", "photo.png", "--truth", "photo.png"], 2, "one input, not"),
        (["photo.jpg", "-o", "no/folder.png"], 1, "no is not a folder"),
        (["photo.jpg", "--compare", "photo.png"], 1, "photo.png exists"),
        (["photo.jpg", "--tile", "64"], 2, "at least 128 pixels"),
        (["photo.jpg", "--quality", "0"], 2, "give 1 to 100"),
        (["photo.jpg", "--strength", "2"], 2, "within 0 and 1"),
        (["photo.jpg", "--truth", "no.png"], 1, "cannot read no.png"),
        (["photo.jpg", "--network", "no.ckpt"], 1, "cannot read no.ckpt"),
    ],
)
def test_wrong_usage_is_one_line(arguments, code, message, capsys):
    try:
        result = main([*FAST, *arguments])
    except SystemExit as stop:  # of the parser of options
        result = stop.code
    assert result == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_an_existing_output_is_replaced_only_when_told(capsys):
    Path("photo.restored.png").write_bytes(b"mine")
    for named in ("photo.jpg", "."):  # all the same
        assert main([*FAST, named]) == 0
        told = capsys.readouterr()
        assert "photo.jpg: skipped, photo.restored.png exists" in told.err
        assert "0 restored, 1 skipped; --overwrite replaces" in told.out
    assert Path("photo.restored.png").read_bytes() == b"mine"
    assert main([*FAST, "photo.jpg", "--overwrite"]) == 0
    assert read("photo.restored.png").shape == (192, 192, 3)


def test_arithmetic_coding_is_refused_by_name(capsys):
    data = Path("photo.jpg").read_bytes()
    Path("a.jpg").write_bytes(data.replace(b"\xff\xc0", b"\xff\xc9", 1))
    assert main([*FAST, "a.jpg"]) == 1
    assert "arithmetic coding" in capsys.readouterr().err


def test_without_options_a_network_learns_in_two_rounds(photo, monkeypatch, capsys):
    """From the command and from Python; of a sixteenth of the usual pixels half of the steps."""
    asked, estimated = [], []

    def optimise(pool, networks, report):
        asked.append([network.steps for network in networks])
        return [Learned(np.zeros_like(network.estimate), []) for network in networks]

    def first_estimate(file, passes, count, advance):
        estimated.append((passes, count))
        return file.decode()

    monkeypatch.setattr(rounds, "optimise", optimise)
    monkeypatch.setattr(rounds, "training_copies", lambda *_: [])
    monkeypatch.setattr(pipeline, "first_estimate", first_estimate)
    monkeypatch.setattr(pool.Pool, "begin", lambda _: None)
    monkeypatch.setattr(restoring, "find_history", lambda *_: None)
    Image.fromarray(photo[:128]).save("photo.jpg", quality=10)
    assert main(["restore", "photo.jpg", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["preset"] == restoration.restore("photo.jpg").report.preset == "balanced"
    assert asked == [[200], [100]] * 2
    assert estimated == [(3, 16)] * 2


@pytest.fixture
def methods(monkeypatch):
    """How JPEGs were to be restored, none of which is."""
    given = []

    def restore_jpeg(jpeg, preset, seed, device, tile, *_):
        given.append((preset, seed, device, tile))
        return to_tensor(jpeg.pixels)

    monkeypatch.setattr(restoring, "restore_jpeg", restore_jpeg)
    return given


def test_options_reach_what_restores(methods):
    options = ["--preset", "best", "--seed", "7", "--device", "cpu", "--tile", "256"]
    assert main(["restore", "photo.jpg", "--history", "none", *options]) == 0
    assert methods == [(presets.BEST, 7, "cpu", 256)]


@pytest.mark.usefixtures("methods")
def test_folders_in_folders_are_made_again():
    Path("in/more/still").mkdir(parents=True)
    for folder in ("in", "in/more/still"):
        Path(folder, "a.jpg").write_bytes(Path("photo.jpg").read_bytes())
    options = ["--history", "none", "--recursive"]
    assert main([*FAST, *options, "in", "-o", "new/out"]) == 0
    made = sorted(str(path) for path in Path("new").rglob("*.*"))
    assert made == ["new/out/a.restored.png", "new/out/more/still/a.restored.png"]


@pytest.mark.slow
def test_networks_join_the_estimate_the_same_way_twice(photo, monkeypatch):
    """Through real worker processes; equal seeds give equal pixels, other seeds others."""
    Image.fromarray(photo[:, :80]).save("n.jpg", quality=10)
    monkeypatch.setitem(presets.PRESETS, "balanced", presets.Preset(rounds=1, networks=1, steps=8))
    steps = []
    first, again, other = (
        np.array(
            restoration.restore(
                "n.jpg", seed=s, device="cpu", advance=lambda *a: steps.append(a)
            ).image
        )
        for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert sum(done for done, _ in steps) == 3 * steps[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("time", [[], ["--budget", "30s"]])
def test_all_files_of_a_command_share_their_processes(photo, monkeypatch, time):
    """Also in a time that is given, where the first estimate decides whether networks learn."""
    few = presets.Preset(rounds=1, networks=2, steps=4)
    monkeypatch.setitem(presets.PRESETS, "balanced", few)
    monkeypatch.setitem(presets.PRESETS, "fast", replace(few, rounds=0))  # before what fits
    monkeypatch.setattr("restoration.pipeline.recipe_in", lambda *_: few)
    monkeypatch.setattr("restoration.internal_learning.ensemble.cores", lambda: 2)
    started, start = [], pool.Pool.start
    monkeypatch.setattr(pool.Pool, "start", lambda *a: (started.append(a), start(*a)))
    for name in "ab":
        Image.fromarray(photo[:80, :96]).save(f"{name}.jpg", quality=10)
    assert main(["restore", "a.jpg", "b.jpg", "--device", "cpu", *time]) == 0
    assert len(started) == 2
    assert started[0][0].peers == {}  # they have ended
    np.testing.assert_array_equal(read("a.restored.png"), read("b.restored.png"))


def test_a_picture_that_was_a_jpeg_is_restored_as_that_jpeg(photo, capsys):
    with Image.open("photo.jpg") as jpeg:
        jpeg.crop((3, 5, 192, 192)).save("shot.png")
    Image.fromarray(photo[5:, 3:]).save("truth.png")
    assert main([*FAST, "shot.png", "--truth", "truth.png", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert report["history"] == "quality 10 at offset (3, 5)"
    assert report["quality"] == 10
    assert main([*FAST, "photo.jpg"]) == 0
    of_the_jpeg = psnr(to_tensor(read("photo.restored.png")[5:, 3:]), to_tensor(photo[5:, 3:]))
    assert report["restored"]["psnr"] == pytest.approx(of_the_jpeg.item(), abs=0.05)


def test_what_a_second_compression_hides_is_undone(photo, capsys):
    with Image.open("photo.jpg") as jpeg:
        jpeg.crop((5, 3, 192, 192)).save("again.jpg", quality=90)
    Image.fromarray(photo[3:, 5:]).save("truth.png")
    command = [*FAST, "again.jpg", "--truth", "truth.png", "--json"]
    assert main(command) == 0
    assert main([*command, "--history", "none", "--overwrite"]) == 0
    first, second = capsys.readouterr().out.split("]\n[")
    (undone,), (trusting,) = json.loads(first + "]"), json.loads("[" + second)
    assert undone["history"] == "quality 10 at offset (5, 3) under quality 90"
    assert (undone["quality"], trusting["quality"], trusting["history"]) == (90, 90, None)
    assert undone["restored"]["psnr"] > trusting["restored"]["psnr"] + 0.8


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_transparency_and_metadata_of_other_formats_are_kept(photo, suffix):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    with Image.open("photo.jpg") as jpeg:
        picture = jpeg.crop((0, 0, 160, 192)).convert("RGBA")
    alpha = np.full((192, 160), 255, np.uint8)
    alpha[:30, :20] = 100
    picture.putalpha(Image.fromarray(alpha))
    picture.save(f"t{suffix}", lossless=True, exif=exif, icc_profile=b"profile")
    assert main([*FAST, f"t{suffix}"]) == 0
    with Image.open("t.restored.png") as image:
        assert (image.mode, image.size) == ("RGBA", (192, 160))
        assert np.array_equal(np.array(image.getchannel("A")), np.rot90(alpha, -1))
        assert image.info["icc_profile"] == b"profile"
        assert image.getexif()[0x010F] == "maker"


def test_a_picture_without_a_trace_is_restored_only_as_if(photo, capsys):
    assert main([*FAST, "photo.png"]) == 1
    error = capsys.readouterr().err
    assert "no trace of JPEG compression" in error
    assert "--quality" in error
    assert main([*FAST, "photo.png", "--quality", "10", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["quality"], report["history"]) == (10, None)
    as_if = read("photo.restored.png")
    assert main([*FAST, "photo.jpg", "--overwrite"]) == 0
    assert np.array_equal(as_if, read("photo.restored.png"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deep.png", "not 8-bit RGB or grey"),
        ("deep.tif", "not 8-bit RGB or grey"),
        ("inks.tif", "not 8-bit RGB or grey"),
        ("film.gif", "holds 2 pictures"),
    ],
)
def test_pictures_that_cannot_be_restored_are_refused_by_name(photo, capsys, name, message):
    image = Image.fromarray(photo)
    if name == "inks.tif":
        image.convert("CMYK").save(name)
    elif name == "film.gif":
        image.save(name, save_all=True, append_images=[Image.fromarray(255 - photo)])
    else:
        Image.fromarray(photo[..., 0].astype(np.uint16) * 257).save(name)
    assert main([*FAST, name]) == 1
    assert message in capsys.readouterr().err
