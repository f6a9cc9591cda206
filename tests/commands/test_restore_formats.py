"""What ``restore`` writes beside pixels, in which formats, how strong, and what it prints."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import png as pypng
import pytest
import tifffile
import torch
from PIL import Image

import restoration
from restoration.__main__ import main
from restoration.commands.restore_table import show, summary
from restoration.jpeg import read_jpeg, read_picture, to_tensor
from restoration.restoring import restored_tensor
from restoration.settings import Settings
from restoration.support.figures import CAPTION, GAP

FAST = ["restore", "--preset", "fast"]
IPTC = b"\x1c\x02\x78\x00\x07caption"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, photo, one_pass):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo[:80, :96]).save("photo.jpg", quality=10)
    Image.fromarray(photo[:80, :96]).save("photo.png")


def restored() -> torch.Tensor:
    """The result before it is rounded."""
    settings = Settings("fast", 0, "cpu", None, "auto", None, None)
    return restored_tensor(read_picture("photo.jpg"), "photo.jpg", settings, None, None, 0.0)[0]


def test_sixteen_bits_hold_what_the_result_has():
    expected = np.round(restored()[0].permute(1, 2, 0).double().numpy() * 65535)
    assert (expected % 257 != 0).mean() > 0.9  # it is none of 8 bits
    assert main([*FAST, "photo.jpg", "-o", "a.tif"]) == 0
    assert main([*FAST, "photo.jpg", "-o", "a.png", "--format", "png16"]) == 0
    *_, rows, _ = pypng.Reader(bytes=Path("a.png").read_bytes()).read()
    deep = np.array([np.array(row, np.uint16) for row in rows]).reshape(expected.shape)
    assert np.abs(tifffile.imread("a.tif") - expected).max() <= 1  # rounded in single precision
    assert (tifffile.imread("a.tif") == expected).mean() > 0.99
    np.testing.assert_array_equal(deep, tifffile.imread("a.tif"))
    assert main([*FAST, "photo.jpg", "--format", "png", "-o", "8.png"]) == 0
    eight = np.array(Image.open("8.png"), np.int64)
    assert np.abs(eight * 257 - deep).max() <= 129


@pytest.mark.parametrize("name", ["webp", "jpeg", "tiff", "jxl"])
def test_formats_are_written_beside_the_photograph(name, photo):
    if name == "jxl":
        pytest.importorskip("pillow_jxl")
    assert main([*FAST, ".", "--format", name]) == 0
    suffix = {"jpeg": ".jpg", "tiff": ".tif"}.get(name, "." + name)
    assert main([*FAST, "photo.jpg"]) == 0
    with Image.open("photo.restored" + suffix) as image:
        assert image.size == (96, 80)
        difference = np.abs(np.array(image, float) - np.array(Image.open("photo.restored.png")))
    assert difference.max() == 0 if name in ("webp", "jxl") else difference.mean() < 1.5
    assert main([*FAST, ".", "--format", name, "--overwrite"]) == 0  # results are no inputs
    assert not list(Path().glob("*.restored.restored.*"))


def test_what_people_keep_is_kept_and_the_rest_told_once(photo, capsys):
    resource = b"8BIM\x04\x04\0\0\0\0\0" + bytes([len(IPTC)]) + IPTC
    block = b"Photoshop 3.0\0" + resource
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(photo[:48, :64]).save(
            name,
            **{"quality": 10, "exif": exif, "icc_profile": b"profile", "dpi": (300, 150)},
            **{"xmp": b'<a tiff:Orientation="6"/>', "comment": "mine"},
            extra=b"\xff\xed" + (len(block) + 2).to_bytes(2) + block,
        )
        with open(name, "ab") as file:
            file.write(b"\0\0\0\x18ftypmp42")
    for form, name in (("png", "a.restored.png"), ("jpeg", "a.restored.jpg")):
        assert main([*FAST, "a.jpg", "b.jpg", "--format", form]) == 0
        told = capsys.readouterr().err
        assert told.count("no place") == 1
        assert f"no place in {form} for: video behind the picture (2 files)" in told
        with Image.open(name) as image:
            image.load()
            assert image.size == (48, 64)
            assert image.info["dpi"] == pytest.approx((150, 300), abs=0.02)
            assert image.info["icc_profile"] == b"profile"
            assert image.info["xmp"] == b'<a tiff:Orientation="1"/>'
            assert image.getexif()[0x010F] == "maker"
            assert image.getexif().get(0x0112, 1) == 1  # Pillow looks into XMP, too
            assert (image.info.get("Comment") or image.info["comment"].decode()) == "mine"
            assert IPTC.hex() in str(image.info) or image.info["photoshop"][0x0404] == IPTC
    assert main([*FAST, "a.jpg", "--format", "webp"]) == 0
    assert "no place in webp for: IPTC, comment, video" in capsys.readouterr().err.replace("\n", "")
    assert main([*FAST, "a.jpg", "--strip", "--overwrite"]) == 0
    with Image.open("a.restored.png") as image:
        image.load()
        assert set(image.info) == {"icc_profile"}
    assert "no place" not in capsys.readouterr().err


def test_strength_leads_from_the_jpeg_to_the_restored_picture():
    jpeg = read_jpeg("photo.jpg")
    start, end = to_tensor(jpeg.pixels), restored()
    images = {}
    for strength in (0.0, 0.3, 1.0):
        assert main([*FAST, "photo.jpg", "--strength", str(strength), "-o", "o.tif"]) == 0
        images[strength] = torch.from_numpy(tifffile.imread("o.tif").astype(np.float32) / 65535)
        Path("o.tif").unlink()
    images = {s: x.permute(2, 0, 1)[None] for s, x in images.items()}
    assert (images[0.0] - start).abs().max() < 1e-5
    assert (images[1.0] - end).abs().max() < 1e-5
    assert (images[0.3] - (0.7 * start + 0.3 * end)).abs().max() < 1e-5
    image, _ = restoration.restore("photo.jpg", "fast", strength=0.0)
    np.testing.assert_array_equal(np.array(image), jpeg.pixels)


@pytest.mark.parametrize("strength", [0.2, 0.7])
def test_what_is_between_agrees_with_the_file(strength):
    picture = read_picture("photo.jpg")
    settings = Settings("fast", 0, "cpu", None, "auto", None, None, strength=strength)
    image, _ = restored_tensor(picture, "photo.jpg", settings, None, None, 0.0)
    file = picture.quantised
    levels = file.operator.encode(image)
    for c, q, t in zip(levels, file.coefficients, file.tables, strict=True):
        outside = ((c[0] / t - q).abs() - 0.5).clamp(min=0) * t
        # levels: a JPEG's own pixels are rounded to whole ones, which moves them by 0.29
        assert outside.square().mean().sqrt() < 0.29 * (1 - strength)


def report(name: str, **more) -> dict:
    known = {"size": (4000, 3000), "quality": 10, "history": None, "seconds": 123.4, "jpeg": None}
    return {"input": name, "output": name, **known, **more}


def printed(reports, columns, capsys, monkeypatch) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(columns))
    show(reports)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    return lines


def test_a_table_of_several_files_is_read_in_60_columns(capsys, monkeypatch):
    reports = [report(f"holiday/photo{i}.restored.png") for i in range(3)]
    reports += [{"input": "x", "skipped": "y"}] * 2 + [{"input": "x", "error": "z"}]
    lines = printed(reports, 60, capsys, monkeypatch)
    title = next(line for line in lines if "file" in line)
    assert title.split("  ")[-1].strip() == "seconds"
    assert "JPEG quality" in title
    assert any("4000x3000" in line and "10" in line and "123.4" in line for line in lines)
    assert lines[-1].startswith("3 restored, 1 failed, 2 skipped; the same command goes on")


def test_a_table_of_one_file_tells_both_measures(capsys, monkeypatch):
    scores = {"psnr": 26.294, "ms_ssim": 0.9123}, {"psnr": 28.481, "ms_ssim": 0.9551}
    one = report("a.png", jpeg=scores[0], restored=scores[1])
    text = "\n".join(printed([one], 60, capsys, monkeypatch))
    assert "JPEG -> restored, dB       26.29 -> 28.48" in text
    assert "JPEG -> restored, MS-SSIM  0.912 -> 0.955" in text
    small = [{**x, "ms_ssim": None} for x in scores]
    one = report("a.png", jpeg=small[0], restored=small[1], history="quality 10 under quality 90")
    text = "\n".join(printed([one], 60, capsys, monkeypatch))
    assert text.count("needs sides of 176 pixels") == 1
    assert "quality 10 under quality 90" in text


def test_counts_name_what_is_left_to_do():
    assert summary([report("a")]) == "1 restored"
    assert summary([{"skipped": "a"}]).startswith("0 restored, 1 skipped; --overwrite")
    assert summary([report("a"), {"error": "b"}]).endswith("1 failed; the same command goes on")


def test_captions_of_the_comparison_tell_the_distance_to_the_truth(monkeypatch):
    captions = []

    def drawn(panels):
        captions.extend(name for name, _ in panels)
        return b"sheet"

    monkeypatch.setattr("restoration.commands.restore_file.comparison", drawn)
    options = ["--truth", "photo.png", "--compare", "s.png", "--json"]
    stream = io.StringIO()
    monkeypatch.setattr("sys.stdout", stream)
    assert main([*FAST, "photo.jpg", *options]) == 0
    (told,) = json.loads(stream.getvalue())
    jpeg, result = (f"{told[image]['psnr']:.2f} dB" for image in ("jpeg", "restored"))
    assert captions == [f"JPEG, {jpeg}", f"restored, {result}", "original"]


def test_the_sheet_shows_the_jpeg_the_result_and_the_truth():
    options = ["--truth", "photo.png", "--compare", "s.png", "--history", "none"]
    assert main([*FAST, "photo.jpg", *options]) == 0
    sheet = np.array(Image.open("s.png"))[CAPTION:]
    for i, name in enumerate(("photo.jpg", "photo.restored.png", "photo.png")):
        expected = np.array(Image.open(name)).repeat(2, 0).repeat(2, 1)
        left = i * (2 * 96 + GAP)
        np.testing.assert_array_equal(sheet[:, left : left + 2 * 96], expected, name)
    assert sheet.shape[1] == left + 2 * 96


def test_opacity_fills_16_bits_and_is_told_where_it_has_no_place(photo, capsys):
    alpha = (np.arange(32 * 48).reshape(32, 48) % 256).astype(np.uint8)
    picture = Image.fromarray(photo[:32, :48])
    picture.putalpha(Image.fromarray(alpha))
    picture.save("half.png")
    command = [*FAST, "half.png", "--quality", "10", "--json", "--format"]
    assert main([*command, "png16"]) == 0
    assert "no place" not in capsys.readouterr().err
    *_, rows, _ = pypng.Reader(bytes=Path("half.restored.png").read_bytes()).read()
    deep = np.array([np.array(row, np.uint16) for row in rows]).reshape(32, 48, 4)
    np.testing.assert_array_equal(deep[..., 3], 257 * alpha.astype(np.uint16))
    assert main([*command, "jpeg"]) == 0
    told = capsys.readouterr()
    assert "no place in jpeg for: opacity" in told.err
    assert json.loads(told.out)[0]["left_out"] == ["opacity"]
    Image.fromarray(photo[:32, :48]).save("opaque.jpg", quality=10)
    assert main([*FAST, "opaque.jpg", "--format", "jpeg"]) == 0
    assert "no place" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["photo.jpg"], "did you mean restoration restore photo.jpg?"),
        (["my photo.jpeg", "--preset", "fast"], "restore 'my photo.jpeg' --preset fast?"),
        (["restor", "photo.jpg"], "did you mean restore?"),
        (["nothing"], "see restoration --help"),
    ],
)
def test_a_forgotten_command_is_suggested(arguments, said, capsys):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


WITHOUT_TORCH = """
import sys
sys.argv = ["restoration", *sys.argv[1:]]
from restoration.__main__ import main
try:
    code = main()
except SystemExit as stop:
    code = stop.code
print("code", code, "torch" in sys.modules)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["missing.jpg"], 1),
        (["skipped.jpg"], 0),
        (["text.jpg"], 1),
        (["small.png"], 1),
        (["photo.jpg", "--tile", "5"], 2),
        (["photo.jpg", "-o", "folder.png/x/y.png"], 1),
        (["photo.jpg", "-o", "x" * 300 + ".png"], 1),
        (["photo.jpg", "--compare", "a.jpg"], 2),
        (["photo.jpg", "--max-pixels", "10"], 1),
        (["photo.jpg", "--quality", "101"], 2),
        (["photo.jpg", "--truth", "missing.png"], 1),
        (["photo.jpg", "-o", "x.tif", "--format", "png"], 2),
    ],
)
def test_what_needs_no_network_is_answered_before_torch_is_imported(arguments, code, photo):
    Path("skipped.jpg").write_bytes(Path("photo.jpg").read_bytes())
    Path("skipped.restored.png").touch()
    Path("text.jpg").write_text("text")
    Image.fromarray(photo[:8, :8]).save("small.png")
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, "restore", *arguments],
        capture_output=True,
        check=False,
        text=True,
    )
    assert told.stdout.splitlines()[-1] == f"code {code} False", told.stderr
    assert "Traceback" not in told.stderr
    assert told.stderr.count("\n") == 1


def test_fast_needs_no_lightning():
    code = "import sys; from restoration.__main__ import main; code = main(); "
    code += "print('without', code, [n for n in ('lightning', 'torchmetrics') if n in sys.modules])"
    told = subprocess.run(
        [sys.executable, "-c", code, *FAST, "photo.jpg"], capture_output=True, check=True, text=True
    )
    assert told.stdout.splitlines()[-1] == "without 0 []"


def test_interrupted_it_says_what_is_done_and_how_to_go_on(photo):
    Path("h").mkdir()
    Image.fromarray(photo[:32, :32]).save("h/a.jpg", quality=10)
    Image.fromarray(photo).resize((2000, 2000)).save("h/b.jpg", quality=10)
    command = [sys.executable, "-m", "restoration", *FAST, "h"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        deadline = time.monotonic() + 120
        while not Path("h/a.restored.png").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "h/a.restored.png" in out
    assert "stopped; 1 of 2 restored, the same command goes on with the others" in err
    assert "Traceback" not in err
    assert sorted(p.name for p in Path("h").iterdir()) == ["a.jpg", "a.restored.png", "b.jpg"]
