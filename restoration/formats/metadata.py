"""What people keep in their files beside a picture: profile, EXIF, XMP, IPTC, density, comment."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, fields, replace
from typing import Any

from PIL import Image

from restoration.formats.exif import X_RESOLUTION, read_exif, with_resolution

SIDEWAYS = range(5, 9)  # those that exchange rows and columns
# What Pillow raises for damaged tags, when it reads or writes them
DAMAGED_EXIF = (
    *(SyntaxError, struct.error, ValueError, KeyError, TypeError, AttributeError),
    *(OverflowError, OSError, ZeroDivisionError),
)
MOST_DENSITY = 65_535  # pixels per inch: what a JPEG has room for
IPTC_RESOURCE, IPTC_TAG = 0x0404, 33723  # in Photoshop's block of a JPEG, in a TIFF
EXIF_TAG, GPS_TAG = 34665, 34853
# Tags of a TIFF that may stand in the EXIF of any picture: what it shows, who made it and how
DESCRIBING = (270, 271, 272, 305, 306, 315, 33432, EXIF_TAG, GPS_TAG)
BLOCKS = ("exif", "xmp", "icc_profile")
RAW_IPTC = "Raw profile type iptc"  # keyword of the IPTC's records in a PNG
COMMENT = "Comment"  # keyword of a PNG's comment
KNOWN_TEXTS = (RAW_IPTC, COMMENT, "XML:com.adobe.xmp", "Software")  # the last of no use
SRGB_GAMMA = 0.45455  # as a PNG has it

# What of an XMP packet is true of the file that it came in alone, as attributes or elements: the
# turn that the result has taken, and pointers to data behind the picture.
# A packet ends in kilobytes of spaces: no pattern may look for its end from each of them.
POINTERS = rb"(?:(?:GCamera|Camera):(?:MotionPhoto|MicroVideo)\w*|hdrgm:\w+|xmpNote:HasExtendedXMP)"
UNTRUE = re.compile(rb"(?<!\s)\s+" + POINTERS + rb"""\s*=\s*(?:"[^"]*"|'[^']*')""")
OPENING = re.compile(rb"<(" + POINTERS + rb"|Container:Directory)(?=[\s>/])[^<>]*>")
TURN = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|\s*>\s*))[2-8]""")

# What lies in a file and in no result, by what gives it away
VIDEO = (b"ftypmp4", b"ftypisom", b"ftypqt  ", b"ftypavc1", b"MotionPhoto_Data")
GAIN_MAP = (b"hdrgm:Version", b"HDRGainMap", b"hdrgainmap", b"urn:iso:std:iso:ts:21496")
ELSEWHERE = {
    "video behind the picture": VIDEO,
    "HDR gain map": GAIN_MAP,
    "extended XMP": (b"http://ns.adobe.com/xmp/extension/\0",),
    "Content Credentials": (b"jumdc2pa\0",),
}


@dataclass(frozen=True)
class Metadata:
    """What a file holds beside the pixels of its picture, upright; the names are Pillow's.

    Attributes:
        icc_profile: what the numbers of its colours mean.
        exif: the block, upright and without its thumbnail; None where it cannot be read.
        xmp: the packet, without what is true of that file alone.
        iptc: the records of the IPTC (caption, keywords, author).
        dpi: pixels per inch across and down.
        comment: a text.
        elsewhere: what else there is, in a few words each, for which no result has a place.
    """

    icc_profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None
    comment: str | None = None
    elsewhere: tuple[str, ...] = ()

    @property
    def info(self) -> dict[str | tuple[int, int], Any]:
        """All that there is, as the ``info`` of a Pillow image."""
        every = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in every.items() if value}

    @classmethod
    def of(cls, image: Image.Image) -> Metadata:
        """Invert ``info``."""
        return cls(**{f.name: image.info[f.name] for f in fields(cls) if f.name in image.info})

    def stripped(self) -> Metadata:
        """Keep the profile alone, without which the colours would be others."""
        return Metadata(icc_profile=self.icc_profile)


NONE = Metadata()


def read_metadata(image: Image.Image, data: bytes) -> tuple[Metadata, int]:
    """Read what lies beside the pixels of an image that Pillow has opened.

    Args:
        image: opened from ``data``.
        data: the file.

    Returns:
        What is there, and how the image is to be turned: 1 (upright) to 8 (EXIF).
    """
    # a PNG's texts may have any name
    info = {k: v for k, v in image.info.items() if k not in BLOCKS or isinstance(v, bytes)}
    tiff = image.format == "TIFF"
    block = tags_of(image) if tiff else info.get("exif")
    exif, orientation, told = read_exif(block)
    xmp = info.get("xmp")
    dpi = info.get("dpi")
    unknown = image.format in ("JPEG", "MPO") and info.get("jfif_unit") not in (1, 2) and not told
    if unknown or (tiff and X_RESOLUTION not in getattr(image, "tag_v2", {})):
        dpi = None  # Pillow makes one up
    if dpi is not None and orientation in SIDEWAYS:
        dpi = dpi[1], dpi[0]
    elsewhere = [name for name, marks in ELSEWHERE.items() if any(m in data for m in marks)]
    if image.format == "MPO" and "HDR gain map" not in elsewhere:
        elsewhere.append("further pictures")
    if block and exif is None:
        elsewhere.append("damaged EXIF")
    if image.format == "PNG":
        elsewhere += left_in_png(image)
    metadata = Metadata(
        icc_profile=info.get("icc_profile"),
        exif=exif,
        xmp=lasting(xmp).rstrip(b"\0") if xmp else None,
        iptc=read_iptc(image),
        # also numbers that are none: a resolution of 1/0
        dpi=dpi if dpi and all(0 < float(x) <= MOST_DENSITY for x in dpi) else None,
        comment=read_comment(image),
        elsewhere=tuple(elsewhere),
    )
    return metadata, orientation


def lasting(xmp: bytes) -> bytes:
    """Leave out of an XMP packet what is true of the file alone that it came in."""
    xmp = UNTRUE.sub(b"", TURN.sub(rb"\g<1>1", xmp))
    kept, at = [], 0  # up to where it is dealt with
    closings: dict[bytes, re.Pattern[bytes]] = {}
    unclosed: set[bytes] = set()
    for opening in OPENING.finditer(xmp):
        name, end = opening[1], opening.end()
        if opening.start() < at or name in unclosed:  # within what is left out, or damaged
            continue
        if not opening[0].endswith(b"/>"):
            pattern = closings.setdefault(name, re.compile(b"</" + name + rb"\s*>"))
            closing = pattern.search(xmp, end)
            if closing is None:
                unclosed.add(name)
                continue
            end = closing.end()
        kept.append(xmp[at : opening.start()])
        at = end
    return b"".join([*kept, xmp[at:]])


def tags_of(image: Image.Image) -> bytes | None:
    """Make an EXIF block of what a TIFF says of its picture, not of how it is stored."""
    try:
        exif, made, some = image.getexif(), Image.Exif(), False
        for tag in DESCRIBING:
            if tag in (EXIF_TAG, GPS_TAG):
                block = exif.get_ifd(tag)
                made.get_ifd(tag).update(block)
                some = some or bool(block)
            elif tag in exif:
                made[tag] = as_stored(exif[tag])
                some = True
        return made.tobytes() if some else None
    except DAMAGED_EXIF:
        return None


def left_in_png(image: Image.Image) -> list[str]:
    """Tell what else a PNG says: texts, and what its colours mean if no profile does."""
    texts = [name for name in getattr(image, "text", {}) if name not in KNOWN_TEXTS]
    odd = "icc_profile" not in image.info and image.info.get("gamma", SRGB_GAMMA) != SRGB_GAMMA
    return [*(["texts"] if texts else []), *(["gamma"] if odd else [])]


def as_stored(value: object) -> object:
    """Return the bytes of a text that Pillow has read, which it would write without its accents."""
    return value.encode("latin-1", "replace") if isinstance(value, str) else value


def read_iptc(image: Image.Image) -> bytes | None:
    """Return the IPTC's records of a JPEG, TIFF or PNG."""
    tags = getattr(image, "tag_v2", {})
    resources = image.info.get("photoshop")
    found = resources.get(IPTC_RESOURCE) if isinstance(resources, dict) else None
    found = found or tags.get(IPTC_TAG)
    if found is None and isinstance(image.info.get(RAW_IPTC), str):
        found = from_hex(image.info[RAW_IPTC])
    return found if isinstance(found, bytes) and found else None


def from_hex(text: str) -> bytes | None:
    """Read what a PNG keeps as text: a name, a length, and bytes in hexadecimal digits."""
    try:
        block = bytes.fromhex("".join(text.split()[2:]))
    except ValueError:
        return None
    head = photoshop(b"")[:-4]
    if not block.startswith(head):
        return block
    (length,) = struct.unpack_from(">I", block, len(head))
    return block[len(head) + 4 :][:length]


def read_comment(image: Image.Image) -> str | None:
    """Return the comments of a JPEG, one below the other, or that of a PNG or GIF."""
    texts = [text for name, text in getattr(image, "applist", ()) if name == "COM"]
    if image.format == "GIF":
        texts = [text for text in [image.info.get("comment")] if isinstance(text, bytes)]
    if not texts:
        return str(image.info.get(COMMENT, "")).strip() or None
    return "\n".join(decoded(text) for text in texts).strip() or None


def decoded(text: bytes) -> str:
    """Decode a text that does not tell its encoding."""
    text = text.rstrip(b"\0")
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def with_density(metadata: Metadata) -> Metadata:
    """Tell the density in the EXIF block, for formats without another place."""
    if metadata.dpi is None or read_exif(metadata.exif)[2]:
        return metadata
    return replace(metadata, exif=with_resolution(metadata.exif, metadata.dpi))


def photoshop(iptc: bytes) -> bytes:
    """Wrap the records of the IPTC as the resource of Photoshop's that programs look for."""
    return b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
