"""Durations, as people write them."""

from __future__ import annotations

import math
import re

from restoration.errors import RestorationError

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def readable(seconds: float) -> str:
    """Tell a duration as a person would."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"


def typed(seconds: float) -> str:
    """Write a duration as ``seconds_of`` reads it, rounded up."""
    for unit, most in (("s", 90), ("m", 5400)):
        if seconds < most:
            return f"{math.ceil(seconds / UNITS[unit])}{unit}"
    return f"{math.ceil(seconds / UNITS['h'])}h"


def seconds_of(text: str) -> float:
    """Read a duration: "30s", "5m", "1.5h", "1h30m".

    Raises:
        RestorationError: It is none, or not longer than nothing.
    """
    if not isinstance(text, str):  # in Python
        raise RestorationError(f"{text!r} is no duration; give a text: '30s', '5m' or '1h30m'")
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(min|[smhd])", text.lower())
    whole = "".join(number + unit for number, unit in parts)
    seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
    if not seconds or whole != re.sub(r"\s", "", text.lower()):
        raise RestorationError(f"{text!r} is no duration; give 30s, 5m, 8h or 1h30m")
    return seconds
