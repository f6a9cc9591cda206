"""What is wrong with the image of ``restoration fit``, said before torch is imported."""

from __future__ import annotations

from typing import Any

import yaml

from restoration.errors import RestorationError
from restoration.formats.opening import check_image
from restoration.support.files import find

CROP_OF_A_JPEG = (
    "data.crop needs data.quality and a lossless image: a part of a JPEG's pixels is no JPEG"
)


def check_data(arguments: list[str]) -> None:
    """Refuse an image that is missing or none, and a crop of a JPEG.

    Whatever is not understood here is left to the parser.

    Raises:
        RestorationError: it is.
    """
    options = data_options(arguments)
    if options is None:
        return
    if options.get("crop") is not None and options.get("quality") is None:
        raise RestorationError(CROP_OF_A_JPEG)
    for name in ("image", "truth"):
        path = options.get(name)
        if isinstance(path, str):
            check_image(find(path))


def data_options(arguments: list[str]) -> dict[str, Any] | None:
    """Read the options of the image, in configurations and behind ``--data.``.

    Returns:
        Them, or None where they cannot be read or do not matter.
    """
    options: dict[str, Any] = {}
    following = [*arguments[1:], ""]
    for argument, after in zip(arguments, following, strict=True):
        name, equals, value = argument.partition("=")
        value = value if equals else after
        if name in ("--print_config", "--help", "-h", "--data") or name.endswith(".help"):
            return None
        try:
            if name in ("-c", "--config"):
                content = yaml.safe_load(find(value).read_text())
                section = content.get("data") if isinstance(content, dict) else None
                options |= section if isinstance(section, dict) else {}
            elif name.startswith("--data."):
                options[name.removeprefix("--data.")] = yaml.safe_load(value)
        except (OSError, ValueError, yaml.YAMLError):
            return None
    return options
