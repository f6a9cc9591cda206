"""Finished runs in one file: labels, results and curves, from which a report is made again."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from restoration.errors import RestorationError
from restoration.experiments.results import Record
from restoration.run_folder import COMPARISON, CURVES, LABELS, RESULT
from restoration.support.files import write_atomically

EPOCH = (1980, 1, 1, 0, 0, 0)  # so that equal runs make equal files


def pack(records: Sequence[Record], root: Path, file: Path, shown: Sequence[Record] = ()) -> None:
    """Write runs to a ZIP file, which unpacked is a folder that a sweep goes on with.

    Args:
        records: the runs.
        root: folder that they lie in.
        file: to write.
        shown: runs whose comparison sheet is kept too.

    Raises:
        RestorationError: a run cannot be read, or the file not be written.
    """
    content = io.BytesIO()
    kept = {id(record) for record in shown}
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for record in sorted(records, key=lambda r: r.folder):
            names = [LABELS, RESULT, CURVES, *([COMPARISON] if id(record) in kept else [])]
            for name in names:
                path = record.folder / name
                try:
                    data = path.read_bytes()
                except FileNotFoundError:  # no sheet
                    continue
                except OSError as error:
                    raise RestorationError(f"cannot read {path}: {error.strerror}") from error
                if name == RESULT:  # where the image lay is of no use elsewhere
                    result = json.loads(data)
                    result["image"] = Path(str(result["image"])).name
                    data = (json.dumps(result, indent=2) + "\n").encode()
                entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
    write_atomically(file, content.getvalue())


@contextmanager
def unpacked(runs: Path) -> Iterator[Path]:
    """Give the folder of runs, for as long as it is needed: the given one, or that of a ZIP file.

    Raises:
        RestorationError: the ZIP file is missing or damaged.
    """
    if runs.suffix == ".zip" and not runs.exists():
        raise RestorationError(f"there is no file {runs}")
    if not runs.is_file():
        yield runs
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(runs) as archive:
                archive.extractall(folder)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
            RuntimeError,
        ) as error:
            raise RestorationError(f"{runs} is no ZIP file of runs ({error})") from error
        yield Path(folder)
