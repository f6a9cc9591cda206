"""What the page says of pictures, as text and HTML."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from restoration.app.work import Picture, Work
from restoration.commands.restore_table import EQUAL
from restoration.support.durations import readable


def found(report: dict[str, Any]) -> str:
    """Tell what was found in a file: quality, subsampling, compressions hidden below."""
    quality, history = report["quality"], report["history"]
    if report["stored"] is None:
        return f"no JPEG now, but once: {history}"
    own = f"JPEG quality {quality}, {report['stored']}"
    if history is None:
        return own
    return f"{own}; hidden below: {history.removesuffix(f' under quality {quality}')}"


def gain(report: dict[str, Any]) -> str:
    """Tell PSNR before and after, where the original is known."""
    if report["jpeg"] is None:
        return ""
    before, after = (report[image]["psnr"] for image in ("jpeg", "restored"))
    if before is None or after is None:  # infinite
        return " → ".join(EQUAL if x is None else f"{x:.2f} dB" for x in (before, after))
    return f"{before:.2f} dB → {after:.2f} dB ({after - before:+.2f})"


def plain(error: str) -> str:
    """Leave out of an error what only helps on the command line."""
    return re.split(", or give --preset|; give --|; choose another --", error)[0]


def remark(picture: Picture, work: Work, number: int) -> str:
    """Tell in a few words how far a picture is."""
    if picture.error is not None:
        return plain(picture.error)
    if picture.report is not None:
        report = picture.report
        damage = None if report["damage"] is None else f"the picture is {report['damage']}"
        lost = f"no place for: {', '.join(report['left_out'])}" if report["left_out"] else None
        told = [f"{report['seconds']:.1f} s", report["colours"], damage, lost]
        return "; ".join(filter(None, told))
    if work.over.is_set():
        return "not restored"
    return "in work" if number == work.current else "waiting"


def rows(work: Work) -> str:
    """Draw the table of a request's pictures."""
    measured = any(picture.task.truth for picture in work.pictures)
    heads = ["Picture", "Found in the file", *["PSNR"] * measured, "Restored in"]
    lines = []
    for number, picture in enumerate(work.pictures):
        report = picture.report
        size = "" if report is None else "{} × {}".format(*report["size"])  # noqa: RUF001 - the sign of multiplication
        cells = [
            f"{escape(picture.task.source)}<small>{size}</small>",
            "" if report is None else escape(found(report)),
            *[escape(gain(report)) if report else ""] * measured,
            escape(remark(picture, work, number)),
        ]
        kind = "failed" if picture.error is not None else "fine"
        lines.append(f'<tr class="{kind}">' + "".join(f"<td>{c}</td>" for c in cells) + "</tr>")
    head = "".join(f"<th>{h}</th>" for h in heads)
    return (
        f'<table class="pictures"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def status(work: Work, ahead: int) -> str:
    """Tell in one line how far a request is.

    Args:
        work: the request.
        ahead: how many others are done before it.
    """
    done, number = len(work.finished), len(work.pictures)
    failed = sum(picture.error is not None for picture in work.pictures)
    if work.over.is_set():
        what = "Cancelled" if work.stopped else "Done"
        parts = [f"{done} of {number} restored"] + [f"{failed} failed"] * (failed > 0)
        return f"{what}: {', '.join(parts)}"
    if ahead:
        return f"Waiting: {ahead} before you"
    current = work.current  # another thread ends the work meanwhile
    if current is None or not work.fraction():
        return "Starting"
    name = work.pictures[current].task.source
    count = f"{current + 1} of {number}: " if number > 1 else ""
    seconds = work.seconds_left()
    left = "" if seconds is None else f", about {readable(seconds)} left"
    return f"{count}{name}, {100 * work.fraction():.0f} %{left}"


def bar(work: Work, ahead: int) -> str:
    """Draw the progress of a request."""
    line = escape(status(work, ahead))
    if work.over.is_set() or work.fraction():
        track = f'<div class="track"><div style="width: {100 * work.fraction():.1f}%"></div></div>'
    else:
        track = '<div class="track unknown"><div></div></div>'
    return f'<div class="progress" role="status">{track}<p>{line}</p></div>'


def caption(report: dict[str, Any], original: bool, enlarged: bool) -> str:
    """Name the two sides of the slider.

    Args:
        report: on the picture.
        original: whether the original is on the left.
        enlarged: whether single pixels are to be seen; the style sheet minds it.
    """
    left = "original" if original else f"before: {found(report)}"
    sides = "".join(f"<span>{escape(side)}</span>" for side in (f"← {left}", "restored →"))
    return f'<div class="sides{" enlarged" * enlarged}">{sides}</div>'
