"""Completion in a shell: what bash offers, and that nothing else is slowed by it."""

import subprocess
import sys
from pathlib import Path

import pytest
import shtab

from restoration.__main__ import COMMANDS, main

# Calls the function that bash calls at a tab, and prints what it offers
TRY = """
source completion
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
_shtab_restoration
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    """The script for bash, in a folder with two files."""
    folder = tmp_path_factory.mktemp("completion")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["restoration"])
        patch.setattr("sys.stdout", (folder / "completion").open("w"))
        assert main(["--print-completion", "bash"]) == 0
        sys.stdout.close()
    (folder / "photo.jpg").touch()
    (folder / "phantom.yaml").touch()
    return folder


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("re", {"restore", "report"}),
        ("restore --pre", {"--preset"}),
        ("restore --preset ", {"fast", "balanced", "best"}),
        ("restore ph", {"photo.jpg", "phantom.yaml"}),
        ("restore a.jpg --compare phan", {"phantom.yaml"}),
        ("fit --trainer.max_s", {"--trainer.max_steps"}),
        ("fit --data.im", {"--data.image"}),
        ("fit --config phan", {"phantom.yaml"}),
        ("sweep x.yaml --engine r", {"ray"}),
    ],
)
def test_bash_completes_commands_options_and_files(script, line, offered):
    words = ["restoration", *line.split(" ")]
    done = subprocess.run(
        ["bash", "-c", TRY, "bash", *words], cwd=script, capture_output=True, text=True, check=True
    )
    assert offered <= set(done.stdout.split())
    if not line.endswith(" "):
        assert offered == set(done.stdout.split())


@pytest.mark.parametrize("shell", shtab.SUPPORTED_SHELLS)
def test_each_shell_gets_a_script_with_the_options_of_fit(shell, capsys):
    assert main(["--print-completion", shell]) == 0
    assert "trainer.max_steps" in capsys.readouterr().out


def test_every_command_is_completed(script):
    text = (script / "completion").read_text()
    assert all(f"_shtab_restoration_{name}_option_strings=" in text for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["--print-completion"], ["--print-completion", "cmd"]])
def test_an_unknown_shell_is_one_line(arguments, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "give --print-completion SHELL, of bash, zsh" in error
    assert error.count("\n") == 1


def test_without_shtab_it_says_so(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["--print-completion", "bash"]) == 1
    assert "completion needs shtab: pip install shtab" in capsys.readouterr().err


def test_no_other_command_imports_what_completes(tmp_path):
    program = "import sys; from restoration.__main__ import main; main(['restore', 'missing.jpg']);"
    program += "print('shtab' in sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert not list(Path(tmp_path).iterdir())
