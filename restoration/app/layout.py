"""What is on the page, and where."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from restoration.presets import PRESETS, TIMES

FIT = 480  # pixels, the height of a picture that is made to fit
BORDER = 2  # pixels of the slider's frame, both sides together
HEAD = """
<h1>Better pictures from bad JPEGs</h1>
<p>Takes back blocks, rings and wrong colours, as far as each file itself tells; nobody needs the
original. Pictures stay on this computer. What is made here is deleted when you close the page:
download it before.</p>
"""
OWN = "own"
CSS = (Path(__file__).parent / "page.css").read_text()
SAVED_AS = [("PNG", "png"), ("WebP", "webp"), ("JPEG", "jpeg")]


class Layout:
    """What is on the page; nothing happens yet.

    Attributes:
        blocks: the page.
    """

    def __init__(self) -> None:
        with gr.Blocks(title="restoration", analytics_enabled=False) as self.blocks:
            self.lay_out()

    def lay_out(self) -> None:
        """Put everything in its place."""
        gr.HTML(HEAD, elem_id="head")
        self.files = gr.File(
            label="Pictures: JPEGs, or others that once were",
            file_count="multiple",
            height=180,
            elem_id="files",
        )
        self.preset = gr.Radio(
            [
                *((f"{name.capitalize()}: {TIMES[name]}", name) for name in PRESETS),
                ("Own time", OWN),
            ],
            value="balanced",
            label="How thoroughly (times for 768 × 512 pixels on two CPU cores)",  # noqa: RUF001 - the sign of multiplication
            elem_id="preset",
        )
        self.budget = gr.Textbox(
            "5m",
            label="Time for each picture, such as 30s, 5m or 1h",
            visible=False,
            elem_id="budget",
        )
        self.strength = gr.Slider(
            0.1, 1, 1, step=0.05, label="Strength: less gives back grain", elem_id="strength"
        )
        self.form = gr.Radio(
            SAVED_AS,
            value="png",
            label="Save as (PNG and WebP lose nothing, JPEG is of quality 95)",
            elem_id="form",
        )
        with gr.Accordion("I have the original, to measure the result", open=False):
            self.truth = gr.File(
                label="Original (PNG, or whatever has lost nothing)", height=150, elem_id="truth"
            )
        self.start = gr.Button("Restore", variant="primary", size="lg", elem_id="start")
        self.stop = gr.Button("Cancel", variant="stop", size="lg", visible=False, elem_id="stop")
        self.progress = gr.HTML(visible=False, elem_id="progress")
        self.table = gr.HTML(visible=False, elem_id="table")
        with gr.Column(visible=False, elem_id="results") as self.results:
            with gr.Row(equal_height=True):
                self.choice = gr.Dropdown(label="Picture", elem_id="choice", visible=False)
                self.size = gr.Radio(
                    [("Fit", 0), ("100 %", 1), ("200 %", 2), ("400 %", 4)],
                    value=0,
                    label="Size (wheel: zoom, drag: move)",
                    scale=2,
                    elem_id="size",
                )
                self.original = gr.Checkbox(
                    label="Original instead of JPEG", container=True, elem_id="original"
                )
            self.caption = gr.HTML(elem_id="caption")
            with gr.Column(elem_id="frame"):
                self.slider = gr.ImageSlider(
                    show_label=False, buttons=["fullscreen"], min_width=0, elem_id="slider"
                )
            with gr.Row():
                self.download = gr.DownloadButton("Download", variant="primary", elem_id="download")
                self.zip = gr.DownloadButton("Download all (ZIP)", visible=False, elem_id="zip")
