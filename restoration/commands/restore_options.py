"""What can be asked of ``restoration restore``."""

from __future__ import annotations

from pathlib import Path

from restoration.formats.opening import MOST_PIXELS
from restoration.formats.writing import FORMATS
from restoration.presets import PRESETS, TIMES
from restoration.support.usage import DEVICES, Parser, duration, pixels, quality, seed, share, tile


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        prog="restoration restore",
        description="Make badly compressed JPEGs better, and pictures that once were JPEGs. Each "
        "photo.jpg becomes photo.restored.png, with its colour profile, EXIF, XMP, IPTC, density "
        "and comment.",
    )
    p.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, folders of JPEGs or patterns; - for standard input",
    )
    p.add_argument(
        "-o",
        "--output",
        type=Path,
        help="file for one input, or folder (default: beside it); - for standard output",
    )
    p.add_argument(
        "--format",
        choices=[f.name for f in FORMATS],
        help="of the results: png and webp without loss, png16 and tiff with 16 bits, jpeg at "
        "quality 95 without subsampling, jxl without loss where pillow-jxl-plugin is installed "
        "(default: by the ending of -o, or png)",
    )
    p.add_argument(
        "-r", "--recursive", action="store_true", help="look into the folders in folders, too"
    )
    p.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="; ".join(f"{name}: {time}" for name, time in TIMES.items())
        + " for 768 x 512 on two cores "
        "(default: balanced; with --network fast)",
    )
    p.add_argument(
        "--strength",
        type=share,
        default=1.0,
        help="0 to 1: from the JPEG to the restored picture, for those who want back some of the "
        "grain (default: 1)",
    )
    p.add_argument(
        "--network",
        type=Path,
        metavar="LIBRARY.ckpt",
        help="what restoration learn made; with balanced or best it goes on learning on each file, "
        "beside networks of the file's own",
    )
    p.add_argument(
        "--together",
        action="store_true",
        help="learn a network on all inputs first, for the time of --budget (default: 1h), and "
        "restore them with it; it is kept in the folder of -o, and the same command goes on",
    )
    p.add_argument(
        "--budget",
        type=duration,
        metavar="TIME",
        help="time for each picture instead of a preset: 30s, 5m, 1h",
    )
    p.add_argument("--seed", type=seed, default=0, help="Seed of all randomness.")
    p.add_argument("--device", choices=DEVICES, default="auto")
    p.add_argument("--truth", type=Path, help="the original of one input, for measuring only")
    p.add_argument(
        "--tile",
        type=tile,
        help="side of the tiles in which networks restore large images, 0 for none (default: 1024)",
    )
    p.add_argument(
        "--max-pixels", type=pixels, default=MOST_PIXELS, help="Pixels of the largest image taken."
    )
    p.add_argument("--strict", action="store_true", help="Refuse pictures that are damaged.")
    p.add_argument(
        "--history",
        choices=["auto", "none"],
        default="auto",
        help="auto: undo earlier JPEG compressions that show in the pixels; none: only the file's",
    )
    p.add_argument(
        "--quality", type=quality, help="restore as if saved as a JPEG of this quality, 1 to 100"
    )
    p.add_argument(
        "--strip",
        action="store_true",
        help="write nothing beside the picture but its colour profile, which colours need",
    )
    p.add_argument(
        "--compare",
        type=Path,
        metavar="SHEET.png",
        help="write before and after: the middle 192 x 192 pixels",
    )
    p.add_argument("--json", action="store_true", help="print the reports as JSON")
    p.add_argument("--overwrite", action="store_true", help="replace existing outputs")
    return p
