"""A report as Markdown, CSV files and one self-contained HTML page."""

from __future__ import annotations

import base64
import csv
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from restoration.support.files import write_atomically

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.25rem 0.7rem; text-align: right; border-bottom: 1px solid #e4e4e4; }
th { border-bottom: 2px solid #888; } th:first-child, td:first-child { text-align: left; }
tbody tr:hover { background: #f4f7fb; } img { max-width: 100%; } figure { margin: 1rem 0; }
figcaption { color: #555; font-size: 0.9rem; }
"""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of its CSV file.
        head: names of the columns.
        rows: cells as text; "" where there is nothing.
    """

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Render as Markdown."""
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        escaped = ([cell.replace("|", "\\|") for cell in cells] for cells in lines)
        return "\n".join("| " + " | ".join(cells) + " |" for cells in escaped)

    def html(self) -> str:
        """Render as HTML."""
        head = "".join(f"<th>{html.escape(c)}</th>" for c in self.head)
        rows = (
            "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>"
            for row in self.rows
        )
        body = "\n".join(rows)
        return (
            f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )

    def csv(self) -> bytes:
        """Render as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([self.head, *self.rows])
        return text.getvalue().encode()


@dataclass(frozen=True)
class Figure:
    """A figure.

    Attributes:
        name: of its files.
        caption: what is to be seen.
        png: for people.
        svg: for papers; None for photographs.
    """

    name: str
    caption: str
    png: bytes
    svg: bytes | None = None

    def markdown(self) -> str:
        """Render as Markdown."""
        return f"![{self.caption}]({quote(self.name)}.png)\n\n*{self.caption}*"

    def html(self) -> str:
        """Render as HTML with the picture inside."""
        data = base64.b64encode(self.png).decode()
        caption = html.escape(self.caption)
        return (
            f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )


@dataclass
class Document:
    """Text, tables and figures under headings, in order.

    Attributes:
        title: of all.
        parts: headings (as "## ..."), paragraphs, tables and figures.
    """

    title: str
    parts: list[str | Table | Figure] = field(default_factory=list)

    def add(self, heading: str, *parts: str | Table | Figure) -> None:
        """Append a section."""
        self.parts += [f"## {heading}", *parts]

    def markdown(self) -> str:
        """Render as Markdown."""
        texts = (p if isinstance(p, str) else p.markdown() for p in self.parts)
        return "\n\n".join([f"# {self.title}", *texts]) + "\n"

    def html(self) -> str:
        """Render as one page that needs no other file."""

        def rendered(part: str | Table | Figure) -> str:
            if not isinstance(part, str):
                return part.html()
            if part.startswith("## "):
                return f"<h2>{html.escape(part[3:])}</h2>"
            return f"<p>{html.escape(part)}</p>"

        title = html.escape(self.title)
        body = "\n".join(rendered(p) for p in self.parts)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n{body}\n</body></html>\n"
        )

    def write(self, folder: Path) -> None:
        """Write ``report.html``, ``report.md``, a CSV file per table and the figures' files.

        Raises:
            RestorationError: the folder cannot be written.
        """
        for part in self.parts:
            if isinstance(part, Table):
                write_atomically(folder / f"{part.name}.csv", part.csv())
            elif isinstance(part, Figure):
                write_atomically(folder / f"{part.name}.png", part.png)
                if part.svg is not None:
                    write_atomically(folder / f"{part.name}.svg", part.svg)
        write_atomically(folder / "report.md", self.markdown().encode())
        write_atomically(folder / "report.html", self.html().encode())
