"""The files of the page: what people bring, what they take home, and that nothing stays."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from restoration.app.work import Desk, Picture, Task, Work
from restoration.commands.inputs import Input
from restoration.commands.restore_plan import plan
from restoration.formats.writing import PNG_8, Format
from restoration.support.durations import seconds_of

ZIP = "restored.zip"
PATIENCE = 10.0  # seconds that a killed process has to be gone


class Visits:
    """What each open page has on the disk, and the work on it.

    Args:
        desk: does the work.
        root: folder of all files.

    Attributes:
        works: by page, the last request.
        uploads: by page, the files that arrived.
    """

    def __init__(self, desk: Desk, root: Path) -> None:
        self.desk = desk
        self.root = root
        self.works: dict[str, Work] = {}
        self.uploads: dict[str, set[Path]] = {}

    def arrived(self, page: str, paths: Iterable[str | Path]) -> None:
        """Remember files that a page has sent."""
        self.uploads.setdefault(page, set()).update(map(Path, paths))

    def begin(
        self,
        page: str,
        sources: Sequence[str],
        recipe: tuple[str, ...],
        truth: str | None = None,
        budget: str | None = None,
        form: Format = PNG_8,
    ) -> Work:
        """Ask for pictures to be restored; what the page had before is given up.

        Args:
            page: that asks.
            sources: the pictures.
            recipe: see ``Task``.
            truth: the original of a single picture.
            budget: the time for each picture, where there is one.
            form: of the results.

        Raises:
            RestorationError: the time is none.
        """
        seconds = None if budget is None else seconds_of(budget)
        recipe = recipe if budget is None else (*recipe, "--budget", budget)
        self.give_up(page)
        self.arrived(page, [*sources, *filter(None, [truth])])
        folder = Path(tempfile.mkdtemp(dir=self.root))
        try:
            pictures = pictures_in(folder, sources, recipe, truth, form)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # the disk is full, say: it is nobody's yet
            raise
        work = self.works[page] = Work(folder, pictures, seconds)
        self.desk.add(work)
        return work

    def give_up(self, page: str) -> None:
        """End the work of a page and delete its results."""
        work = self.works.pop(page, None)
        if work is not None:
            self.desk.cancel(work)
            work.over.wait(PATIENCE)  # until nobody writes there
            shutil.rmtree(work.folder, ignore_errors=True)

    def leave(self, page: str) -> None:
        """Delete all that a page had, when it is closed."""
        self.give_up(page)
        mine = self.uploads.pop(page, set())
        for path in mine.difference(*self.uploads.values()):  # equal files are kept once for all
            with suppress(OSError):
                path.unlink()
                path.parent.rmdir()


def pictures_in(
    folder: Path,
    sources: Sequence[str],
    recipe: tuple[str, ...],
    truth: str | None,
    form: Format,
) -> list[Picture]:
    """Bring files into a folder and plan what is made of them there, named as the command does."""
    inputs, results, views = (folder / name for name in ("inputs", "results", "views"))
    for place in (inputs, results, views):
        place.mkdir()
    names = unique([Path(source).name for source in [*sources, *filter(None, [truth])]])
    for name, source in zip(names, [*sources, *filter(None, [truth])], strict=True):
        bring(Path(source), inputs / name)
    original = names.pop() if truth is not None else None
    jobs = plan([Input(Path(name)) for name in names], results, form)
    return [
        Picture(
            Task(
                inputs,
                name,
                original,
                recipe,
                job.target,
                views / f"{number}.before.png",
                views / f"{number}.original.png",
            ),
            pixels_in(inputs / name),
        )
        for number, (name, job) in enumerate(zip(names, jobs, strict=True))
    ]


def unique(names: Sequence[str]) -> list[str]:
    """Number the names that come again: a.jpg, a.jpg become a.jpg, a-2.jpg."""
    taken: dict[str, str] = {}  # some disks tell no small letters from capital ones
    for name in names:
        path, number = Path(name), 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}-{number}{path.suffix}"
        taken[name.casefold()] = name
    return list(taken.values())


def bring(source: Path, target: Path) -> None:
    """Put a file at a second place, without a copy where the disk can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def pixels_in(path: Path) -> int:
    """Tell how much work a file is; next to nothing if it is no picture."""
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except Exception:  # whatever a broken file does to a reader; the work itself will tell
        return 1


def zipped(work: Work) -> Path:
    """Put all results of a request into one file."""
    path = work.folder / ZIP
    with zipfile.ZipFile(path, "w") as archive:  # pictures do not get smaller
        for picture in work.finished:
            archive.write(picture.task.target, picture.task.target.name)
    return path
