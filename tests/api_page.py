"""Make pages of the API's documentation; a warning is an error.

python tests/api_page.py FOLDER, then open FOLDER/index.html.
"""

import argparse
import warnings
from pathlib import Path

import pdoc

import restoration

# What programs use beside the package itself: to fit from Python, and for parts of one's own.
PARTS = [
    f"restoration.{name}"
    for name in ("task", "data", "batch", "inputs", "losses", "networks", "callbacks")
]


def main() -> None:
    """Make them."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("folder", type=Path)
    folder = p.parse_args().folder
    for name in restoration.__all__:
        getattr(restoration, name)  # imported when it is asked for; pdoc does not ask
    pdoc.render.configure(docformat="google")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdoc.pdoc("restoration", *PARTS, output_directory=folder)


if __name__ == "__main__":
    main()
