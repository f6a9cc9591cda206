"""The grid, the engine of one machine, and what may go wrong in a sweep."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from restoration.__main__ import main
from restoration.callbacks import curves
from restoration.commands.sweep import shard_of
from restoration.errors import RestorationError, UsageError
from restoration.experiments import timing
from restoration.experiments.configurations import merged
from restoration.experiments.engines import running
from restoration.experiments.engines.local import LocalEngine
from restoration.experiments.engines.running import Outcome, attempt
from restoration.experiments.grid import Grid, checked, read_grid
from restoration.experiments.runs import runs_of
from restoration.experiments.sweep import Tally, sweep
from restoration.run_folder import CHECKPOINT
from restoration.support.processes import cores
from restoration.task import DeepImagePrior

ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, photo):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])
    Image.fromarray(photo[:32, :32]).save("a.png")
    Image.fromarray(photo[32:64, :32]).save("b.png")
    return tmp_path


def grid(**changes):
    steps = {"trainer": {"max_steps": 6}, "checkpoint": {"every": 2}}
    defaults = {
        "images": ["a.png"],
        "qualities": [10],
        "networks": ["low"],
        "losses": ["mse"],
        "configs": ["configs/base.yaml"],
        "set": steps,
    }
    return Grid(**{**defaults, **changes})


def runs(output="runs", **changes):
    return runs_of(grid(**changes), Path(), Path(output))


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


REST = {"qualities": [10], "networks": ["low"], "losses": ["mse"]}


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


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*Grid.__dataclass_fields__, "x"]), VALUES))
def test_any_grid_is_one_or_is_refused(content):
    complete = {"images": ["a.png"], "qualities": [10], "networks": ["low"], "losses": ["mse"]}
    said = ""
    try:
        checked(complete | content, "grid.yaml")
    except RestorationError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.parametrize("shard", ["0/4", "5/4", "1", "a/b"])
def test_a_wrong_shard_is_refused(shard):
    with pytest.raises(UsageError, match="--shard"):
        shard_of([], shard)


def test_a_run_that_another_sweep_holds_is_left_to_it_and_taken_when_that_dies():
    run = runs(losses=["mse"])[0]
    run.folder.mkdir(parents=True)
    holder = "import filelock, sys, time; x = filelock.FileLock(sys.argv[1]); x.acquire(); print(1)"
    command = [sys.executable, "-c", holder + "; sys.stdout.flush(); time.sleep(60)"]
    with subprocess.Popen([*command, run.folder / "run.lock"], stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        assert attempt(run).held
        assert [p.name for p in run.folder.iterdir()] == ["run.lock"]
        other.kill()
    outcome = attempt(run)
    assert (outcome.held, outcome.error) == (False, None)
    assert run.finished


def test_a_missing_image_names_the_folder():
    with pytest.raises(RestorationError, match="--data-root"):
        runs(images=["c.png"])


def test_a_sweep_is_what_fit_does_and_is_done_once(capsys):
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(losses=["mse", "sure"]))))
    command = ["sweep", "grid.yaml", "--output", "runs"]
    assert main(command) == 0
    folders = [r.folder for r in runs(losses=["mse", "sure"])]
    mine = ["--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    mine += ["--config", "configs/loss/mse.yaml", "--data.image", "a.png", "--data.quality", "10"]
    torch.set_num_threads(max(cores() // LocalEngine().workers, 1))  # as a worker has
    assert main(["fit", *mine, "--trainer.max_steps", "6", "--folder", "fit"]) == 0
    assert (folders[0] / "restored.png").read_bytes() == Path("fit/restored.png").read_bytes()
    labels = json.loads((folders[1] / "run.json").read_text())["labels"]
    assert labels["loss"] == "sure"
    assert labels["steps"] == 6
    older = {"identity": folders[1].name, "labels": {"settings": "of another version"}}
    (folders[1] / "run.json").write_text(json.dumps(older))
    times = [(f / "result.json").stat().st_mtime_ns for f in folders]
    capsys.readouterr()
    assert main(command) == 0
    assert json.loads((folders[1] / "run.json").read_text())["labels"] == labels
    assert "2 runs are finished already" in capsys.readouterr().err
    assert times == [(f / "result.json").stat().st_mtime_ns for f in folders]


def test_processes_share_the_gpus_that_this_one_may_use(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for visible, names in ((None, "0101"), ("4,6", "4646")):
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        engine = LocalEngine(workers=4)
        given = [engine.environment(number)["CUDA_VISIBLE_DEVICES"] for number in range(4)]
        assert "".join(given) == names
    assert LocalEngine().workers == 2


class InProcess:
    """An engine that works in this process."""

    workers = 1

    def run(self, some):
        yield from map(attempt, some)


def test_a_nan_is_recorded_and_retried_and_the_others_are_done(capsys):
    bad = {"model": {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 1e30}}}}
    (broken,) = runs(set=merged(grid().set, {**bad, "trainer": {"max_steps": 20}}))
    (sound,) = runs(images=["b.png"])
    assert sweep([broken, sound], InProcess(), retries=2) == 1
    record = json.loads((broken.folder / "failed.json").read_text())
    assert "the loss is nan" in record["error"]
    assert record["attempts"] == 3
    assert not broken.finished
    assert sound.finished
    assert capsys.readouterr().err.count("will be tried again") == 2


def test_a_damaged_checkpoint_costs_one_attempt():
    (run,) = runs()
    run.folder.mkdir(parents=True)
    (run.folder / "last.ckpt").write_bytes(b"damaged")
    assert "damaged" in attempt(run).error
    assert sweep([run], InProcess(), retries=0) == 0
    assert run.finished
    assert not (run.folder / "failed.json").exists()


def test_a_full_disk_fails_the_run_and_leaves_no_result(monkeypatch):
    (run,) = runs()

    def no_space(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        assert sweep([run], InProcess(), retries=0) == 1
    assert not list(run.folder.glob("*.json"))
    assert sweep([run], InProcess(), retries=0) == 0
    assert run.finished


def test_a_run_without_a_folder_fails_and_the_others_are_done(capsys):
    (broken,) = runs()
    (sound,) = runs(images=["b.png"])
    broken.folder.parent.parent.mkdir()
    broken.folder.parent.write_text("a file where the image's folder should be")
    assert sweep([broken, sound], InProcess(), retries=0) == 1
    assert "failed" in capsys.readouterr().err
    assert sound.finished


def test_unforeseen_errors_are_kept_with_their_traceback(monkeypatch):
    (run,) = runs()
    monkeypatch.setattr(running.yaml, "safe_dump", lambda config: 1 / 0)
    assert sweep([run], InProcess(), retries=0) == 1
    record = json.loads((run.folder / "failed.json").read_text())
    assert record["error"] == "ZeroDivisionError: division by zero"
    assert "safe_dump" in record["details"]


def test_time_left_is_that_of_the_same_network():
    some = runs(networks=["low", "medium"], seeds=[0, 1, 2])
    tally = Tally(some, workers=2)
    assert tally.remaining is None
    low = [r for r in some if r.labels["network"] == "low"]
    medium = [r for r in some if r.labels["network"] == "medium"]
    tally.add(Outcome(low[0].identity, None, 10.0))
    tally.add(Outcome(medium[0].identity, None, 40.0))
    tally.add(Outcome(low[1].identity, "broken", 1.0))
    assert (tally.done, tally.failed, len(tally.left)) == (2, 1, 3)
    assert tally.remaining == pytest.approx((10 + 2 * 40) / 2)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_killed_worker_is_replaced_and_the_run_goes_on_to_the_same_end(capsys):
    long = merged(grid().set, {"trainer": {"max_steps": 60}, "checkpoint": {"every": 10}})
    (whole,) = runs("whole", set=long)
    assert sweep([whole], LocalEngine(workers=1), retries=0) == 0  # of as many threads
    (run,) = runs(set=long)

    def kill_as_soon_as_there_is_a_checkpoint():
        while not (run.folder / "last.ckpt").exists():
            time.sleep(0.001)
        workers = []
        while not workers:  # a list that is read while processes come and go may miss some
            lists = Path("/proc/self/task").glob("*/children")
            workers = [int(child) for some in lists for child in some.read_text().split()]
        (worker,) = workers
        os.kill(worker, signal.SIGKILL)

    threading.Thread(target=kill_as_soon_as_there_is_a_checkpoint, daemon=True).start()
    assert sweep([run], LocalEngine(workers=1), retries=1) == 0
    assert "was killed" in capsys.readouterr().err
    for name in ("restored.png", "curves.csv"):
        assert (run.folder / name).read_bytes() == (whole.folder / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_the_checkpoint_and_the_same_command_goes_on(number):
    long = merged(grid().set, {"trainer": {"max_steps": 1500}, "checkpoint": {"every": 5000}})
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(set=long))))
    command = [sys.executable, "-m", "restoration", "sweep", "grid.yaml", "--output", "runs"]
    (run,) = runs(set=long)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    while not list(run.folder.glob("events*")):
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert (run.folder / "last.ckpt").exists()
    assert not run.finished
    assert main(command[3:]) == 0
    assert run.finished


@pytest.mark.slow
def test_both_engines_leave_equal_files():
    pytest.importorskip("ray", reason="needs the extra [ray]")
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(losses=["mse", "sure"]))))
    command = [sys.executable, "-m", "restoration", "sweep", "grid.yaml"]
    for engine in ("local", "ray"):
        done = subprocess.run(
            [*command, "--output", engine, "--engine", engine],
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )
        assert done.returncode == 0, done.stderr
    for run in runs("local", losses=["mse", "sure"]):
        other = Path("ray") / run.folder.relative_to("local")
        for name in ("restored.png", "curves.csv", "run.json"):
            assert (run.folder / name).read_bytes() == (other / name).read_bytes()
        results = [json.loads((f / "result.json").read_text()) for f in (run.folder, other)]
        for result in results:
            del result["seconds"]
        assert results[0] == results[1]


@pytest.mark.slow
def test_ray_writes_where_it_is_asked_from_and_can_be_asked_again(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs the extra [ray]")
    from restoration.experiments.engines.ray_cluster import RayEngine

    engine = RayEngine(workers=1)  # its processes work in the folder at this time
    (tmp_path / "elsewhere").mkdir()
    some = runs()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for _ in range(2):  # retries are further calls
        assert [outcome.error for outcome in engine.run(some)] == [None]
        assert (tmp_path / "elsewhere" / some[0].folder / "result.json").exists()
    assert not (tmp_path / some[0].folder).exists()


def test_a_dry_run_lists_and_estimates_and_runs_nothing(monkeypatch, capsys):
    monkeypatch.setattr(timing, "seconds_per_pixel", lambda model: 1e-3)
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(seeds=[0, 1]))))
    command = ["sweep", "grid.yaml", "--output", "runs", "--workers", "2", "--dry-run"]
    assert main(command) == 0
    out = capsys.readouterr().out
    for run in runs(seeds=[0, 1]):
        assert str(run.folder) in out
    # 2 runs x 6 steps x 32 x 32 pixels x 1 ms / 2 workers
    assert "2 runs, about 6 s with 2 at a time" in out
    assert main([*command, "--set", "set.data.crop=16", "--set", "set.trainer.max_steps=96"]) == 0
    assert "2 runs, about 25 s with 2 at a time" in capsys.readouterr().out
    assert not Path("runs").exists()


def test_a_part_of_a_grid_elsewhere_is_run_with_the_attempts_asked_for(monkeypatch):
    given = []
    monkeypatch.setattr(
        "restoration.commands.sweep.sweep", lambda *arguments: given.append(arguments) or 0
    )
    Path("there").mkdir()
    Path("b.png").rename("there/c.png")
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(images=["c.png"]))))
    command = ["sweep", "grid.yaml", "--output", "runs", "--data-root", "there"]
    command += ["--set", "seeds=[4, 5, 6]", "--shard", "2/3", "--retries", "7"]
    assert main(command) == 0
    ((some, _, retries),) = given
    assert [(run.labels["image"], run.labels["seed"]) for run in some] == [("c", 5)]
    assert retries == 7


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


def test_runs_that_have_ended_are_let_go_and_sigterm_is_given_back():
    """Lightning's handlers hold the trainer, and each run's those of the run before."""
    before = signal.getsignal(signal.SIGTERM)
    for run in runs(seeds=[0, 1]):
        assert attempt(run).error is None
        assert signal.getsignal(signal.SIGTERM) == before
    gc.collect()
    assert sum(type(x) is DeepImagePrior for x in gc.get_objects()) <= 1


def test_a_checkpoint_outlives_an_error_that_is_not_its_own(monkeypatch):
    """A disk that was full for a moment, say; but one that fails again may hold what is wrong."""
    steps = {"trainer": {"max_steps": 6}, "checkpoint": {"every": 2}, "curves": {"every": 1}}
    (run,) = runs(set=steps)
    write, full = curves.write_atomically, [2]

    def limited(path, data):
        if path.name == "curves.csv":
            full[0] -= 1
            if full[0] < 0:
                raise OSError(28, "No space left on device")
        write(path, data)

    monkeypatch.setattr(curves, "write_atomically", limited)
    for there in (True, False):
        assert "No space left" in attempt(run).error
        assert (run.folder / CHECKPOINT).exists() == there


def test_a_class_among_the_settings_of_all_runs_is_left_to_them():
    settings = {"data": {"input": {"class_path": "restoration.inputs.DecodedJPEG"}}}
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(set=settings))))
    assert read_grid("grid.yaml", []).set == settings


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"trainer": {"max_steps": None}}, "trainer.max_steps is None"),
        ({"trainer": {"max_steps": -1}}, "trainer.max_steps is -1"),
        ({"model": 3}, "model must hold settings, not 3"),
        ({"model": {"loss": {"init_args": {"no": 1}}}}, "the model of the runs"),
    ],
)
def test_what_cannot_be_estimated_is_one_line(settings, told, capsys):
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(set=settings))))
    assert main(["sweep", "grid.yaml", "--output", "runs", "--dry-run"]) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--gpus-per-run", "0.25"], "--gpus-per-run goes with --engine ray"),
        (["--address", "auto"], "--address goes with --engine ray"),
        (["--engine", "ray", "--cpus-per-run", "0"], "--cpus-per-run must be at least 1"),
        (["--engine", "ray", "--gpus-per-run", "-1"], "--gpus-per-run must not be negative"),
    ],
)
def test_options_of_ray_are_minded_or_refused(options, told, capsys):
    assert main(["sweep", "grid.yaml", "--output", "runs", *options]) == 2
    assert told in capsys.readouterr().err


def test_a_step_is_timed_for_what_it_is():
    """A plain step costs something; SURE, which evaluates the network twice, about twice that."""
    plain, sure = (runs(losses=[loss])[0].config["model"] for loss in ("mse", "sure"))
    times = [min(timing.seconds_per_pixel(model) for _ in range(2)) for model in (plain, sure)]
    assert 1.2 < times[1] / times[0] < 4


class Plain(nn.Sequential):
    """A network without skips, whose channels follow from the image."""

    def __init__(self, inputs: int, outputs: int, filters: int = 4) -> None:
        super().__init__(
            nn.Conv2d(inputs, filters, 1), nn.Conv2d(filters, outputs, 1), nn.Sigmoid()
        )


def test_a_loss_that_is_none_is_one_line_before_the_runs(monkeypatch, capsys):
    Path("configs/loss").mkdir(parents=True)
    Path("configs/loss/none.yaml").write_text("model: {loss: a_loss_of_none.Scalar}")
    Path("a_loss_of_none.py").write_text(
        "from restoration.losses import Loss\n\n"
        "class Scalar(Loss):\n"
        "    def forward(self, output, batch, net):\n"
        "        return output.mean()\n"
    )
    monkeypatch.syspath_prepend(Path.cwd())
    Path("grid.yaml").write_text(yaml.safe_dump(vars(grid(losses=["none"]))))
    assert main(["sweep", "grid.yaml", "--output", "runs", "--dry-run"]) == 1
    error = capsys.readouterr().err
    assert "Scalar must return a dictionary of scalars" in error
    assert error.count("\n") == 1
    assert sweep(runs(losses=["none"]), InProcess(), retries=0) == 1
    assert "Scalar must return a dictionary of scalars" in capsys.readouterr().err


def test_own_parts_may_be_written_the_short_way_and_are_timed():
    """Where the package has a configuration, one of that name here comes first."""
    for part, path in (("net", f"{__name__}.Plain"), ("loss", "restoration.losses.MSE")):
        Path("configs", part).mkdir(parents=True)
        text = yaml.safe_dump({"model": {part: path}})
        Path("configs", part, "mine.yaml").write_text(text)
    (mine,) = runs(networks=["mine"], losses=["mine"])
    assert attempt(mine).error is None
    assert timing.seconds_per_pixel(mine.config["model"]) > 0
    with pytest.raises(RestorationError, match="the network mine has no skips to leave out"):
        runs(networks=["mine"], skips=[False])
    Path("configs/loss/mine.yaml").write_text("- mse")
    with pytest.raises(RestorationError, match=r"mine\.yaml is no mapping"):
        runs(losses=["mine"])


def test_a_misspelt_option_names_the_right_one(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "grid.yaml", "--output", "runs", "--enginee", "ray"])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert "unknown option --enginee, did you mean --engine?" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("checkpoint", [True, False])
@pytest.mark.parametrize("name", ["curves.csv", "result.json"])
def test_damaged_runs_are_done_again(checkpoint, name):
    (run,) = runs()
    assert sweep([run], InProcess(), retries=0) == 0
    whole = {n: (run.folder / n).read_bytes() for n in ("curves.csv", "result.json")}
    (run.folder / name).write_bytes(whole[name][:-5])
    if not checkpoint:
        (run.folder / "last.ckpt").unlink()
    assert not run.finished
    assert sweep([run], InProcess(), retries=0) == 0
    assert run.finished
    assert (run.folder / "curves.csv").read_bytes() == whole["curves.csv"]


def test_wrong_settings_are_told_once_and_not_tried_again(capsys):
    wrong = merged(grid().set, {"trainer": {"max_stepz": 3}})
    some = runs(images=["a.png", "b.png"], set=wrong)
    assert sweep(some, InProcess(), retries=2) == 2
    (line,) = [s for s in capsys.readouterr().err.splitlines() if "max_stepz" in s]
    assert "failed" in line
    for run in some:
        record = json.loads((run.folder / "failed.json").read_text())
        assert record["attempts"] == 1
        assert "max_stepz" in record["error"]


@pytest.mark.parametrize("names", [("mine", "ours")])
def test_runs_that_are_one_are_refused(names):
    Path("configs/loss").mkdir(parents=True)
    for name in names:
        Path(f"configs/loss/{name}.yaml").write_text("model: {loss: restoration.losses.MSE}")
    with pytest.raises(RestorationError, match="loss mine, ours: both are the same run"):
        runs(losses=list(names))


def test_a_run_of_changed_code_is_another(monkeypatch):
    Path("configs/loss").mkdir(parents=True)
    Path("configs/loss/mine.yaml").write_text("model: {loss: loss_of_mine.Mine}")
    monkeypatch.syspath_prepend(Path.cwd())
    identities = set()
    for text in ("", "# another", ""):
        Path("loss_of_mine.py").write_text(text)
        identities |= {run.identity for run in runs(losses=["mine"])}
    assert len(identities) == 2
    Path("loss_of_mine.py").unlink()
    assert runs(losses=["mine"])[0].identity not in identities  # the run will tell


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


@pytest.mark.parametrize("quality", [0, 101])
def test_qualities_that_are_none_are_refused_before_the_runs(quality):
    with pytest.raises(RestorationError, match=f"within 1 to 100, not {quality}"):
        checked(vars(grid(qualities=[10, quality])), "grid.yaml")
