"""What is said of wrong usage, and what options take."""

import argparse

import pytest

from restoration.support import usage


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("two\n  lines", "two lines"),
        ("unrecognized arguments: --sede=1 x", "unknown option --sede, did you mean --seed?"),
        ("unrecognized arguments: --zzz", "unknown option --zzz"),
        (
            "Parser key \"trainer.max_steps\": Expected a <class 'int'>. Got value: soon (a str)",
            "trainer.max_steps: soon was given where int is expected",
        ),
        (
            "Parser key \"x\": Expected a <class 'int'>; Expected a <class 'float'>; "
            "Expected a <class 'int'>. Given value: y",
            "x: y was given where int or float is expected",
        ),
        (
            'Parser key "x": wrong. Given value: 3',
            "x: 3 was given where something else is expected",
        ),
        (
            "Parser key \"x\": Expected a typing.Literal['P', 'Q']. Got value: R",
            "x: R was given where P or Q is expected",
        ),
        (
            'Parser key "x": Expected a dot import path string: Foo - Expected a <class '
            "'collections.abc.Iterable'> - Expected a <class 'NoneType'> Given value: Foo",
            "x: Foo was given where a class's path or list or null is expected",
        ),
        (
            'Parser key "x": Expected a dot import path string: NoSuch',
            "x: no class NoSuch is known; give its path, such as module.NoSuch",
        ),
        ("Option 'sede' is not accepted", "unknown option sede, did you mean --seed?"),
        (
            "Parser key \"x\":\n Problem with given class_path 'argparse.Actoin':\n"
            "  module 'argparse' has no attribute 'Actoin'",
            "x: unknown class argparse.Actoin, did you mean argparse.Action?",
        ),
        (
            "Parser key \"x\":\n Problem with given class_path 'no.A': No module named 'no'",
            "x: no module no is found; PYTHONPATH tells where to look",
        ),
        (
            "Parser key \"x\":\n Problem with given class_path 'a.A': No module named 'scipyy'",
            "x: a.A needs the module scipyy, which is missing",
        ),
        (
            'Parser key "x":\n Import path a.B does not correspond to a subclass of C',
            "x: a.B is no C",
        ),
    ],
)
def test_a_parsers_message_becomes_one_line(message, line):
    assert usage.plain(message, ["--seed", "--tile"]) == line


def test_arguments_are_those_of_derived_classes_too():
    class Base:
        def __init__(self, one): ...

    class Derived(Base):
        def __init__(self, two, *, three=3): ...

    class Heir(Derived):
        pass

    assert Heir(0)
    assert usage.arguments_of([Base]) == {"one", "two", "three"}
    assert usage.arguments_of([zip]) == set()  # which tells no signature


@pytest.mark.parametrize(
    ("read", "right", "wrong"),
    [
        (usage.seed, {"0": 0, "4294967295": 2**32 - 1}, ["-1", "4294967296", "1.5", ""]),
        (usage.share, {"0": 0.0, "1": 1.0, "0.25": 0.25}, ["-0.1", "1.01", "nan", "half"]),
        (usage.quality, {"1": 1, "100": 100}, ["0", "101", "ten"]),
        (usage.tile, {"0": 0, "128": 128}, ["127", "-128", "big"]),
        (usage.duration, {"90s": 90.0, "2m": 120.0}, ["soon", "-1s"]),
    ],
)
def test_options_take_what_they_say(read, right, wrong):
    assert {text: read(text) for text in right} == right
    for text in wrong:
        with pytest.raises(argparse.ArgumentTypeError):
            read(text)


def test_a_parser_ends_with_one_line_and_code_2(capsys):
    parser = usage.Parser("restoration x", "does x")
    parser.add_argument("--tile", type=usage.tile)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--tile", "5"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "argument --tile: 5 is no side of tiles: give at least 128 pixels" in told
    with pytest.raises(SystemExit):
        parser.parse_args(["--til", "256"])  # no abbreviations
    assert "unknown option --til, did you mean --tile?" in capsys.readouterr().err
