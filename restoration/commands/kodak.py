"""``restoration kodak``: fetch the images of the paper's experiment and check their pixels."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from restoration.errors import RestorationError
from restoration.support.files import write_atomically
from restoration.support.usage import Parser

PAGE = "https://r0k.us/graphics/kodak/kodak/"  # the images' public page
NAMES = [f"kodim{i:02}" for i in range(1, 25)]
FIRST_SEEN = "hashes.json"  # in the folder: hashes of images that are not in PIXELS
TIMEOUT = 60.0  # seconds

# SHA-256 of the pixels as RGB bytes, row by row. The other images' hashes are taken from the first
# download, which nothing verifies, and marked so.
PIXELS = {
    "kodim03": "234e61f585503f2a44400f5561131e8a512ef2c15328cd83d5cdbf10e2616cf2",
    "kodim04": "e88e788fca00e6c723bb66ff45edb8cb56091ee284dcb73e3909834f2c96eeb6",
    "kodim07": "4e3664bf6fe865b49f15f7b554efa7dbecaf73ae0e8699f2e307bf07849f1264",
    "kodim08": "889c3740e4ed54ca53d11ae735a44d15fa24fe312b3bd1609a80618a4092c208",
    "kodim15": "b5353e7511277009922ecbdebfc6418fec53aa1b2a08d44fc957a7540825697b",
    "kodim19": "7956408ef24222d37ac53f579bd24d5b2c3557b16c657e8b71c1b6ae9f18de1b",
    "kodim20": "666ce8f2db5566a123bb081e70618f6f4c4253df960f3b41bb9dcc3dd134f3cf",
    "kodim23": "81992a83592267e69125666f3e3e04c1819529b4c4c1e55fde0a6a741bac4219",
}


def pixel_hash(content: bytes, name: str) -> str:
    """Hash the pixels of a Kodak image.

    Raises:
        RestorationError: It is no image, or not one of 768 x 512 RGB pixels.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise RestorationError(f"{name} is not an image") from error
    if pixels.dtype != np.uint8 or sorted(pixels.shape) != [3, 512, 768]:
        raise RestorationError(f"{name} is not an RGB image of 768 x 512 pixels")
    return hashlib.sha256(pixels.tobytes()).hexdigest()


class UnreachableError(RestorationError):
    """A page that cannot be reached: the next file of it will not come either."""


def download(url: str) -> bytes:
    """Fetch a file.

    Raises:
        RestorationError: It cannot be had (``UnreachableError``: nor anything else from there).
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise RestorationError(f"cannot fetch {url}: {error}") from error
    except http.client.IncompleteRead as error:
        raise RestorationError(f"cannot fetch {url}: it came to an early end") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnreachableError(f"cannot fetch {url}: {error}; is there a network?") from error


def fetch(name: str, folder: Path, page: str, first_seen: dict[str, str]) -> str:
    """Fetch one image unless it is there, and verify it; return what to tell.

    Args:
        name: "kodim01" to "kodim24".
        folder: Where it is to lie.
        page: Address of the folder with the images.
        first_seen: Hashes from earlier downloads; the hash of an unknown image is added.

    Raises:
        RestorationError: The image cannot be had, or its pixels are others.
    """
    path = folder / f"{name}.png"
    there = path.exists()
    content = path.read_bytes() if there else download(f"{page.rstrip('/')}/{name}.png")
    advice = "delete it and fetch it again" if there else "it was not written"
    try:
        found = pixel_hash(content, str(path))
    except RestorationError as error:
        raise RestorationError(f"{error}; {advice}") from error
    expected = PIXELS.get(name) or first_seen.get(name)
    if expected not in (None, found):
        raise RestorationError(f"{path}: its pixels are not those of the Kodak image; {advice}")
    if not there:
        write_atomically(path, content)
    first_seen.setdefault(name, found)
    if name in PIXELS:
        return "verified"
    return "unchanged since its first download" if expected else "first download, not verified"


def read_first_seen(path: Path) -> dict[str, str]:
    """Read the hashes of earlier downloads.

    Raises:
        RestorationError: The file is damaged.
    """
    try:
        hashes = json.loads(path.read_text()) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise RestorationError(f"{path} cannot be read ({error}); delete it") from error
    if not isinstance(hashes, dict):
        raise RestorationError(f"{path} holds no hashes; delete it")
    return hashes


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        "restoration kodak",
        "Fetch the 24 Kodak images (15 MB), which the paper uses; verify the pixels of eight, and "
        "that the others stay as they first came.",
    )
    p.add_argument("folder", type=Path, help="Folder for the images: the --data-root of a sweep.")
    p.add_argument("--page", default=PAGE, help=f"Where they are fetched from (default: {PAGE}).")
    return p


def main(arguments: Sequence[str]) -> int:
    """Run ``restoration kodak``; return 0 all there, 1 some missing.

    Raises:
        RestorationError: The folder cannot be written.
        SystemExit: Wrong usage (2), or help was asked for (0).
    """
    options = parser().parse_args(arguments)
    new = not options.folder.exists()
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RestorationError(f"cannot write to {options.folder}: {error.strerror}") from error
    seen = options.folder / FIRST_SEEN
    first_seen = read_first_seen(seen)
    failed = 0
    for name in NAMES:
        try:
            told = fetch(name, options.folder, options.page, first_seen)
        except UnreachableError:
            if new and not any(options.folder.iterdir()):
                options.folder.rmdir()
            raise
        except RestorationError as error:
            print(f"restoration kodak: error: {error}", file=sys.stderr)
            failed += 1
        else:
            unknown = {k: v for k, v in first_seen.items() if k not in PIXELS}
            write_atomically(seen, (json.dumps(unknown, indent=2) + "\n").encode())
            print(f"{name}: {told}", flush=True)
    return 1 if failed else 0
