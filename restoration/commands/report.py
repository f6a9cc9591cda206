"""``restoration report``: tables and figures from what a sweep left."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from restoration.errors import RestorationError
from restoration.experiments.archive import pack, unpacked
from restoration.experiments.report.composition import left_out, report, sheets
from restoration.experiments.results import one_experiment, read_records
from restoration.support.usage import Parser


def parser() -> Parser:
    """Describe the command's options."""
    p = Parser(
        "restoration report",
        "Make tables and figures from the runs of a sweep: report.html, report.md, CSV, PNG, SVG.",
    )
    p.add_argument("runs", type=Path, help="Folder that a sweep wrote, or a ZIP file of --pack.")
    p.add_argument("-o", "--output", type=Path, required=True, help="Folder of the report.")
    p.add_argument(
        "--pack",
        type=Path,
        metavar="RUNS.zip",
        help="Also put labels, results and curves of the runs into one file.",
    )
    return p


def main(arguments: Sequence[str]) -> int:
    """Run ``restoration report``; return 0.

    Raises:
        RestorationError: There are no runs, or the report cannot be written.
        SystemExit: Wrong usage (2), or help was asked for (0).
    """
    options = parser().parse_args(arguments)
    with unpacked(options.runs) as folder:
        records, missing = read_records(folder)
        try:
            options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RestorationError(f"cannot write to {options.output}: {error.strerror}") from error
        records, others = one_experiment(records)
        report(records, missing, others).write(options.output)
        if options.pack is not None:
            pack(records, folder, options.pack, sheets(records))
    if others:
        print(left_out(others), file=sys.stderr)
    print(f"{len(records)} runs, {len(missing)} without a result", file=sys.stderr)
    print(options.output / "report.html")
    return 0
