"""Grids: what their YAML may say, and which runs they are."""

import datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from restoration.__main__ import main
from restoration.commands.sweep import shard_of
from restoration.errors import RestorationError
from restoration.experiments.configurations import merged
from restoration.experiments.grid import Grid, checked, read_grid
from restoration.experiments.runs import own_code, packages, runs_of
from tests.experiments.grids import grid, runs

pytestmark = pytest.mark.usefixtures("folder")
REST = {"qualities": [10], "networks": ["low"], "losses": ["mse"]}


def test_runs_that_differ_in_their_steps_alone_may_meet_in_a_report():
    shared = {
        run.labels["settings"]
        for steps in (None, 6, 7)
        for run in runs(set={"trainer": {"max_steps": steps}} if steps else {})
    }
    assert len(shared) == 1
    other = runs(set={"trainer": {"max_steps": 6}, "data": {"crop": 16}})
    assert other[0].labels["settings"] not in shared


def test_the_paper_has_4320_runs(tmp_path):
    for i in range(1, 25):
        Image.new("RGB", (16, 16), (i, i, i)).save(f"kodim{i:02}.png")
    all_runs = runs_of(read_grid("configs/sweep/paper.yaml", []), Path(), Path("runs"))
    assert len(all_runs) == len({r.identity for r in all_runs}) == 4320
    assert len({r.folder for r in all_runs}) == 4320
    weights = {r.labels["weight"] for r in all_runs if "kl" in r.labels["loss"]}
    assert weights == {10, 100}
    off = next(r for r in all_runs if not r.labels["skips"] and r.labels["network"] == "medium")
    assert off.config["model"]["net"]["init_args"]["skips"] == [0] * 6
    shards = [shard_of(all_runs, f"{i}/7") for i in range(1, 8)]
    assert sorted(r.identity for s in shards for r in s) == sorted(r.identity for r in all_runs)


def test_identity_is_the_configuration_and_the_content_not_the_place(photo):
    (one,) = runs()
    Path("elsewhere").mkdir()
    Image.fromarray(photo[:32, :32]).save("elsewhere/c.png")
    (moved,) = runs_of(grid(images=["c.png"]), Path("elsewhere"), Path("other"))
    assert moved.identity == one.identity
    (other_image,) = runs(images=["b.png"])
    (longer,) = runs(set={"trainer": {"max_steps": 7}})
    (reseeded,) = runs(seeds=[1])
    assert len({r.identity for r in (one, other_image, longer, reseeded)}) == 4


def test_images_that_cannot_be_told_apart_are_refused_before_any_run(photo):
    """Reports tell runs by their images' names, runs themselves by their contents."""
    Path("one[1]").mkdir()
    Image.fromarray(photo[:32, :32]).save("one[1]/a.png")
    Image.fromarray(photo[32:64, :32]).save("one[1]/b.png")
    (one,) = runs_of(grid(), Path("one[1]"), Path("runs"))  # no pattern
    assert one.labels["image"] == "a"
    Path("b").mkdir()
    Image.fromarray(photo[:32, 32:64]).save("b/a.png")
    with pytest.raises(RestorationError, match=r"a\.png and b/a\.png have one name; rename"):
        runs(images=["a.png", "b/a.png"])
    Path("c.png").write_bytes(Path("a.png").read_bytes())
    with pytest.raises(RestorationError, match=r"a\.png and c\.png are one picture; leave"):
        runs(images=["a.png", "c.png"])


def test_readings_and_weights_touch_combined_losses_alone():
    some = runs(losses=["mse", "kl_q_mse"], weights=[10, 100], reading="counted")
    assert [r.labels["weight"] for r in some] == [None, 10, 100]
    options = some[2].config["model"]["loss"]["init_args"]
    assert options["weight"] == 100
    assert options["kl"]["init_args"]["histogram"] == "hard"
    assert options["data_range"] == 1


def test_configurations_are_laid_over_each_other():
    under = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert merged(under, {"a": {"c": [3]}, "e": None}) == {
        "a": {"b": 1, "c": [3]},
        "d": 1,
        "e": None,
    }
    assert under == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"image": ["a.png"]}, "unknown key image, did you mean images?"),
        ({"images": ["a.png"]}, "missing losses, networks, qualities"),
        ({"images": "a.png"} | REST, "images: a.png was given where list is expected"),
        (
            {"images": ["a.png"], "weights": ["a"]} | REST,
            "weights: a was given where float is expected",
        ),
        ({"images": ["a.png"], "set": None} | REST, "set must not be empty"),
        ({"images": ["a.png"], "set": [1]} | REST, "set: [1] was given where dict is expected"),
        ({"images": [3]} | REST, "images: 3 was given where str is expected"),
        (
            {"images": ["a.png"]} | REST | {"qualities": ["abc"]},
            "qualities: abc was given where int is expected",
        ),
    ],
)
def test_a_wrong_grid_is_told_in_one_line(content, said, capsys):
    Path("grid.yaml").write_text(yaml.safe_dump(content))
    assert main(["sweep", "grid.yaml", "--output", "runs"]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*Grid.__dataclass_fields__, "x"]), VALUES))
def test_any_grid_is_one_or_is_refused(content):
    complete = {"images": ["a.png"], "qualities": [10], "networks": ["low"], "losses": ["mse"]}
    said = ""
    try:
        checked(complete | content, "grid.yaml")
    except RestorationError as error:
        said = str(error)
    assert "\n" not in said


def test_what_json_cannot_hold_counts_in_a_runs_identity():
    """YAML reads 2024-01-01 as a date."""
    days = [runs(set={"name": datetime.date(2024, 1, day)})[0].identity for day in (1, 2, 1)]
    assert days[0] == days[2] != days[1]


def test_a_missing_image_names_the_folder():
    with pytest.raises(RestorationError, match="--data-root"):
        runs(images=["c.png"])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"data": {"quality": 15}}, "data.quality; qualities is for it"),
        ({"seed_everything": 3}, "seed_everything; seeds is for it"),
        ({"model": {"loss": {"init_args": {"weight": 50}}}}, "weights is for it"),
        ({"model": {"loss": "restoration.losses.MSE"}}, "loss.class_path; losses is for it"),
        ({"model": {"net": "a_network.Plain"}}, "net.class_path; networks is for it"),
    ],
)
def test_what_labels_say_is_not_set_otherwise(settings, told, capsys):
    given = grid(set=settings, losses=["mse", "kl_q_mse"])
    Path("grid.yaml").write_text(yaml.safe_dump(vars(given)))
    assert main(["sweep", "grid.yaml", "--output", "runs"]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "model:", "model: {loss: }"])
def test_a_configuration_without_its_class_is_named(text):
    Path("configs/loss").mkdir(parents=True)
    Path("configs/loss/mine.yaml").write_text(text)
    with pytest.raises(RestorationError, match=r"configs/loss/mine.yaml names no class"):
        runs(losses=["mine"])


def test_a_class_among_the_settings_of_all_runs_is_left_to_them():
    settings = {"data": {"input": {"class_path": "restoration.inputs.DecodedJPEG"}}}
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(set=settings))))
    assert read_grid("grid.yaml", []).set == settings


@pytest.mark.parametrize("names", [("mine", "ours")])
def test_runs_that_are_one_are_refused(names):
    Path("configs/loss").mkdir(parents=True)
    for name in names:
        Path(f"configs/loss/{name}.yaml").write_text("model: {loss: restoration.losses.MSE}")
    with pytest.raises(RestorationError, match="loss mine, ours: both are the same run"):
        runs(losses=list(names))


@pytest.mark.parametrize(
    ("setting", "file"),
    [
        ("model: {loss: loss_of_mine.Mine}", "loss_of_mine.py"),
        ("model: {loss: {class_path: losses_of_mine.Mine}}", "losses_of_mine/inner.py"),
        ("model: {loss: MSE}\ndata: {input: input_of_mine.Mine}", "input_of_mine.py"),
    ],
)
def test_a_run_of_changed_code_is_another(monkeypatch, setting, file):
    """Whatever is wrong with it: nothing is imported."""
    Path("configs/loss").mkdir(parents=True)
    Path("configs/loss/mine.yaml").write_text(setting)
    monkeypatch.syspath_prepend(Path.cwd())
    path = Path(file)
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").write_text("raise SystemExit")
    identities = set()
    for text in ("", "no Python", ""):
        path.write_text(text)
        identities |= {run.identity for run in runs(losses=["mine"])}
    assert len(identities) == 2
    assert len(runs(losses=["mine"])) == 1


def test_code_of_others_is_not_looked_at():
    named = ["torch.nn.Conv2d", {"class_path": "collections.OrderedDict"}, "no.such.Thing"]
    found = list(packages({"a": named, "b": ["restoration.losses.MSE", "a word", 3, None]}))
    assert found == ["torch", "collections", "no"]
    assert [own_code(name) for name in found] == [[], [], []]


def test_one_setting_of_many_is_set_alone():
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid())))
    some = ["set.trainer.max_steps=9", "set.data.crop=16", "seeds=[3]"]
    read = read_grid("grid.yaml", some)
    assert read.set == {
        "trainer": {"max_steps": 9},
        "checkpoint": {"every": 2},
        "data": {"crop": 16},
    }
    assert read.seeds == [3]
    with pytest.raises(RestorationError, match=r"a part of set\.\.crop is empty"):
        read_grid("grid.yaml", ["set..crop=16"])
    assert read_grid("grid.yaml", ["set='data: {crop: 16}'"]).set == {"data": {"crop": 16}}


@pytest.mark.parametrize("quality", [0, 101])
def test_qualities_that_are_none_are_refused_before_the_runs(quality):
    with pytest.raises(RestorationError, match=f"within 1 to 100, not {quality}"):
        checked(vars(grid(qualities=[10, quality])), "grid.yaml")
