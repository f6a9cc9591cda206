"""``import restoration``: what a picture may be given as, many pictures, what is exported."""

import inspect
import io
import subprocess
import sys
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

import restoration
from restoration import many, presets, restoring
from restoration.jpeg import estimated_quality, to_tensor
from restoration.support import pool

ROOT = Path(__file__).parents[1]


def test_a_duration_that_is_no_text_is_refused():
    with pytest.raises(restoration.RestorationError, match="60 is no duration"):
        restoration.restore("missing.jpg", budget=60)


@pytest.mark.parametrize(
    "single",
    [*("photo.jpg", b"data", Path("photo.jpg")), io.BytesIO(b"data"), Image.new("L", (16, 16))],
    ids=lambda x: type(x).__name__,
)
def test_many_pictures_come_in_a_list(single):
    with pytest.raises(restoration.RestorationError, match="in a list"):
        restoration.restore_many(single)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, photo, one_pass):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo[:80, :96]).save("photo.jpg", quality=10)


def restored(source, **options) -> np.ndarray:
    return np.array(restoration.restore(source, preset="fast", **options).image)


@cache
def expected() -> np.ndarray:
    """The result of ``photo.jpg``, which is the same in all tests."""
    return restored("photo.jpg")


def opened():
    return Path("photo.jpg").open("rb")


def at_its_end():
    file = io.BytesIO()
    file.write(Path("photo.jpg").read_bytes())
    return file


class Stream(io.RawIOBase):
    """What cannot be wound back, as a pipe."""

    def __init__(self):
        self.rest = Path("photo.jpg").read_bytes()

    def read(self, size=-1):
        data, self.rest = self.rest, b""
        return data


def loaded():
    image = Image.open("photo.jpg")
    image.load()
    return image


@pytest.mark.parametrize(
    "given",
    [
        lambda: Path("photo.jpg"),
        lambda: Path("photo.jpg").read_bytes(),
        lambda: bytearray(Path("photo.jpg").read_bytes()),
        opened,
        lambda: io.BytesIO(Path("photo.jpg").read_bytes()),
        at_its_end,
        Stream,
        lambda: Image.open("photo.jpg"),
        lambda: Image.open(at_its_end()),
        loaded,
    ],
)
def test_a_file_may_be_given_in_any_form(given):
    source = given()
    result = restoration.restore(source, preset="fast")
    assert result.report.history is None  # the file itself was read
    assert result.report.quality == 10
    assert np.array_equal(np.array(result.image), expected())
    if isinstance(source, Image.Image):  # asking leaves the image as it was
        assert np.array_equal(restored(source), np.array(result.image))
        assert np.array_equal(np.array(source), np.array(loaded()))
    if hasattr(source, "close"):
        source.close()


@pytest.fixture
def large(photo):
    Image.fromarray(photo).save("large.jpg", quality=10)


def drawn_on():
    image = Image.open("large.jpg")
    ImageDraw.Draw(image).rectangle((70, 90, 90, 110), "red")
    return image


def overwritten():
    image = Image.open("large.jpg")
    image.load()
    Image.new("RGB", image.size).save("large.jpg")
    return image


def without_its_file():
    image = Image.open(io.BytesIO(Path("large.jpg").read_bytes()))
    image.load()
    return image


@pytest.mark.parametrize(
    "given",
    [
        drawn_on,
        overwritten,
        without_its_file,
        lambda: Image.open("large.jpg").crop((3, 5, 190, 192)),
        lambda: ImageOps.mirror(Image.open("large.jpg")),
    ],
)
@pytest.mark.usefixtures("large")
def test_an_image_that_is_no_file_goes_the_way_of_its_pixels(given):
    image = given()
    image.save("pixels.png")
    result = restoration.restore(image, preset="fast")
    assert result.report.history.startswith("quality 10")
    assert np.array_equal(np.array(result.image), restored("pixels.png"))


@pytest.mark.usefixtures("large")
def test_a_further_picture_of_a_file_is_not_that_file():
    with Image.open("large.jpg") as first, Image.open("large.jpg") as second:
        first.save("both.jpg", "MPO", save_all=True, append_images=[ImageOps.flip(second)])
    with Image.open("both.jpg") as image:
        image.seek(1)  # not yet loaded
        result = restored(image, quality=10)
        image.save("second.png")
    assert np.array_equal(result, restored("second.png", quality=10))


def test_a_smaller_draft_of_a_file_is_not_that_file(photo):
    Image.fromarray(photo).save("large.jpg", quality=10)
    image = Image.open("large.jpg")
    image.draft("RGB", (96, 96))
    assert restoration.restore(image, preset="fast", quality=10).report.size == (96, 96)


def test_profile_exif_and_orientation_of_pixels_are_kept(photo):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    Image.fromarray(photo[:160]).save("t.jpg", quality=20, exif=exif, icc_profile=b"profile")
    with Image.open("t.jpg") as image:
        part = image.crop((0, 0, 96, 80))
    result = restoration.restore(part, preset="fast", quality=20).image
    assert result.size == (80, 96)
    assert result.info["icc_profile"] == b"profile"
    assert result.getexif()[0x010F] == "maker"


def test_the_truth_may_be_given_in_any_form(photo):
    truth = Image.fromarray(photo[:80, :96])
    png = io.BytesIO()
    truth.save(png, format="PNG")
    scores = [
        restoration.restore("photo.jpg", preset="fast", truth=t).report.restored
        for t in (truth, png, png.getvalue())
    ]
    assert scores[0] is not None
    assert scores[0] == scores[1] == scores[2]


def closed():
    file = opened()
    file.close()
    return file


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (lambda: 3, "is wanted, not int"),
        (lambda: b"", "the picture is empty"),
        (lambda: b"none", "the picture is not an image"),
        (closed, "cannot read the file"),
        (lambda: io.StringIO("text"), "open it in binary mode"),
        (lambda: Image.new("F", (64, 64)), "convert it to RGB"),
        (lambda: Image.new("RGB", (64, 64)), "the image shows no trace of JPEG"),
        (lambda: Image.new("RGB", (9, 64)), "the image is 9 x 64 pixels"),
        (lambda: Image.new("I;16", (64, 64)), "not 8-bit RGB or grey"),
    ],
)
def test_what_is_no_picture_is_one_line(given, message):
    with pytest.raises(restoration.RestorationError, match=message) as caught:
        restoration.restore(given())
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_many_pictures_share_their_processes(photo, monkeypatch):
    """One process per network for all, the same pixels as one by one, errors in their place."""
    recipe = presets.Preset(rounds=1, networks=2, steps=4)
    monkeypatch.setitem(presets.PRESETS, "balanced", recipe)
    Image.fromarray(photo[80:150, :96]).save("other.jpg", quality=20)
    started, start = [], pool.Pool.start
    monkeypatch.setattr(pool.Pool, "start", lambda *a: (started.append(a), start(*a)))
    monkeypatch.setattr("restoration.internal_learning.ensemble.cores", lambda: 2)
    given = ["photo.jpg", b"broken", Path("missing.jpg"), Path("other.jpg").read_bytes()]
    done = list(restoration.restore_many(iter(given), device="cpu"))
    assert [source for source, *_ in done] == given
    assert len(started) == 2
    (_, first, one), (_, none, error), (_, _, missing), (_, last, other) = done
    assert none is None
    assert isinstance(error, restoration.RestorationError)
    assert "cannot read missing.jpg" in str(missing)
    assert (one.quality, other.quality) == (10, 20)
    for source, image in (("photo.jpg", first), ("other.jpg", last)):
        alone = restoration.restore(source, device="cpu").image
        assert np.array_equal(np.array(image), np.array(alone))


def test_what_nobody_foresaw_does_not_end_the_others(monkeypatch):
    read, odd = many.read_picture, KeyError("odd")

    def first_is_odd(file, *arguments):
        if str(file) == "photo.jpg":
            raise odd
        return read(file, *arguments)

    monkeypatch.setattr(many, "read_picture", first_is_odd)
    given = ["photo.jpg", Path("photo.jpg").read_bytes()]
    (_, none, error), (_, image, _) = restoration.restore_many(given, preset="fast")
    assert none is None
    assert error.__cause__ is odd
    assert np.array_equal(np.array(image), restored(given[1]))


@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_pillow_sets_no_limit(name, photo, monkeypatch):
    """How large a picture may be is told by ``max_pixels`` alone."""
    Image.fromarray(photo).save("photo.png")
    picture = Path(name).read_bytes()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert restored(picture, history="none", quality=20).ndim == 3
    with pytest.raises(restoration.RestorationError, match="give --max-pixels"):
        restoration.restore(picture, max_pixels=1000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "fsat"}, "no preset 'fsat'"),
        ({"budget": "soon"}, "'soon' is no duration"),
        ({"preset": "fast", "budget": "5s"}, "a preset or a budget"),
        ({"strength": 1.5}, "within 0 and 1, not 1.5"),
        ({"history": "some"}, "no history 'some'"),
        ({"network": "photo.jpg"}, r"photo\.jpg is no library"),
    ],
)
def test_a_wrong_option_of_many_is_told_at_once(options, message):
    with pytest.raises(restoration.RestorationError, match=message):
        restoration.restore_many(["photo.jpg"], **options)


def test_many_pictures_take_the_options_of_one():
    options = {"strength": 0.5, "budget": "1s"}
    ((_, image, report),) = restoration.restore_many(["photo.jpg"], **options)
    one = restoration.restore("photo.jpg", **options)
    assert np.array_equal(np.array(image), np.array(one.image))
    assert not np.array_equal(np.array(image), expected())
    assert report.preset == one.report.preset == "within 1 s"


def test_what_an_own_function_raises_ends_the_work():
    def advance(*units):
        raise ZeroDivisionError("by the user")

    for work in (restoration.restore, lambda *a, **o: list(restoration.restore_many([*a], **o))):
        with pytest.raises(ZeroDivisionError, match="by the user"):
            work("photo.jpg", preset="fast", advance=advance)


@pytest.mark.parametrize("read", ["read_picture", "read_truth"])
def test_too_little_memory_to_read_is_one_line(read, monkeypatch):
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(f"restoration.public.{read}", fail)
    with pytest.raises(restoration.RestorationError, match="the memory does not suffice"):
        restoration.restore("photo.jpg", preset="fast", truth="photo.jpg")


def one_of_many(source, **options):
    ((_, image, report),) = restoration.restore_many([source], **options)
    if image is None:
        raise report
    return image, report


@pytest.mark.parametrize("restore", [restoration.restore, one_of_many])
def test_options_reach_what_restores(restore, monkeypatch):
    given = []

    def restore_jpeg(jpeg, preset, seed, device, tile, *_):
        given.append((estimated_quality(jpeg.quantised.tables[0]), preset, seed, device, tile))
        return to_tensor(jpeg.pixels)

    monkeypatch.setattr(restoring, "restore_jpeg", restore_jpeg)
    restore("photo.jpg", preset="best", seed=7, device="cpu", tile=256, quality=30)
    assert given == [(30, presets.BEST, 7, "cpu", 256)]
    with pytest.raises(restoration.RestorationError, match="too large: 96 x 80 pixels"):
        restore("photo.jpg", max_pixels=96 * 80 - 1)
    half = Path("photo.jpg").read_bytes()[:-200]
    assert restore(half, history="none")[1].damage.startswith("cut short")
    with pytest.raises(restoration.RestorationError, match="the picture is cut short"):
        restore(half, strict=True)


def test_inks_may_be_given_in_any_form(photo):
    inks = Image.fromarray(photo[:48, :64]).convert("CMYK")
    inks.save("inks.jpg", quality=10)
    with Image.open("inks.jpg") as image:
        images = [restored(x) for x in ("inks.jpg", Path("inks.jpg").read_bytes(), image)]
    assert images[0].shape == (48, 64, 3)
    assert np.array_equal(images[0], images[1])
    assert np.array_equal(images[0], images[2])


def test_one_and_many_have_the_same_options():
    one, many = (
        inspect.signature(f).parameters for f in (restoration.restore, restoration.restore_many)
    )
    assert [p for p in one if p not in ("source", "truth")] == [p for p in many if p != "sources"]
    assert all(one[p].default == many[p].default for p in many if p != "sources")


def test_the_package_tells_its_version_and_types_without_torch():
    program = "import sys, restoration; print(restoration.__version__, 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert told.stdout.split() == [project["version"].encode(), b"False"]
    assert files("restoration").joinpath("py.typed").is_file()
    assert set(restoration.__all__) <= set(dir(restoration))
    assert all(getattr(restoration, name) for name in restoration.__all__)
    with pytest.raises(AttributeError, match="no attribute 'restor'"):
        _ = restoration.restor


TYPED = """
from pathlib import Path
import restoration

for path, image, report in restoration.restore_many([Path("a.jpg")]):
    reveal_type(path)
    if isinstance(report, restoration.Report):
        reveal_type(report.quality)
reveal_type(restoration.restore(b"").image)
restoration.restore(3)
"""


@pytest.mark.slow
def test_programs_that_use_the_package_are_checked():
    Path("program.py").write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--config-file=", "program.py"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    for kind in ('"Path"', '"int | None"', '"Image"', 'incompatible type "int"'):
        assert kind in told.replace("PIL.Image.", "").replace("pathlib.", "")
    assert "Found 1 error" in told
