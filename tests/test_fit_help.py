"""What ``fit`` answers at once: its help, which says what the parser says, and what is wrong."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from restoration import fit_help
from restoration.__main__ import main
from restoration.errors import RestorationError
from restoration.fit_checks import check_data, data_options


def described(text: str) -> dict[str, str]:
    """Options and their sentences; types and defaults, which other versions word otherwise, not."""
    parts = re.split(r"^  (?=-)", text, flags=re.MULTILINE)[1:]
    cut = (re.split(r"\(type:|\n\S", part)[0] for part in parts)
    pairs = (re.fullmatch(r"(\S+).*?(?:  |\n|$)(.*)", part, re.DOTALL).groups() for part in cut)
    return {name.rstrip(","): " ".join(sentence.split()) for name, sentence in pairs}


@pytest.mark.slow
def test_the_kept_help_is_that_of_the_parser():
    """Else: python -m restoration.fit_help."""
    command = "from restoration.fit_help import made_help; print(made_help())"
    made = subprocess.run([sys.executable, "-c", command], capture_output=True, check=True)
    kept, made = described(fit_help.kept_help()), described(made.stdout.decode())
    assert len(kept) > 90
    assert set(kept) == set(made)
    for name, sentence in made.items():
        if not name.startswith("--trainer"):  # of Lightning, which words them
            assert kept[name] == sentence, "run python -m restoration.fit_help"


def test_help_needs_no_torch(capsys):
    code = "import sys; from restoration.__main__ import main; main(['fit', '--help']); "
    code += "sys.exit('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert b"--data.crop" in told.stdout


def test_help_of_another_lightning_is_not_told(tmp_path, monkeypatch):
    file = tmp_path / "help.txt"
    file.write_text("Lightning 1.0\n--old")
    monkeypatch.setattr(fit_help, "FILE", file)
    assert fit_help.kept_help() is None
    file.write_text(f"{fit_help.release_of_lightning()}\n--new\n")
    assert fit_help.kept_help() == "--new\n"


def test_other_wishes_for_help_go_to_the_parser(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["fit", "--model.loss.help", "restoration.losses.SURE"])
    assert stop.value.code == 0
    assert "--model.loss.sigma" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--data.image=a.png", "--data.quality", "10"], {"image": "a.png", "quality": 10}),
        (["--config", "c.yaml"], {"image": "b.jpg", "crop": 64, "quality": 5}),
        (
            ["--config=c.yaml", "--data.quality", "null"],
            {"image": "b.jpg", "crop": 64, "quality": None},
        ),
        (["--config", "c.yaml", "--print_config"], None),
        (["--data", "c.yaml"], None),
        (["--config", "missing.yaml"], None),
        (["--config", "odd.yaml", "--trainer.max_steps", "5"], {}),
    ],
)
def test_options_of_the_image_are_found(tmp_path, monkeypatch, arguments, expected):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text("data:\n  image: b.jpg\n  crop: 64\n  quality: 5\n")
    Path("odd.yaml").write_text("- 1\n")
    assert data_options(arguments) == expected


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data.image", "p.jpg", "--data.crop", "64"], "a part of a JPEG's pixels is no JPEG"),
        (["--data.image", "missing.jpg"], "cannot read missing.jpg"),
        (["--data.image", "p.jpg", "--data.truth", "t.png"], "t.png is not an image"),
    ],
)
def test_a_wrong_image_is_told_before_torch_is_imported(tmp_path, photo, arguments, said):
    Image.fromarray(photo).save(tmp_path / "p.jpg")
    (tmp_path / "t.png").write_text("text")
    code = "import sys; from restoration.__main__ import main; code = main(); "
    code += "sys.exit(2 if 'torch' in sys.modules else code)"
    base = ["fit", "--config", "configs/base.yaml", *arguments]
    told = subprocess.run(
        [sys.executable, "-c", code, *base], capture_output=True, check=False, cwd=tmp_path
    )
    assert told.returncode == 1
    assert said in told.stderr.decode()
    assert told.stderr.count(b"\n") == 1


def test_images_that_can_be_used_pass(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "p.png")
    check_data([f"--data.image={tmp_path / 'p.png'}", "--data.crop", "64", "--data.quality=10"])
    Image.fromarray(photo[:8, :8]).save(tmp_path / "small.png")
    with pytest.raises(RestorationError, match="8 x 8 pixels"):
        check_data([f"--data.image={tmp_path / 'small.png'}"])
