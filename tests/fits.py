"""Small runs of ``restoration fit`` for the tests."""

import csv
import json

from restoration.__main__ import main

SMALL = ["fit", "--config", "configs/quickstart.yaml", "--data.crop", "64"]


def run(tmp_path, *arguments, name="coffee-q10"):
    assert main([*SMALL, *arguments]) == 0
    folder = max((tmp_path / "lightning_logs" / name).iterdir())
    return folder, json.loads((folder / "result.json").read_text())


def rows_of(folder):
    with open(folder / "curves.csv") as file:
        return list(csv.DictReader(file))
