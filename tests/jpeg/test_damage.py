"""Damaged files: what is left is read, and what is missing told."""

import io
import os
import re
import struct

import jpeglib
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from restoration.errors import RestorationError
from restoration.jpeg import (
    read_jpeg,
    read_picture,
)
from restoration.support.files import Content
from tests.jpeg.files import encoded


def cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def zeroed(data: bytes, share: float) -> bytes:
    at = int(len(data) * share)
    return data[:at] + bytes(200) + data[at + 200 :]


@pytest.mark.parametrize(
    ("change", "damage", "lines"),
    [
        (lambda d: d[:-2], None, 192),  # no end marker
        (lambda d: b"\r\nheader:" + d, None, 192),
        (lambda d: d[:-2] + b"\0\0\0\x18ftypmp42" + bytes(range(1, 255)) * 9, None, 192),
        (lambda d: cut(d, 0.6), r"cut short: nothing is left below line (\d+)", 64),
        (lambda d: cut(d, 0.98), r"cut short: nothing is left below line (\d+)", 160),
        (lambda d: zeroed(d, 0.5), r"damaged from about line (\d+) on", 48),
    ],
)
def test_what_is_left_of_a_damaged_file_is_read(photo, tmp_path, capfd, change, damage, lines):
    good = encoded(photo, quality=40)
    (tmp_path / "good.jpg").write_bytes(good)
    (tmp_path / "bad.jpg").write_bytes(change(good))
    whole, read = read_jpeg(tmp_path / "good.jpg"), read_jpeg(tmp_path / "bad.jpg")
    np.testing.assert_array_equal(read.pixels[:lines], whole.pixels[:lines])
    assert capfd.readouterr().err == ""  # libjpeg's own complaints name no file
    if damage is None:
        assert read.damage is None
        np.testing.assert_array_equal(
            read.quantised.coefficients[0], whole.quantised.coefficients[0]
        )
        return
    found = int(re.fullmatch(damage, read.damage)[1])
    assert lines <= found < 192
    assert (read.pixels[found + 16 :] != whole.pixels[found + 16 :]).any((1, 2)).all()


def test_zeros_behind_a_stray_end_are_found(photo, tmp_path):
    good = encoded(photo, quality=40)
    at = len(good) // 2
    (tmp_path / "bad.jpg").write_bytes(good[:at] + b"\xff\xd9" + bytes(300) + good[at + 302 :])
    damage = read_jpeg(tmp_path / "bad.jpg").damage
    assert re.fullmatch(r"damaged from about line (\d+) on", damage)


@pytest.mark.parametrize("behind", [b"", b"another picture", b"\0" * 40])
def test_a_file_with_its_end_was_not_cut_short(photo, tmp_path, behind):
    good = encoded(photo, quality=40)
    middle = len(good) // 2
    (tmp_path / "bad.jpg").write_bytes(good[:middle] + good[middle + 300 :] + behind)
    assert read_jpeg(tmp_path / "bad.jpg").damage == "damaged: parts of it are missing"


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6, 0.9, 0.99])
def test_the_cells_of_a_cut_progressive_file_hold_what_was_cut(photo, tmp_path, share):
    good = encoded(photo, quality=40, progressive=True)
    (tmp_path / "good.jpg").write_bytes(good)
    (tmp_path / "bad.jpg").write_bytes(cut(good, share))
    whole, read = (read_jpeg(tmp_path / f"{n}.jpg").quantised for n in ("good", "bad"))
    assert read_jpeg(tmp_path / "bad.jpg").damage.startswith("damaged or cut short")
    widths = []
    for true, middle, width in zip(whole.coefficients, read.coefficients, read.widths, strict=True):
        outside = ((true - middle).abs() > width / 2).any(-1).any(-1)
        assert outside.sum() <= 1  # the block in which the file was cut is made up
        widths.append(width.max().item())
    assert max(widths) > 1
    assert whole.widths is None


def test_what_others_write_to_stderr_is_no_damage(photo, capfd, monkeypatch):
    """A progress bar, say, or a thread's log: it is written, once the file is read."""
    data = encoded(photo[:64, :64], quality=50)
    read = jpeglib.read_dct

    def beside(path):
        os.write(2, b"step 7 of 9\n")
        return read(path)

    monkeypatch.setattr(jpeglib, "read_dct", beside)
    jpeg = read_picture(Content(data, "a.jpg"), strict=True)
    assert jpeg.damage is None
    assert capfd.readouterr().err == "step 7 of 9\n"


@pytest.mark.parametrize("progressive", [False, True])
def test_an_unknown_revision_of_jfif_is_no_damage(progressive, photo):
    data = encoded(photo[:64, :64], quality=50, progressive=progressive)
    odd = data.replace(b"JFIF\0\x01\x01", b"JFIF\0\x02\x01", 1)
    assert odd != data
    jpeg, same = (read_picture(Content(d, "a.jpg"), strict=True) for d in (odd, data))
    assert jpeg.damage is None
    assert jpeg.quantised.widths is None
    assert np.array_equal(jpeg.pixels, same.pixels)


@pytest.mark.parametrize("stray", [bytes(40), b"\xff" * 9 + bytes(9)])
@pytest.mark.parametrize("progressive", [False, True])
def test_padding_between_the_last_scan_and_the_end_is_no_damage(progressive, stray, photo):
    data = encoded(photo[:64, :64], quality=50, progressive=progressive)
    odd = read_picture(Content(data[:-2] + stray + data[-2:], "a.jpg"), strict=True)
    assert odd.quantised.widths is None
    assert np.array_equal(odd.pixels, read_picture(Content(data, "a.jpg")).pixels)


@pytest.mark.parametrize("number", [5, 100])
@pytest.mark.parametrize("progressive", [False, True])
def test_other_bytes_between_the_last_scan_and_the_end_are_damage(progressive, number, photo):
    """No encoder fills up with such: part of the picture may be what they were."""
    data = encoded(photo[:64, :64], quality=50, progressive=progressive)
    stray = np.random.default_rng(0).integers(1, 255, number, np.uint8).tobytes()  # no marker
    odd = Content(data[:-2] + stray + data[-2:], "odd.jpg")
    assert "damaged" in read_picture(odd).damage
    with pytest.raises(RestorationError, match=r"odd\.jpg: the picture is damaged"):
        read_picture(odd, strict=True)


def test_lines_are_counted_beside_a_grey_edge(photo):
    """Blocks of mid-grey hold nothing, as those that a cut leaves empty."""
    pixels = photo.copy()
    pixels[:, -32:] = 128
    data = encoded(pixels, quality=50)
    told = read_picture(Content(data[: len(data) // 2], "a.jpg")).damage
    line = int(re.search(r"below line (\d+)", told)[1])
    assert 48 <= line <= 144


@pytest.mark.parametrize("error", [RuntimeError, NotImplementedError, struct.error, KeyError])
def test_whatever_a_reader_of_a_format_raises_is_damage(error, photo, monkeypatch):
    """AVIF's raises RuntimeError, that of DDS NotImplementedError."""
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")

    def load(_):
        raise error("bad data")

    monkeypatch.setattr(PngImageFile, "load", load)
    with pytest.raises(RestorationError, match=r"a.png is damaged"):
        read_picture(Content(file.getvalue(), "a.png"))
