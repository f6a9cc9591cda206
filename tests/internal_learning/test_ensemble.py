"""Networks in processes of their own: what they compute, and what happens when one dies."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restoration.errors import RestorationError
from restoration.internal_learning import network_worker
from restoration.internal_learning.ensemble import (
    Member,
    Restorer,
    application_units,
    network_pool,
    optimise,
    restorer_units,
)
from restoration.internal_learning.learning import RATE, Patches
from restoration.internal_learning.library.applying import restored_by
from restoration.internal_learning.library.tuning import tuned
from restoration.internal_learning.muon import Muon
from restoration.jpeg import compress, to_tensor
from restoration.networks.correction import CorrectionNetwork
from restoration.networks.deblocking import DeblockingNetwork
from restoration.support.devices import precision


def members(photo, number, steps):
    """Networks that learn from one copy of 32 x 48 and correct an image of 48 x 32."""
    target = to_tensor(photo[:32, :48])
    copy = torch.cat([target * 0.9, target * 0.8, target]).numpy()
    estimate, jpeg = copy[:1].swapaxes(2, 3).copy(), copy[1:2].swapaxes(2, 3).copy()
    return [Member([copy], estimate, jpeg, steps, 128, seed, "cpu") for seed in range(number)]


def written_out(member):
    """The same optimisation as a plain loop, in this process: correction and weights."""
    reduced = precision("cpu") != "32-true"
    with torch.random.fork_rng():
        torch.manual_seed(member.seed)
        net = CorrectionNetwork(3)
    for parameter, weights in zip(net.parameters(), member.start or [], strict=False):
        parameter.data = torch.from_numpy(weights.copy())
    optimizer = Muon(net.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, member.steps, cycle_momentum=False
    )
    batches = iter(Patches([torch.from_numpy(member.copies[0])], member.seed))
    for _ in range(member.steps):
        estimate, jpeg, original = next(batches)
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            predicted = net(estimate, jpeg).float()
        loss = (predicted - (original - estimate)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    x, y = torch.from_numpy(member.estimate), torch.from_numpy(member.jpeg)
    mean = torch.zeros(())
    for turns in range(4):
        for axes in ((), (3,)):
            e, j = (torch.rot90(z.flip(axes), turns, (2, 3)) for z in (x, y))
            with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
                predicted = net(e.contiguous(), j.contiguous()).float()
            mean = mean + torch.rot90(predicted, -turns, (2, 3)).flip(axes) / 8
    return mean.detach().numpy(), [p.detach().numpy() for p in net.parameters()]


@pytest.fixture(scope="module")
def pool():
    """Two processes, where there are as many cores, for networks that do not fail."""
    # as many threads as each has: sums in another order grow apart under Adam
    with network_pool(2, "cpu") as pool:
        yield pool


@pytest.fixture
def as_many_threads(pool):
    torch.set_num_threads(int(pool.environments[0]["OMP_NUM_THREADS"]))


def test_a_network_that_fails_is_one_line(photo):
    (member,) = members(photo, 1, 3)
    wrong = replace(member, estimate=member.estimate[..., :-1])  # does not fit the JPEG
    with network_pool(1, "cpu") as pool:
        with pytest.raises(RestorationError, match=r"^a network failed: .*31.*$"):
            optimise(pool, [wrong], lambda units: None)
        assert not pool.peers  # a device may be lost to a process


@pytest.mark.usefixtures("as_many_threads")
def test_each_network_is_the_written_out_loop_and_keeps_its_place(photo, pool):
    todo, units = members(photo, 3, 6), []
    outputs = optimise(pool, todo[:2], units.append)
    todo[2] = replace(todo[2], start=outputs[1].weights)  # goes on from it
    outputs += optimise(pool, todo[2:], units.append)
    for member, output in zip(todo, outputs, strict=True):
        correction, weights = written_out(member)
        np.testing.assert_allclose(output.correction, correction, atol=1e-5)
        for a, b in zip(output.weights, weights, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
    assert np.abs(outputs[0].correction - outputs[1].correction).max() > 1e-3
    assert sum(units) == 3 * (6 + application_units(48, 32))


@pytest.mark.usefixtures("as_many_threads")
def test_a_network_that_restores_by_itself_is_a_library_of_one_picture(photo, pool):
    jpeg = compress(photo[:96, :128], 10)
    estimate, units = jpeg.quantised.decode().clamp(0, 1), []
    restorer = Restorer(jpeg, estimate.numpy(), (0.5, 0.9), 6, 512, 3, "cpu")
    (output,) = optimise(pool, [restorer], units.append)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        net = DeblockingNetwork((64, 96), (2, 2), 2)
    net = tuned(net, jpeg.quantised, estimate, (0.5, 0.9), 6, rate=0.01, seed=3)
    image = restored_by(net, jpeg)
    np.testing.assert_allclose(output.correction, (image - estimate).numpy(), atol=2e-4)
    assert np.abs(output.correction).max() > 1e-3
    assert sum(units) == restorer.units == restorer_units(6 + application_units(96, 128), None)


@pytest.mark.usefixtures("as_many_threads")
def test_the_network_of_a_library_goes_on_at_its_own_rate(photo, pool):
    jpeg = compress(photo[:96, :128], 10)
    estimate, units = jpeg.quantised.decode().clamp(0, 1), []
    with torch.random.fork_rng():
        torch.manual_seed(1)
        library = DeblockingNetwork((32, 48), (1, 1), 2)
    for block in (library.levels.before[0], library.tail[1]):  # as if it had learned
        torch.nn.init.normal_(next(block.parameters()), std=0.02)
    restorer = Restorer(jpeg, estimate.numpy(), (0.5, 0.9), 20, 512, 3, "cpu", library)
    (output,) = optimise(pool, [restorer], units.append)
    net = tuned(library, jpeg.quantised, estimate, (0.5, 0.9), 20, rate=0.002, seed=3)
    expected = (restored_by(net, jpeg) - estimate).numpy()
    np.testing.assert_allclose(output.correction, expected, atol=2e-4)
    asis = (restored_by(library, jpeg) - estimate).numpy()
    assert np.abs(output.correction - asis).max() > 1e-3
    # a fifth of the weights: steps of a fifth of the time
    weights = sum(some.numel() for some in library.parameters())
    assert sum(units) == restorer.units == round(1.7e-6 * weights * 21)


def test_a_killed_process_is_an_error_and_not_a_hang(photo):
    def kill(units):
        for pid in set(children()) - set(before):
            os.kill(pid, signal.SIGKILL)

    before = children()
    with network_pool(2, "cpu") as pool:
        with pytest.raises(RestorationError, match="failed or was killed"):
            optimise(pool, members(photo, 2, 10_000), kill)
        assert children() == before


def children(parent=None):
    """Process numbers of the workers that ``parent`` (this process) has, as the system lists."""
    command = ["ps", "-o", "pid=", "--ppid", str(parent or os.getpid())]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    commands = {int(p): Path(f"/proc/{p}/cmdline") for p in lines}
    return [p for p, c in commands.items() if c.exists() and b"worker" in c.read_bytes()]


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_ctrl_c_leaves_finished_files_whole_and_no_process(photo, tmp_path):
    Image.fromarray(photo).save(tmp_path / "photo.jpg", quality=10)
    command = [sys.executable, "-m", "restoration", "restore", "photo.jpg", "--preset", "best"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not children(process.pid) and time.monotonic() < until:
        time.sleep(0.2)
    workers = children(process.pid)
    assert workers
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert error.splitlines()[-1] == (
        "restoration restore: stopped; 0 of 1 restored, the same command goes on with the others"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.parametrize("fails", [False, True])
def test_a_gpu_is_woken_before_networks_arrive(fails, monkeypatch):
    done = []

    def pace(device):
        done.append(device)
        if fails:
            raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr(network_worker, "correction_pace", pace)
    monkeypatch.setattr(network_worker, "serve", lambda do: done.append(do))
    monkeypatch.setattr(network_worker, "keep_freed_memory", lambda most: None)
    for device in ("cpu", "cuda"):
        for name, value in network_pool(1, device).environments[0].items():
            monkeypatch.setenv(name, value)
        network_worker.main()
    serves = network_worker.learned_or_error
    assert done == [serves, "cuda", serves]
