"""Pictures that are more than one JPEG: what is restored, in what time, and what is told."""

import io
from dataclasses import replace

import pytest
import torch
from PIL import Image

from restoration import restoring
from restoration.history import History
from restoration.history.detection import Trace
from restoration.jpeg import compress, read_picture, to_tensor
from restoration.pipeline import restore_earlier
from restoration.restoring import restored_tensor
from restoration.settings import Settings
from restoration.support.files import Content

WITHIN = Settings(None, 0, "cpu", None, "auto", None, None, budget=12.0)


@pytest.fixture
def found(photo, monkeypatch):
    """A compression at quality 10 that shows, of which 2.5 % are doubtful."""
    file = compress(photo[:64, :64], 10).quantised
    history = History(Trace((5, 3), file.tables[0], 10, 99.0, 1.0), file, (3, 5), 0.025)
    monkeypatch.setattr(restoring, "find_history", lambda *_: history)
    return history


@pytest.fixture
def budgets(monkeypatch):
    """The time of each JPEG, none of which is restored."""
    given = []

    def restore_jpeg(jpeg, preset, seed, device, tile, advance, budget, pool, library):
        given.append(budget)
        return to_tensor(jpeg.pixels)

    monkeypatch.setattr(restoring, "restore_jpeg", restore_jpeg)
    return given


def read(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return read_picture(Content(file.getvalue(), "photo"))


def restored(picture, began=0.0):
    return restored_tensor(picture, "photo", WITHIN, None, None, began)


def test_the_own_file_has_its_share_where_the_earlier_one_is_doubtful(photo, found):
    """An eighth of the result here."""
    own = compress(photo[3:59, 5:61], 90)
    told = []

    def restore(jpeg, advance):
        advance(7, 100)
        return torch.full((1, 3, *jpeg.pixels.shape[:2]), 0.8 if len(told) > 1 else 0.2)

    def advance(*units):
        told.append(units)

    image = restore_earlier(own.pixels, own.quantised, found, restore, advance)
    assert torch.allclose(image, torch.full((1, 3, 56, 56), 0.2 + 0.6 / 8))
    assert told == [(7, 200)] * 2
    sure = replace(found, doubt=0.0)
    for file, history in ((own.quantised, sure), (None, found)):
        told.clear()
        alone = restore_earlier(own.pixels, file, history, restore, advance)
        assert torch.equal(alone, torch.full((1, 3, 56, 56), 0.2))
        assert told == [(7, 100)]


def test_the_jpegs_of_a_picture_share_what_is_left_of_its_time(photo, found, budgets, monkeypatch):
    """The earlier file and its own, where both are restored; or a JPEG for each ink."""
    monkeypatch.setattr(restoring.time, "monotonic", lambda: 104.0)  # 4 s to read and to look
    image = Image.fromarray(photo[3:59, 5:61])
    jpeg, pixels = read(image, "JPEG", quality=90), read(image, "PNG")
    inks = read(image.convert("CMYK"), "JPEG", quality=90)
    for picture, expected in ((jpeg, [4.0] * 2), (inks, [2.0] * 4), (pixels, [8.0])):
        budgets.clear()
        restored(picture, began=100.0)
        assert budgets == expected
    budgets.clear()
    restored(pixels, began=90.0)
    assert budgets == [0.0]  # the least that there is


@pytest.mark.usefixtures("budgets")
def test_the_quality_told_is_that_of_the_last_compression(photo, found, monkeypatch):
    """The file's own; of pixels, the last one that shows."""
    twice = replace(found, later=replace(found, trace=replace(found.trace, quality=70)))
    monkeypatch.setattr(restoring, "find_history", lambda *_: twice)
    image = Image.fromarray(photo[3:59, 5:61])
    (_, of_pixels) = restored(read(image, "PNG"))
    (_, of_jpeg) = restored(read(image, "JPEG", quality=90))
    assert (of_pixels.quality, of_jpeg.quality) == (70, 90)
    assert of_pixels.history == "quality 10 at offset (5, 3) under quality 70 at offset (5, 3)"
    assert of_jpeg.history == f"{of_pixels.history} under quality 90"
