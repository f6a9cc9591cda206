"""What the documents show works: their commands, their code, the options in their tables."""

import csv
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from PIL import Image

from restoration import losses
from restoration.__main__ import main
from restoration.networks import Hourglass
from restoration.support.files import find
from restoration.task import DeepImagePrior

ROOT = Path(__file__).parents[1]
README, CONTRIBUTING, CONFIGS = (
    (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "configs/README.md")
)
BASIS = ["--config=configs/base.yaml", "--config=configs/net/low.yaml"]
MSE = "--config=configs/loss/mse.yaml"
COMMANDS = re.findall(r"restoration fit (--config (?:.*\\\n)*.*)", README)
PARTS = re.findall(r"^`(--.*)`$", CONTRIBUTING, re.MULTILINE)
ROWS = re.findall(r"^\|[^|]*\| (.*`--.*) \|$", CONFIGS, re.MULTILINE)
OPTIONS = [option for row in ROWS for option in re.findall(r"`(--[^`]*)`", row)]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a photograph and the documents' own modules."""
    for name, code in re.findall(r"```python\n# (\w+\.py).*\n([^`]*)```", README + CONTRIBUTING):
        (tmp_path / name).write_text(code)
    with Image.open(find("samples/coffee.png")) as photo:
        photo.crop((0, 0, 64, 64)).save(tmp_path / "photo.jpg", quality=10)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])


def test_the_documents_are_read_as_they_should_be():
    assert len(COMMANDS) == 3
    assert len(PARTS) == 5
    assert len(OPTIONS) > 20


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_runs(command):
    arguments = shlex.split(command.replace("\\\n", " "))
    assert main(["fit", *arguments, "--trainer.max_steps", "2", "--folder", "run"]) == 0
    assert Path("run/restored.png").exists()


@pytest.mark.filterwarnings("ignore")  # Lightning's remarks on a trainer of one's own
def test_the_fit_from_python_is_that_of_the_command():
    """The code of the README, in fewer steps: equal pixels and numbers, and the curve drawn."""
    code = Path("curve.py").read_text()
    assert code.count("max_steps=1600") == 1
    names: dict = {}
    exec(code.replace("max_steps=1600", "max_steps=20"), names)
    folder, plt = Path(names["trainer"].log_dir), names["plt"]
    (line,) = plt.gca().lines
    drawn = line.get_xydata()
    plt.close("all")
    quick = ["fit", "--config", "configs/quickstart.yaml", "--trainer.max_steps", "20"]
    assert main([*quick, "--folder", "run"]) == 0
    for name in ("restored.png", "curves.csv", "comparison.png"):
        assert (folder / name).read_bytes() == Path("run", name).read_bytes()
    with open("run/curves.csv") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(xy) for xy in drawn] == [
        (float(row["step"]), float(row["psnr_smoothed"])) for row in rows
    ]
    with Image.open(folder / "curve.png") as picture:
        assert min(picture.size) > 300
    net = DeepImagePrior.load_from_checkpoint(  # what the trainer saves serves, too
        next(folder.rglob("*.ckpt")), net=Hourglass, loss=losses.MSE()
    ).net
    assert sum(p.numel() for p in net.parameters()) == 572_827


@pytest.mark.parametrize("options", PARTS)
def test_a_part_of_ones_own_runs(options):
    arguments = [*BASIS, MSE, "--data.image=photo.jpg", *shlex.split(options)]
    short = ["--trainer.max_steps", "2", "--folder", "run"]
    if "rules" in options:
        short += ["--rules.begin", "1", "--rules.every", "1"]
    assert main(["fit", *arguments, *short]) == 0
    assert Path("run/restored.png").exists()


# an option of a loss, and the loss that has it
@pytest.mark.parametrize(
    ("part", "loss"),
    [("", "mse"), ("model.loss.", "sure"), ("loss.kl.", "kl_q_mse"), ("loss.d.", "kl_q_sure")],
)
def test_the_options_in_the_tables_parse(part, loss, capsys):
    options = [o for o in OPTIONS if (part in o if part else "model.loss" not in o)]
    if part == "model.loss.":
        options = [o for o in options if ".kl." not in o and ".d." not in o]
    assert options
    arguments = [*BASIS, f"--config=configs/loss/{loss}.yaml", "--data.image=photo.jpg"]
    with pytest.raises(SystemExit) as stop:
        main(["fit", *arguments, *shlex.split(" ".join(options)), "--print_config"])
    assert stop.value.code == 0, capsys.readouterr().err


def test_the_citation_is_of_this_version():
    """As the Citation File Format 1.2.0 asks for it."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    for key, same in (("title", "name"), ("version", "version"), ("license", "license")):
        assert citation[key] == project[same]
    assert citation["keywords"] == project["keywords"]
    assert project["description"] in " ".join(citation["abstract"].split()).replace(":", ".")


def test_the_page_on_the_paper_tells_what_its_report_tells():
    desk = ROOT / "tests/benchmarks/results/desk"
    page = (desk / "README.md").read_text()
    with (desk / "claims.csv").open() as file:
        told = [row for row in csv.DictReader(file) if row["here"]]
    assert told
    for row in told:
        interval = row["95 % interval"] or "none"
        assert f"| {row['here']} | {interval} | {row['images']} |" in page, row["claim"]
    for picture in re.findall(r"\((\w+\.png)\)", page):
        assert (desk / picture).exists()
    runs = re.search(r"(\d+) runs on", (desk / "report.md").read_text())
    assert page.splitlines()[2].startswith(f"{runs[1]} runs")
