"""What a GPU of NVIDIA's computes, beside the CPU: pytest tests/gpu."""

import csv
import json
import warnings
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restoration.__main__ import main
from restoration.data import SingleImage
from restoration.internal_learning import muon
from restoration.internal_learning.learning import InternalLearning
from restoration.internal_learning.library.applying import restored_by
from restoration.internal_learning.library.module import LibraryLearning
from restoration.internal_learning.library.windows import Windows
from restoration.internal_learning.muon import Muon
from restoration.jpeg import compress, to_tensor
from restoration.losses import SURE
from restoration.metrics import psnr
from restoration.networks import Hourglass, fast
from restoration.networks.correction import CorrectionNetwork
from restoration.networks.deblocking import DeblockingNetwork
from restoration.pipeline import restore_jpeg
from restoration.presets import PRESETS
from restoration.task import DeepImagePrior

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no GPU, or other tests run too"
)


@pytest.fixture(autouse=True)
def full_precision():
    torch.backends.cudnn.allow_tf32 = False


@pytest.fixture
def picture(tmp_path, photo):
    path = tmp_path / "photo.png"
    Image.fromarray(photo).save(path)
    return path


@pytest.mark.parametrize("nearest_levels", [0, 2])
def test_a_recorded_network_equals_the_plain_one_with_gradients(nearest_levels):
    plain = Hourglass(3, 3, (4, 4, 4), (0, 2, 2), nearest_levels).cuda()
    given = torch.rand(1, 3, 96, 96, device="cuda")
    other, before = deepcopy(plain), given.clone()
    replay = fast.cuda_graph.recorded(other, given)
    for _ in range(2):  # another input each time, in the same memory
        z = torch.rand(1, 3, 96, 96, device="cuda")
        outputs = [plain(z), replay(z)]
        torch.testing.assert_close(*outputs)
        for net, output in zip((plain, other), outputs, strict=True):
            net.zero_grad()
            output.square().sum().backward()
        for a, b in zip(plain.named_parameters(), other.parameters(), strict=True):
            if not a[0].endswith("convolution.bias"):  # before a norm: rounding alone
                torch.testing.assert_close(a[1].grad, b.grad, rtol=1e-3, atol=1e-3)
    assert given.equal(before)  # the data's own, which further runs begin with
    torch.testing.assert_close(other.cpu()(z.cpu()), plain.cpu()(z.cpu()))  # it stays a network


@pytest.mark.parametrize("nearest_levels", [0, 2])
def test_a_step_is_that_of_the_cpu(make_loss, nearest_levels, picture):
    if make_loss().calls_net:
        pytest.skip("SURE draws at random, otherwise on each device")
    data = SingleImage(str(picture), quality=10)
    data.setup("fit")
    torch.manual_seed(0)
    net = Hourglass(3, 3, (4, 4, 4), (0, 2, 2), nearest_levels)
    ends = []
    for device in ("cpu", "cuda"):
        task = DeepImagePrior(Hourglass, make_loss().to(device), perturbation=0)
        task.net, batch = deepcopy(net).to(device), data.batch.to(torch.device(device))
        outputs = task.training_step(batch, 0)
        outputs["loss"].backward()
        gradient = torch.cat([p.grad.flatten() for p in task.net.parameters()]).cpu()
        ends.append((outputs["loss"].detach().cpu(), outputs["image"].cpu(), gradient))
    (loss_cpu, image_cpu, gradient_cpu), (loss_gpu, image_gpu, gradient_gpu) = ends
    torch.testing.assert_close(loss_gpu, loss_cpu, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(image_gpu, image_cpu, rtol=1e-3, atol=1e-4)
    assert (gradient_gpu - gradient_cpu).norm() < 2e-3 * gradient_cpu.norm()


def fit(image, folder, *more):
    arguments = ["--data.image", str(image), "--data.quality", "10", "--data.crop", "128"]
    for name in ("base", "net/low", "loss/mse"):
        arguments += ["--config", f"configs/{name}.yaml"]
    return main(["fit", *arguments, *more, "--folder", str(folder)])


def nearness(image, other):
    """PSNR without rounding to 8 bits."""
    return -10 * torch.log10((image - other).square().mean())


def last_psnr(folder):
    with (folder / "curves.csv").open() as file:
        return float(list(csv.DictReader(file))[-1]["psnr_smoothed"])


def test_a_step_of_fit_does_not_wait_for_the_gpu(picture, tmp_path, monkeypatch):
    """But where it is written and told."""
    original = DeepImagePrior.on_train_batch_start

    def watching(self, batch, batch_idx):
        if self.global_step == 90:
            warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode(1 if 90 <= self.global_step < 210 else 0)
        return original(self, batch, batch_idx)

    monkeypatch.setattr(DeepImagePrior, "on_train_batch_start", watching)
    with warnings.catch_warnings(record=True) as told:
        warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
        assert fit(picture, tmp_path / "run", "--trainer.max_steps", "220") == 0
    places = {Path(w.filename).name for w in told if "called a synchronizing" in str(w.message)}
    assert "curves.py" in places  # steps 100 and 200 are due
    assert places <= {"curves.py", "progress.py", "storage.py", "ssim.py"}  # storage: checkpoints
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["device"] == torch.cuda.get_device_name()


def test_sure_is_the_same_with_recorded_networks(picture):
    """A graph for each evaluation; double precision, as it divides a difference by little."""
    data = SingleImage(str(picture), quality=10, crop=96)
    data.setup("fit")
    batch = data.batch.to(torch.device("cuda"))
    target = batch.target.double()
    batch = replace(batch, z=target, target=target)
    torch.manual_seed(0)
    net = Hourglass(3, 3, (4, 4, 4), (0, 2, 2)).double().cuda()
    ends = []
    for evaluations in (0, 2):
        loss = SURE()
        loss.generator = torch.Generator("cuda").manual_seed(0)
        task = DeepImagePrior(Hourglass, loss, perturbation=0).cuda()
        task.net = deepcopy(net)
        task.replays = [fast.cuda_graph.recorded(task.net, target) for _ in range(evaluations)]
        for _ in range(2):
            task.net.zero_grad()
            outputs = task.training_step(batch, 0)
            outputs["loss"].backward()
            values = [outputs[name] for name in ("loss", "divergence", "image")]
            ends.append([*values, *(p.grad.clone() for p in task.net.parameters())])
    for plain, recorded in zip(ends[:2], ends[2:], strict=True):
        torch.testing.assert_close(recorded, plain, rtol=1e-5, atol=1e-8)


def test_a_stopped_run_goes_on(picture, tmp_path, capsys):
    long, short = ("--trainer.max_steps", "200"), ("--trainer.max_steps", "100")
    assert fit(picture, tmp_path / "whole", *long) == 0
    assert fit(picture, tmp_path / "parts", *short) == 0
    assert fit(picture, tmp_path / "parts", *long, "--ckpt_path", "last") == 0
    assert "starting anew" not in capsys.readouterr().err
    ends = [last_psnr(tmp_path / name) for name in ("whole", "parts")]
    assert abs(ends[0] - ends[1]) < 0.5  # rounding grows on the way; an average begun anew: 5 dB


def test_the_first_estimate_is_that_of_the_cpu(photo):
    jpeg = compress(photo, 10)
    cpu, gpu = (restore_jpeg(jpeg, PRESETS["fast"], device=d) for d in ("cpu", "cuda"))
    assert nearness(gpu, cpu) > 55  # which patches of equal distance are grouped may differ


def test_what_networks_correct_is_worth_as_much(photo):
    jpeg, truth = compress(photo, 10), to_tensor(photo)
    cpu, gpu = (restore_jpeg(jpeg, PRESETS["balanced"], device=d) for d in ("cpu", "cuda"))
    assert abs(psnr(gpu, truth) - psnr(cpu, truth)) < 0.15


def test_a_library_restores_as_on_the_cpu(photo):
    jpeg = compress(photo, 10)
    torch.manual_seed(0)
    net = DeblockingNetwork()
    torch.nn.init.normal_(net.tail[1].matrix, std=0.2)  # it starts at zero
    net.eval().requires_grad_(False)
    cpu = restored_by(net, jpeg, side=128, device="cpu")
    gpu = restored_by(deepcopy(net).cuda(), jpeg, side=128, device="cuda").cpu()
    moved = nearness(cpu, to_tensor(jpeg.pixels))
    assert moved < 50
    assert nearness(gpu, cpu) > moved + 25  # bfloat16 there


@pytest.mark.parametrize("kind", ["correcting", "restoring"])
def test_steps_of_learning_are_those_of_the_plain_network(kind, monkeypatch):
    """Recorded, and with all matrices orthogonalised at once."""
    generator = torch.Generator().manual_seed(0)
    batch = torch.rand(3, 8, 3, 64, 64, generator=generator)
    if kind == "restoring":
        batch = Windows(batch[0], torch.zeros(8, 2), batch[1])
    torch.manual_seed(0)
    net = CorrectionNetwork(3) if kind == "correcting" else DeblockingNetwork((16, 24), (1, 1), 2)
    for parameter in net.parameters():  # some start at zero
        torch.nn.init.normal_(parameter, std=0.05)
    monkeypatch.setattr(muon, "precision", lambda device: "32-true")
    ends = []
    for device in ("cpu", "cuda"):
        own = deepcopy(net)
        task = LibraryLearning(own, steps=9) if kind == "restoring" else InternalLearning(own, 9)
        task.to(device)
        optimizer = Muon(own.parameters(), 0.01)
        given = Windows(*(x.to(device) for x in batch)) if kind == "restoring" else batch.to(device)
        losses = []
        for _ in range(3):
            loss = task.training_step(given, 0)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        ends.append((losses, [p.detach().cpu() for p in own.parameters()]))
        assert (task.launch == own.forward) == (device == "cpu")
    (losses_cpu, weights_cpu), (losses_gpu, weights_gpu) = ends
    assert losses_gpu == pytest.approx(losses_cpu, rel=1e-3)
    for cpu, gpu, start in zip(weights_cpu, weights_gpu, net.parameters(), strict=True):
        assert (gpu - cpu).norm() < 0.02 * (cpu - start).norm() + 1e-6


@pytest.mark.parametrize("size", [(8, 8), (16, 24)])
def test_a_network_is_recorded_in_bfloat16(size):
    """And goes with its weights: none that autocast has cast is kept."""
    torch.manual_seed(0)
    net = DeblockingNetwork(size, (1, 1), 2).cuda()
    for parameter in net.parameters():  # some start at zero
        torch.nn.init.normal_(parameter, std=0.05)
    jpeg, steps = torch.rand(2, 3, 64, 64, device="cuda"), torch.zeros(2, 2, device="cuda")
    with torch.autocast("cuda", torch.bfloat16):
        launch = fast.cuda_graph.recorded(net, jpeg, steps)
    for _ in range(2):
        with torch.autocast("cuda", torch.bfloat16):
            expected = net(jpeg, steps)
        with torch.autocast("cuda", torch.bfloat16):  # another cache of cast weights
            torch.testing.assert_close(launch(jpeg, steps), expected, rtol=0.02, atol=0.005)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(1.5)


def test_learning_gains_on_the_gpu(photo, tmp_path, capsys):
    for i in range(3):
        Image.fromarray(photo[:, i * 16 :]).save(tmp_path / f"{i}.jpg", quality=10)
    library = tmp_path / "library.ckpt"
    arguments = ["learn", str(tmp_path), "-o", str(library), "--budget", "15s"]
    assert main([*arguments, "--device", "cuda"]) == 0
    assert Path(library).exists()
    Image.fromarray(photo).save(tmp_path / "truth.png")
    Image.fromarray(photo).save(tmp_path / "photo.jpg", quality=10)
    out = tmp_path / "o.png"
    more = ["--network", str(library), "-o", str(out), "--device", "cuda"]
    assert main(["restore", str(tmp_path / "photo.jpg"), *more]) == 0
    truth = to_tensor(photo)
    with Image.open(out) as restored, Image.open(tmp_path / "photo.jpg") as jpeg:
        gains = [psnr(to_tensor(np.array(picture)), truth) for picture in (restored, jpeg)]
    assert gains[0] > gains[1] + 0.3
