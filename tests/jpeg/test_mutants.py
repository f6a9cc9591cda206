"""Damaged files of every kind: each is read as far as it goes, or refused in one line, soon."""

import io
import resource
import time
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from restoration.errors import RestorationError
from restoration.jpeg import read_jpeg

SECONDS = 2.0  # for a file of a few kilobytes
KIBIBYTES = 2**20  # of memory beyond what was taken before


def seeds_of(photo: np.ndarray) -> list[bytes]:
    """Small files of all the kinds that the reader takes."""
    result = []
    for pixels, settings in (
        (photo[:64, :80], {"quality": 10}),
        (photo[:64, :80], {"quality": 40, "progressive": True}),
        (photo[:50, :61], {"quality": 25, "subsampling": 0}),
        (photo[:50, :61], {"quality": 25, "subsampling": 1, "restart_marker_rows": 1}),
        (photo[:48, :48, 0], {"quality": 10}),
    ):
        file = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(pixels).save(file, "JPEG", exif=exif, icc_profile=b"profile", **settings)
        result.append(file.getvalue())
    return result


def mutant(data: bytes, generator: np.random.Generator) -> tuple[str, bytes]:
    """Damage a file in one of many ways; half of the places are in its headers."""
    kind = str(generator.choice(["flip", "bytes", "zero", "cut", "drop", "twice", "front", "join"]))
    size = len(data) if generator.random() < 0.5 else max(data.find(b"\xff\xda"), 20)
    at, length = int(generator.integers(2, size)), int(generator.integers(1, 40))
    noise = generator.bytes(length)
    changed = {
        "flip": data[:at] + bytes([data[at] ^ (1 << int(generator.integers(8)))]) + data[at + 1 :],
        "bytes": data[:at] + noise + data[at + length :],
        "zero": data[:at] + bytes(length) + data[at + length :],
        "cut": data[:at],
        "drop": data[:at] + data[at + length :],
        "twice": data[:at] + data[at : at + length] + data[at:],
        "front": noise + data,
        "join": data[:at] + data[int(generator.integers(2, len(data))) :],
    }
    return kind, changed[kind]


def mutants(photo: np.ndarray, number: int) -> Iterator[tuple[str, bytes]]:
    generator = np.random.default_rng(0)
    seeds = seeds_of(photo)
    for i in range(number):
        kind, data = mutant(seeds[i % len(seeds)], generator)
        for _ in range(int(generator.integers(0, 3))):  # some several times
            kind, data = mutant(data, generator) if len(data) > 60 else (kind, data)
        yield kind, data


def attack(photo, tmp_path, number: int) -> Counter:
    said = ""
    path, ends, slowest = tmp_path / "m.jpg", Counter(), 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind, data in mutants(photo, number):
        path.write_bytes(data)
        began = time.process_time()
        try:
            jpeg = read_jpeg(path)
        except RestorationError as error:
            said += str(error)
            ends[kind, "refused"] += 1
        else:
            ends[kind, "damaged" if jpeg.damage else "whole"] += 1
            assert all((table > 0).all() for table in jpeg.quantised.tables)
            assert jpeg.quantised.decode().isfinite().all()
        slowest = max(slowest, time.process_time() - began)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"slowest {slowest:.2f} s, grown by {grown / 1024:.0f} MiB", dict(ends))
    assert "\n" not in said
    assert slowest < SECONDS
    assert grown < KIBIBYTES
    return ends


def test_a_few_mutants_are_read_or_refused(photo, tmp_path):
    ends = attack(photo, tmp_path, 150)
    assert {end for _, end in ends} == {"refused", "damaged", "whole"}


@pytest.mark.slow
def test_ten_thousand_mutants_are_read_or_refused(photo, tmp_path):
    assert attack(photo, tmp_path, 10_000).total() == 10_000


def test_an_empty_segment_of_a_program_does_not_end_the_process(photo, tmp_path):
    """jpeglib ends with a segmentation fault on it (found as mutant 7,621)."""
    data = seeds_of(photo)[0]
    at = data.index(b"\xff\xe1")
    (tmp_path / "a.jpg").write_bytes(data[:at] + b"\xff\xe1\0\2" + data[at + 4 :])
    (tmp_path / "b.jpg").write_bytes(data)
    some, other = (read_jpeg(tmp_path / name).quantised.coefficients for name in ("a.jpg", "b.jpg"))
    for mine, theirs in zip(some, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)
