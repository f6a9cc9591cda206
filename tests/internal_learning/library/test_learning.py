"""Learning: a pause changes nothing, the file says what it is, and others are refused."""

import math
import os
import pickle
import signal
import zipfile
from dataclasses import asdict
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from PIL import Image
from torch.optim.swa_utils import AveragedModel

from restoration.__main__ import main
from restoration.errors import Interrupted, RestorationError
from restoration.internal_learning.library import learning as learning_module
from restoration.internal_learning.library import module, tuning
from restoration.internal_learning.library.applying import restored_by, restored_within
from restoration.internal_learning.library.checkpoint import (
    Description,
    description_of,
    load_library,
    read_library,
)
from restoration.internal_learning.library.data import WindowData
from restoration.internal_learning.library.learning import learn
from restoration.internal_learning.library.module import (
    RATE,
    LibraryLearning,
    decay_after,
    rate_at,
)
from restoration.internal_learning.library.pictures import pictures_of
from restoration.internal_learning.library.tuning import tuned
from restoration.internal_learning.library.windows import Picture
from restoration.jpeg import compress, read_jpeg, to_pixels, to_tensor
from restoration.jpeg.quality import libjpeg_tables
from restoration.networks.deblocking import DeblockingNetwork, coarseness
from restoration.support.quiet import quiet

SUBSAMPLED = ((2, 2), (1, 1), (1, 1))


@pytest.fixture
def pictures(photo):
    return [Picture(photo, libjpeg_tables(quality), SUBSAMPLED) for quality in (10, 30)]


def described(seed=0):
    return Description([8, 8], [1, 1], 2, ["a", "b"], [10, 20, 30], seed=seed)


def learned(pictures, path, steps, seed=0, told=lambda learning, loss: None):
    learn(pictures, path, described(seed), math.inf, steps, told=told)
    return read_library(path)


def test_a_pause_changes_nothing(pictures, tmp_path):
    whole = learned(pictures, tmp_path / "whole.ckpt", 8)

    def interrupt(learning, loss):
        if learning.global_step == 3:
            signal.raise_signal(signal.SIGINT)

    parts = tmp_path / "parts.ckpt"
    with pytest.raises(Interrupted, match=r"parts\.ckpt holds what was learned"):
        learned(pictures, parts, 8, told=interrupt)
    assert read_library(parts)["library"]["steps"] == 3
    again = learned(pictures, parts, 8)
    assert again["library"]["steps"] == 8
    for name, value in whole["state_dict"].items():
        assert torch.equal(again["state_dict"][name], value), name
    state = "optimizer_states"
    for one, other in zip(*(c[state][0]["state"].values() for c in (whole, again)), strict=True):
        assert torch.equal(one["momentum_buffer"], other["momentum_buffer"])


def test_what_was_learned_is_saved_every_five_minutes(pictures, tmp_path, monkeypatch):
    seconds = count(0, 100)  # every step takes a hundred
    clock = SimpleNamespace(monotonic=lambda: float(next(seconds)))
    monkeypatch.setattr(learning_module, "time", clock)

    def fail(learning, loss):
        if learning.global_step == 5:
            raise RuntimeError("no power")

    path = tmp_path / "library.ckpt"
    with pytest.raises(RuntimeError, match="no power"):
        learned(pictures, path, 8, told=fail)
    assert read_library(path)["library"]["steps"] == 3


def test_a_failed_write_leaves_the_old_library_and_nothing_else(pictures, tmp_path, monkeypatch):
    path = tmp_path / "library.ckpt"
    learned(pictures, path, 1)
    before = path.read_bytes()

    def no_space(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(RestorationError, match=r"library\.ckpt: No space left on device"):
        learned(pictures, path, 2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_seed_tells_all(pictures, tmp_path):
    first, again, other = (
        learned(pictures, tmp_path / f"{i}.ckpt", 2, seed)["state_dict"]
        for i, seed in enumerate((0, 0, 1))
    )
    same = [torch.equal(first[name], again[name]) for name in first]
    assert all(same)
    assert not torch.equal(first["net.head.matrix"], other["net.head.matrix"])


def test_a_spent_budget_teaches_nothing_more_but_a_larger_one_does(pictures, tmp_path):
    path = tmp_path / "library.ckpt"
    before = learned(pictures, path, 2)["state_dict"]
    same = learned(pictures, path, 2)["state_dict"]
    assert torch.equal(before["net.head.matrix"], same["net.head.matrix"])
    more = learned(pictures, path, 3)
    assert more["library"]["steps"] == 3
    assert not torch.equal(before["net.head.matrix"], more["state_dict"]["net.head.matrix"])


def test_a_budget_ends_the_learning_in_time(pictures, tmp_path, monkeypatch):
    seconds = count()  # every step takes one
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))
    path = tmp_path / "library.ckpt"
    learn(pictures, path, described(), 4.0)
    library = read_library(path)["library"]
    assert (library["spent"], library["steps"]) == (4, 3)


def test_a_library_says_what_it_learned_on(pictures, tmp_path):
    learned(pictures, tmp_path / "library.ckpt", 2)
    path = tmp_path / "library.ckpt"
    content = read_library(path)
    summary = description_of(content, path).summary()
    assert "2 steps, on 2 pictures of quality 10 to 30 (median 20)" in summary
    for name, value in load_library(path).state_dict().items():
        assert torch.equal(value, content["state_dict"][f"average.module.{name}"])


def test_the_command_applies_the_network_of_a_library(photo, tmp_path):
    """One that changes much, as a network does not after a few steps."""
    torch.manual_seed(0)
    net = described().network()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    library, path = tmp_path / "library.ckpt", tmp_path / "a.jpg"
    weights = {f"average.module.{name}": value for name, value in net.state_dict().items()}
    torch.save({"state_dict": weights, "library": asdict(described())}, library)
    Image.fromarray(photo[:80, :96]).save(path, quality=10)
    options = ["--network", str(library), "--device", "cpu", "--history", "none"]
    assert main(["restore", str(path), *options]) == 0
    result, jpeg = np.array(Image.open(tmp_path / "a.restored.png")), read_jpeg(path)
    np.testing.assert_array_equal(result, to_pixels(restored_within(net, jpeg)))


class Harmful:
    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def test_what_is_no_library_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.ckpt"
    with pytest.raises(RestorationError, match="there is no library"):
        load_library(path)
    with pytest.raises(RestorationError, match="is a folder"):
        load_library(tmp_path)
    torch.save({"state_dict": {}, "library": {"version": 1}}, tmp_path / "empty.ckpt")
    with zipfile.ZipFile(tmp_path / "zip.ckpt", "w") as file:
        file.writestr("data.pkl", pickle.dumps(Harmful()))
    contents = {
        "text.ckpt": b"not a checkpoint",
        "words.ckpt": b"something else",  # which unpickles, until a stack is empty
        "nothing.ckpt": b"",
        "pickle.ckpt": pickle.dumps(Harmful()),
        "half.ckpt": (tmp_path / "empty.ckpt").read_bytes()[:200],
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    torch.save(Harmful(), tmp_path / "harmful.ckpt")
    torch.save([1, 2], tmp_path / "list.ckpt")
    torch.save({"state_dict": {}, "epoch": 1}, tmp_path / "other.ckpt")
    for name in (*contents, "zip.ckpt", "harmful.ckpt", "list.ckpt", "other.ckpt"):
        with pytest.raises(RestorationError, match=rf"{name} is no library made by") as caught:
            load_library(tmp_path / name)
        assert "\n" not in str(caught.value)
    torch.save({"state_dict": {}, "library": {"version": 99}}, path)
    with pytest.raises(RestorationError, match="format 99"):
        load_library(path)
    for library in ({"version": 1, "odd": 2}, {"version": 1, "widths": [8]}, {"version": 1}):
        torch.save({"state_dict": {}, "library": library}, path)
        with pytest.raises(RestorationError, match=r"does not say|do not fit its network"):
            load_library(path)


def test_bad_files_are_named_and_left_out(photo, tmp_path):
    Image.fromarray(photo[:96, :112]).save(tmp_path / "good.jpg", quality=20)
    Image.fromarray(photo[:96, :112, 0]).save(tmp_path / "grey.jpg", quality=40)
    Image.fromarray(photo[:64, :64]).save(tmp_path / "small.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:900])
    paths = sorted(tmp_path.glob("*.jpg"))
    cache = tmp_path / "cache"
    cache.mkdir()
    refused = []
    pictures = pictures_of(paths, cache, refused.append)
    assert [p.pixels.shape for p in pictures] == [(96, 112, 3)] * 2
    assert [next(p.name for p in paths if p.name in str(e)) for e in refused] == [
        "cut.jpg",
        "small.jpg",
        "text.jpg",
    ]
    made = {p: p.stat().st_mtime_ns for p in cache.iterdir()}
    pictures_of(paths, cache, refused.append)
    assert {p: p.stat().st_mtime_ns for p in cache.iterdir()} == made  # found again
    # without time what is there is taken, and nothing made
    Image.fromarray(photo[:96, :112]).save(tmp_path / "a.jpg", quality=30)
    late = pictures_of([tmp_path / "a.jpg", *paths], cache, refused.append, due=lambda: False)
    assert [p.estimate for p in late] == [p.estimate for p in pictures]


def test_time_before_learning_counts_but_not_in_the_rate():
    """A budget is one of all work; the rate rises and falls over the learning."""
    learning = LibraryLearning(DeblockingNetwork([8], [1]), budget=100.0, prepared=20.0)
    assert (learning.spent, learning.progress) == (20.0, 0.0)
    learning.spent += 40.0
    assert learning.progress == 0.5
    checkpoint = {}
    learning.on_save_checkpoint(checkpoint)
    again = LibraryLearning(DeblockingNetwork([8], [1]), budget=200.0, prepared=5.0)
    again.on_load_checkpoint(checkpoint)
    assert (again.spent, again.progress) == (65.0, 40 / 175)
    again.on_load_checkpoint({"spent": 10.0})  # of a library that does not tell it
    assert again.spent == 75.0


def test_the_rate_rises_and_falls_once():
    rates = [rate_at(i / 1000) for i in range(1001)]
    top = int(np.argmax(rates))
    assert rates[top] == pytest.approx(1, abs=1e-3)
    assert all(np.diff(rates[:top]) > 0)
    assert all(np.diff(rates[top:]) < 0)
    assert rates[-1] == pytest.approx(0, abs=1e-6)


def test_the_optimiser_is_given_the_rate_of_every_step(pictures, tmp_path):
    rates = []

    def note(learning, loss):
        rates.append(learning.trainer.optimizers[0].param_groups[0]["lr"])

    learned(pictures, tmp_path / "library.ckpt", 20, told=note)
    assert rates == pytest.approx([RATE * rate_at(i / 20) for i in range(20)])


def test_the_average_forgets_the_first_weights():
    average = 100.0
    for steps in range(200):
        average = 1 + decay_after(steps) * (average - 1)
    assert average == pytest.approx(1, abs=0.01)
    assert decay_after(10**6) == 0.998


def test_the_average_is_that_of_torch_and_its_libraries_are_read(photo):
    """Earlier versions used ``AveragedModel``, whose number of steps their libraries hold."""
    torch.manual_seed(0)
    net = DeblockingNetwork((8,), (1,))

    def take_in(averages, weights, number):
        torch._foreach_lerp_(averages, weights, 1 - decay_after(int(number)))

    class Watched(LibraryLearning):
        def optimizer_step(self, *arguments):
            super().optimizer_step(*arguments)
            theirs.update_parameters(self.net)

    learning = Watched(net, steps=12)
    theirs = AveragedModel(net, multi_avg_fn=take_in)
    data = WindowData([Picture(photo, libjpeg_tables(10), SUBSAMPLED)], number=2, side=32)
    quietly = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    with quiet():
        Trainer(max_steps=12, max_epochs=-1, accelerator="cpu", **quietly).fit(learning, data)
    expected = {f"average.{name}": value for name, value in theirs.state_dict().items()}
    given = {n: v for n, v in learning.state_dict().items() if n.startswith("average")}
    assert given.keys() | {"average.n_averaged"} == expected.keys()
    for name, value in given.items():
        torch.testing.assert_close(value, expected[name])
    older = learning.state_dict() | expected
    again = LibraryLearning(DeblockingNetwork((8,), (1,)))
    again.load_state_dict(older)


def test_tuning_learns_what_the_file_needs(photo):
    jpeg = compress(photo, 10)
    truth = to_tensor(photo)
    torch.manual_seed(0)
    net = DeblockingNetwork((16, 16), (1, 1))
    steps = []
    better = tuned(
        net, jpeg.quantised, truth, (0.4, 0.8), 60, rate=0.01, advance=lambda: steps.append(1)
    )
    assert len(steps) == 60
    assert not net.tail[1].matrix.any()  # the one started from is as it was
    before = (to_tensor(jpeg.pixels) - truth).square().mean()
    after = (restored_by(better, jpeg) - truth).square().mean()
    assert after < 0.95 * before


def test_tuning_looks_at_windows_with_the_files_own_tables_alone(photo, monkeypatch):
    told = []

    class Watched(LibraryLearning):
        def training_step(self, batch, index):
            told.append(batch.steps)
            return super().training_step(batch, index)

    monkeypatch.setattr(tuning, "LibraryLearning", Watched)
    jpeg = compress(photo, 10)
    net = DeblockingNetwork((8,), (1,))
    tuned(net, jpeg.quantised, to_tensor(photo), (0.4, 0.8), 3)
    steps = torch.cat(told)
    own = coarseness(torch.stack(jpeg.quantised.tables[:2]))
    assert torch.equal(steps, own.expand(3 * 8, 2))


def test_the_loss_is_that_of_the_jpeg_at_first(photo):
    net = DeblockingNetwork((8,), (1,))
    original = to_tensor(photo[:64, :64].copy())
    jpeg = to_tensor(compress(photo[:64, :64], 50).pixels)
    loss = LibraryLearning(net).training_step((jpeg, torch.zeros(1, 2), original), 0)
    assert loss.item() == pytest.approx(
        ((jpeg - original) * 255 / 5.5).square().mean().item(), rel=1e-4
    )


def test_a_library_that_goes_on_keeps_its_network(pictures, tmp_path):
    """Whatever size the time that is left would have suggested."""
    path = tmp_path / "library.ckpt"
    learned(pictures, path, 1)
    usual = Description(pictures=["a", "b", "c"], qualities=[10, 20, 30])
    learn(pictures, path, usual, math.inf, 2)
    description = description_of(read_library(path), path)
    assert (description.widths, description.blocks) == ([8, 8], [1, 1])
    assert description.pictures == ["a", "b", "c"]
    assert description.steps == 2
