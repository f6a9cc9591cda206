"""The page in a real browser: drop, wait, compare, download, cancel, close."""

import io
import json
import os
import re
import time
import urllib.parse
import zipfile
from base64 import b64encode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from restoration.__main__ import main
from restoration.support.files import find

pytestmark = pytest.mark.slow
PATIENCE = 120_000  # milliseconds that anything may take
SIDE = 96  # pixels of the pictures


@pytest.fixture
def pictures(tmp_path, monkeypatch, photo):
    """Pictures of every kind, and what the command makes of those that are none too bad."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    monkeypatch.chdir(folder)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    clean = Image.fromarray(photo[:SIDE, :SIDE])
    clean.save("photo.jpg", quality=10, exif=exif, icc_profile=b"profile")
    clean.transpose(Image.Transpose.ROTATE_270).save("clean.png")
    Image.fromarray(photo).save("before.jpg", quality=20)
    Image.open("before.jpg").save("pasted.png")
    Path("bad.jpg").write_bytes(b"\xff\xd8 nothing")
    return folder


@pytest.fixture
def opened(browser, server):
    """Return a function that opens the page; whatever it asks for elsewhere fails the test."""
    asked = []

    def elsewhere(route):
        asked.append(route.request.url)
        route.abort()

    def open_page():
        context = browser.new_context(viewport={"width": 1100, "height": 1600})
        context.route(lambda url: not url.startswith((server[1], "data:", "blob:")), elsewhere)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        # what the page's own policy stops is told there
        page.on("console", lambda m: asked.append(m.text) if "Content Security" in m.text else None)
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto(server[1])
        page.wait_for_selector("#start")
        return page

    yield open_page
    assert asked == []


DROP = """(place, files) => {
    const data = new DataTransfer();
    for (const [name, text] of files) {
        const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
        data.items.add(new File([bytes], name));
    }
    place.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
}"""


def drop(page, *files, place="#files"):
    """Drop files on the page, and wait until they have arrived."""
    contents = [(file, b64encode(Path(file).read_bytes()).decode()) for file in files]
    page.wait_for_selector(f"{place} button")  # what has just been unfolded takes a moment
    page.eval_on_selector(f"{place} button", DROP, contents)
    for file in files:
        page.wait_for_selector(f"{place} >> text={Path(file).stem}")
    page.wait_for_function("!document.body.innerText.includes('Uploading')")


def restored(page, preset="Fast"):
    """Have the page restore what it was given, and wait; return what it says at the end."""
    page.get_by_label(preset).check()
    page.click("#start")
    page.wait_for_selector("#stop")
    page.wait_for_selector("#start")  # it comes back last
    return page.inner_text(".progress p")


def downloaded(page, button):
    """Press a button that downloads; return the name and the bytes."""
    with page.expect_download() as download:
        page.click(button)
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def sides(page):
    """Decode the two pictures that the slider shows, left and right."""
    sources = page.eval_on_selector_all("#slider img", "images => images.map(i => i.src)")
    # the first is laid over the second, and cut off by the slider
    return [
        np.array(Image.open(urllib.parse.unquote(source).split("file=")[1]))
        for source in sorted(sources, key=lambda s: ".restored." in s)
    ]


def eventually(value, expected, seconds=20):
    """Wait until a function returns what is expected."""
    end = time.monotonic() + seconds
    while value() != expected and time.monotonic() < end:
        time.sleep(0.1)
    assert value() == expected


def descendants(pid):
    """Return the processes that a process has started, and their modules."""
    found = {}
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            module = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[-2].decode()
            found |= {child: module} | descendants(child)
    return found


def test_pictures_are_restored_as_the_command_does(opened, pictures):
    page = opened()
    drop(page, "photo.jpg", "bad.jpg", "pasted.png")
    assert restored(page) == "Done: 2 of 3 restored, 1 failed"
    assert main(["restore", "--preset", "fast", "photo.jpg", "pasted.png"]) == 0
    names = ["photo.restored.png", "pasted.restored.png"]
    assert downloaded(page, "#download") == (names[0], Path(names[0]).read_bytes())
    name, archive = downloaded(page, "#zip")
    assert name == "restored.zip"
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert files.namelist() == names
        assert [files.read(n) for n in names] == [Path(n).read_bytes() for n in names]
    said = page.inner_text("#table")
    assert said.count("bad.jpg is not an image that can be read") == 1
    assert "JPEG quality 10, 4:2:0" in said
    assert "no JPEG now, but once: quality 20 at offset (0, 0)" in said
    page.click("#choice input")
    page.get_by_role("option", name="pasted.png").click()
    page.wait_for_selector("#slider img[src*='/2.before.png']")
    page.wait_for_selector("#slider img[src*='/pasted.restored.png']")
    assert "quality 20" in page.inner_text("#caption")
    left, right = sides(page)
    np.testing.assert_array_equal(left, np.array(Image.open("pasted.png")))
    np.testing.assert_array_equal(right, np.array(Image.open(names[1])))
    assert downloaded(page, "#download") == (names[1], Path(names[1]).read_bytes())


@pytest.mark.parametrize(
    ("label", "form", "suffix"), [("WebP", "webp", ".webp"), ("JPEG", "jpeg", ".jpg")]
)
def test_other_formats_are_shown_and_downloaded(opened, pictures, label, form, suffix):
    page = opened()
    drop(page, "photo.jpg")
    page.locator("#form").get_by_label(label).check()
    assert restored(page) == "Done: 1 of 1 restored"
    assert main(["restore", "--preset", "fast", "--format", form, "photo.jpg"]) == 0
    made = Path("photo.restored" + suffix)
    assert downloaded(page, "#download") == (made.name, made.read_bytes())
    page.wait_for_function(
        "() => [...document.querySelectorAll('#slider img')].every(i => i.naturalWidth > 0)"
    )
    np.testing.assert_array_equal(sides(page)[1], np.array(Image.open(made)))


def test_the_slider_moves_and_shows_pixels_at_their_size(opened, pictures):
    page = opened()
    drop(page, "photo.jpg")
    restored(page)
    left, right = sides(page)
    upright = np.array(Image.open("photo.jpg").transpose(Image.Transpose.ROTATE_270))
    np.testing.assert_array_equal(left, upright)
    for label, size in (("100 %", SIDE), ("400 %", 4 * SIDE)):
        page.get_by_label(label).check()
        page.wait_for_function(
            f"[...document.querySelectorAll('#slider img')].every(i => i.width == {size})"
        )
    handle = page.locator("#slider .icon-wrap").bounding_box()
    image = page.locator("#slider img").first.bounding_box()
    middle = handle["x"] + handle["width"] / 2
    assert middle == pytest.approx(image["x"] + image["width"] / 2, abs=2)
    at = handle["y"] + handle["height"] / 2
    shot = page.screenshot()
    page.mouse.move(middle, at)
    page.mouse.down()
    page.mouse.move(middle - SIDE, at, steps=5)
    page.mouse.up()
    moved = page.locator("#slider .icon-wrap").bounding_box()
    assert moved["x"] == pytest.approx(handle["x"] - SIDE, abs=2)
    # what was left of the handle, the picture as it was, is the restored one now
    x, y = int(middle - SIDE / 2), int(at + 60)  # of one pixel, four times as large
    column, row = (int(x - image["x"]) // 4, int(y - image["y"]) // 4)
    for screen, picture in ((shot, left), (page.screenshot(), right)):
        seen = np.array(Image.open(io.BytesIO(screen)).convert("RGB"))[y, x]
        np.testing.assert_allclose(seen, picture[row, column], atol=2)


def test_an_original_measures_and_can_be_looked_at(opened, pictures, capsys):
    page = opened()
    drop(page, "photo.jpg")
    assert not page.is_visible("#original")
    page.click("text=I have the original")
    drop(page, "clean.png", place="#truth")
    restored(page)
    command = ["restore", "--preset", "fast", "photo.jpg", "--truth", "clean.png", "--json"]
    assert main(command) == 0
    (report,) = json.loads(capsys.readouterr().out)
    before, after = (report[image]["psnr"] for image in ("jpeg", "restored"))
    assert f"{before:.2f} dB → {after:.2f} dB (+" in page.inner_text("#table")
    page.get_by_label("Original instead of JPEG").check()
    page.wait_for_selector("#slider img[src*='0.original.png']")
    assert "original" in page.inner_text("#caption")
    left, right = sides(page)
    np.testing.assert_array_equal(left, np.array(Image.open("clean.png")))
    np.testing.assert_array_equal(right, np.array(Image.open("photo.restored.png")))


def test_a_time_of_ones_own_is_kept(opened, pictures):
    page = opened()
    drop(page, "photo.jpg")
    page.get_by_label("Own time").check()
    page.fill("#budget textarea, #budget input", "soon")
    page.click("#start")
    page.wait_for_selector("text='soon' is no duration")
    page.fill("#budget textarea, #budget input", "1s")  # too short for networks
    assert restored(page, "Own time") == "Done: 1 of 1 restored"
    assert main(["restore", "--preset", "fast", "photo.jpg"]) == 0
    assert downloaded(page, "#download")[1] == Path("photo.restored.png").read_bytes()


def test_what_cannot_be_is_told_in_one_line(opened, pictures):
    page = opened()
    page.click("#start")
    page.wait_for_selector("text=Drop a picture first.")
    drop(page, "photo.jpg", "bad.jpg")
    page.click("text=I have the original")
    drop(page, "clean.png", place="#truth")
    page.click("#start")
    page.wait_for_selector("text=An original belongs to one picture")


def test_cancelling_ends_the_work_and_its_processes(opened, server, pictures):
    page = opened()
    Image.open(find("samples/coffee.jpg")).save("coffee.jpg", quality=10)
    drop(page, "coffee.jpg")
    page.get_by_label("Best").check()
    page.click("#start")
    page.wait_for_selector(".progress >> text=/coffee.jpg, [1-9]/")
    first = page.inner_text(".progress p")
    processes = descendants(server[0].pid)
    network = "restoration.internal_learning.network_worker"
    assert sorted(processes.values()) == ["restoration.app.worker", network, network]
    page.wait_for_function("t => document.querySelector('.progress p').innerText != t", arg=first)
    assert re.fullmatch(r"coffee.jpg, \d+ %(, about .* left)?", page.inner_text(".progress p"))
    page.click("#stop")
    page.wait_for_selector(".progress >> text=Cancelled: 0 of 1 restored")
    eventually(lambda: [p for p in processes if Path(f"/proc/{p}").exists()], [])
    assert restored(page) == "Done: 1 of 1 restored"


def test_a_second_page_waits_and_a_closed_one_leaves_nothing(opened, tmp_path, pictures):
    kept = tmp_path / "temporary"

    def files():
        return {p.name for p in kept.rglob("*") if p.is_file() and p.stat().st_size}

    first, second = opened(), opened()
    Image.open(find("samples/coffee.jpg")).save("coffee.jpg", quality=10)
    drop(first, "coffee.jpg")
    first.get_by_label("Best").check()
    first.click("#start")
    first.wait_for_selector(".progress >> text=/coffee.jpg, [1-9]/")
    drop(second, "photo.jpg")
    second.get_by_label("Fast").check()
    second.click("#start")
    second.wait_for_selector(".progress >> text=Waiting: 1 before you")
    first.close()
    second.wait_for_selector(".progress >> text=Done: 1 of 1 restored")
    eventually(files, {"photo.jpg", "photo.restored.png", "0.before.png"})
    second.close()
    eventually(files, set())
    assert os.listdir(tmp_path / "current") == []
