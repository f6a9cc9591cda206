"""What the buttons of the page do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from restoration.app.files import Visits, zipped
from restoration.app.layout import BORDER, FIT, OWN, Layout
from restoration.app.words import bar, caption, rows
from restoration.app.work import Work
from restoration.errors import RestorationError
from restoration.formats.writing import FORMATS

TICK = 0.25  # seconds between two looks at the progress
ONE = "An original belongs to one picture: give one picture, or no original."


class Page(Layout):
    """What happens on the page.

    Args:
        visits: keeps the files of each open page.
    """

    def __init__(self, visits: Visits) -> None:
        self.visits = visits
        super().__init__()
        with self.blocks:
            self.connect()

    def connect(self) -> None:
        """Say what happens when something is clicked."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        quiet["concurrency_limit"] = None  # requests wait at the desk, where they can be cancelled
        for files in (self.files, self.truth):
            files.upload(self.note, files, None, queue=False, **quiet)
        views = [self.caption, self.slider, self.download, self.original]
        outputs = [
            *(self.start, self.stop, self.progress, self.table, self.results, self.zip),
            *(self.choice, self.size, *views),
        ]
        asked = [self.files, self.preset, self.budget, self.strength, self.truth, self.form]
        chosen = [self.choice, self.size, self.original]
        self.start.click(self.restore, asked, outputs, **quiet)
        self.stop.click(self.cancel, None, None, queue=False, **quiet)
        for control in (self.choice, self.size, self.original):
            control.input(self.view, chosen, views, queue=False, **quiet)
        self.preset.change(offer_time, self.preset, self.budget, queue=False, **quiet)
        self.blocks.unload(self.leave)

    def note(self, arrived: str | list[str], request: gr.Request) -> None:
        """Remember files that arrived."""
        paths = [arrived] if isinstance(arrived, str) else arrived
        self.visits.arrived(page_of(request), paths)

    def restore(
        self,
        sources: list[str] | None,
        preset: str,
        budget: str,
        strength: float | None,
        truth: str | None,
        form: str,
        request: gr.Request,
    ) -> Iterator[dict]:
        """Restore the pictures; show how far it is until it is done or cancelled."""
        if not sources:
            raise gr.Error("Drop a picture first.", print_exception=False)
        if truth is not None and len(sources) > 1:
            raise gr.Error(ONE, print_exception=False)
        own = preset == OWN
        strength = 1 if strength is None else strength  # its field is empty
        recipe = ("--strength", f"{strength:g}", *(() if own else ("--preset", preset)))
        try:
            work = self.visits.begin(
                page_of(request),
                sources,
                recipe,
                truth,
                budget if own else None,
                next(f for f in FORMATS if f.name == form),
            )
        except (OSError, RestorationError) as error:  # OSError: the disk is full
            raise gr.Error(str(error), print_exception=False) from error
        yield {
            self.start: gr.update(visible=False),
            self.stop: gr.update(visible=True),
            self.results: gr.update(visible=False),
            self.zip: gr.update(visible=False),
            self.size: 0,
        } | self.drawn(work)
        count, current = 0, None
        over = False
        while not over:
            over = work.over.wait(TICK)
            new: dict[Any, Any] = {}
            if (len(work.finished), work.current) != (count, current) or over:
                new = self.drawn(work) | self.finished(work, first=not count)
                count, current = len(work.finished), work.current
            yield new | {self.progress: bar(work, self.visits.desk.ahead(work))}
        yield {self.start: gr.update(visible=True), self.stop: gr.update(visible=False)}
        if count > 1 and work is self.visits.works.get(page_of(request)):  # not closed meanwhile
            try:
                path = zipped(work)
            except OSError as error:
                raise gr.Error(f"no ZIP could be made: {error}", print_exception=False) from error
            yield {self.zip: gr.update(value=str(path), visible=True)}

    def drawn(self, work: Work) -> dict:
        """Draw progress and table."""
        ahead = self.visits.desk.ahead(work)
        return {
            self.progress: gr.update(value=bar(work, ahead), visible=True),
            self.table: gr.update(value=rows(work), visible=True),
        }

    def finished(self, work: Work, first: bool) -> dict:
        """Offer what is done to be looked at; show the first picture at once."""
        names = [(p.task.source, n) for n, p in enumerate(work.pictures) if p.report is not None]
        if not names:
            return {}
        offer: dict[str, Any] = {"choices": names, "visible": len(names) > 1}
        if not first:
            return {self.choice: gr.update(**offer)}
        number = names[0][1]
        views = (self.caption, self.slider, self.download, self.original)
        return {
            self.results: gr.update(visible=True),
            self.choice: gr.update(value=number, **offer),
        } | dict(zip(views, self.shown(work, number, 0, False), strict=True))

    def view(self, number: int, size: int, original: bool, request: gr.Request) -> tuple:
        """Show another picture, or otherwise."""
        work = self.visits.works.get(page_of(request))
        if work is None:
            raise gr.Error("The results are gone. Restore again.", print_exception=False)
        return self.shown(work, number, size, original)

    def shown(self, work: Work, number: int, size: int, original: bool) -> tuple:
        """Show a picture beside its result.

        Args:
            work: the request.
            number: of the picture.
            size: pixels of the screen for each of the picture; 0 to fit it.
            original: whether the original takes the place of the picture as it was.
        """
        task, report = work.pictures[number].task, work.pictures[number].report
        assert report is not None
        original = original and task.truth is not None
        left = task.original if original else task.before
        width, height = report["size"]
        return (
            caption(report, original, enlarged=size > 1),
            gr.update(
                value=(str(left), str(task.target)),
                width=f"{width * size + BORDER}px" if size else None,
                height=f"{height * size + BORDER}px" if size else None,
                max_height=height * size + BORDER if size else FIT,
            ),
            gr.update(value=str(task.target)),
            gr.update(value=original, visible=task.truth is not None),
        )

    def cancel(self, request: gr.Request) -> None:
        """End the work of the page, whatever it is at."""
        work = self.visits.works.get(page_of(request))
        if work is not None:
            self.visits.desk.cancel(work)

    def leave(self, request: gr.Request) -> None:
        """Delete what there is of a page that is closed."""
        self.visits.leave(page_of(request))


def offer_time(preset: str) -> Any:
    """Ask for a time where one is wanted."""
    return gr.update(visible=preset == OWN)


def page_of(request: gr.Request) -> str:
    """Tell an open page from others."""
    return str(request.session_hash)
