"""Steps on a device other than the CPU, rehearsed where there is none."""

import json
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from restoration import callbacks, losses
from restoration.__main__ import main
from restoration.data import SingleImage
from restoration.estimate import passes
from restoration.estimate.passes import first_estimate
from restoration.internal_learning import copies, learning
from restoration.internal_learning.library import module as library_module
from restoration.internal_learning.library.module import LibraryLearning
from restoration.internal_learning.library.windows import Windows
from restoration.internal_learning.muon import Muon
from restoration.jpeg import compress
from restoration.jpeg.projection import project
from restoration.networks import Hourglass, fast
from restoration.networks.correction import CorrectionNetwork
from restoration.networks.deblocking import DeblockingNetwork
from restoration.task import DeepImagePrior

META = torch.device("meta")
RULES = ("NearestEstimate", "Discrepancy", "BlockContrast", "MovingVariance")


class OnMeta(TorchDispatchMode):
    """Raise where an operation takes an image, a weight or a list from the CPU."""

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        for x in tree_leaves((arguments, keywords)):
            if isinstance(x, torch.Tensor) and x.dim():
                assert x.device == META, f"{operation} takes {tuple(x.shape)} from {x.device}"
        return operation(*arguments, **(keywords or {}))


@pytest.fixture(scope="module")
def data(tmp_path_factory, photo):
    path = tmp_path_factory.mktemp("meta") / "photo.png"
    Image.fromarray(photo).save(path)
    data = SingleImage(str(path), quality=10)
    data.setup("fit")
    return data


@pytest.fixture(scope="module")
def prepared(data):
    """Rules that have what they compute once."""
    rules = [getattr(callbacks, name)() for name in RULES]
    for rule in rules:
        rule.prepare(data.jpeg, data.batch)
    return rules


@pytest.fixture
def on_meta(monkeypatch):
    """What "meta" lacks: generators and autocast."""
    monkeypatch.setattr("restoration.losses.sure.own_generator", lambda device, state: None)
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)
    monkeypatch.setattr(torch, "autocast", lambda device, enabled: nullcontext())


@pytest.mark.parametrize("nearest_levels", [0, 2])
def test_no_step_waits_for_the_device_or_takes_data_from_the_host(
    make_loss, nearest_levels, data, prepared, on_meta, monkeypatch
):
    """Tensors on "meta" have no data: to ask for a value raises, as does a tensor on the CPU."""
    net = Hourglass(3, 3, (4, 4, 4), (0, 2, 2), nearest_levels).to(META)
    loss = make_loss().to(META)
    task = DeepImagePrior(Hourglass, loss, perturbation=0 if loss.calls_net else 1 / 30)
    task.net, batch = net, data.batch.to(META)
    if loss.calls_net:
        batch = replace(batch, z=batch.target)
    rules = deepcopy(prepared)
    used = [callbacks.OutputSmoothing(), callbacks.Quality(), callbacks.BestStep(), *rules]
    used += [callbacks.LeastSURE(), callbacks.Curves()]
    trainer = SimpleNamespace(datamodule=data, global_step=0, world_size=1)
    for callback in used:
        callback.on_train_start(trainer, SimpleNamespace(device=META))
    for step in (109, 110):  # on 110 all is due but what is there to wait
        trainer.global_step = step
        # the first copies constants to the device
        with fast.forced(True), OnMeta() if step > 109 else nullcontext():
            outputs = task.training_step(batch, 0)
            outputs["loss"].backward()
            for callback in used:
                callback.on_train_batch_end(trainer, task, outputs, batch, 0)
        monkeypatch.setattr(torch, "tensor", None)  # a list would go to the device unseen
    assert outputs["smoothed"].device == META
    assert {"psnr_smoothed", *(rule.name for rule in rules)} <= set(outputs)
    assert all(p.grad.device == META for p in net.parameters())


def test_an_estimate_its_copies_and_its_projection_stay_on_the_device(photo, monkeypatch):
    file = compress(photo[:96, :128], 10).quantised
    errors = [e.to(META) for e in passes.error_variances(file)]  # once a file, by double precision
    monkeypatch.setattr(passes, "error_variances", lambda file: errors)
    monkeypatch.setattr(copies, "NUMBER", 2)
    there = file.to(META)
    estimate = first_estimate(there, passes=2)  # of which one attenuates
    examples = copies.training_copies(there, estimate, lambda copy: first_estimate(copy, passes=1))
    assert len(examples) == 2
    for image in (estimate, project(estimate, there), *examples):
        assert image.device == META
    assert estimate.shape == file.decode().shape


class Replayed(torch.autograd.Function):
    """A network as a CUDA graph: its input and output lie in the same memory at each call."""

    @staticmethod
    def forward(ctx, net, memory, parameters, inputs, *_):
        with torch.enable_grad():
            ctx.output = net(*inputs)
        ctx.parameters = parameters
        return memory.copy_(ctx.output.detach()).view_as(memory)

    @staticmethod
    def backward(ctx, gradient):
        return None, None, None, None, *torch.autograd.grad(ctx.output, ctx.parameters, gradient)


def recorded_on_cpu(net, *inputs):
    """Do on the CPU what ``cuda_graph.recorded`` does on a GPU."""
    memory, parameters = net(*inputs).detach(), list(net.parameters())
    return lambda *inputs: Replayed.apply(net, memory, parameters, inputs, *parameters)


def fit(folder, image, loss, *more):
    rules = [
        {"class_path": f"restoration.callbacks.{rule}", "init_args": {"begin": 10}}
        for rule in RULES
    ]
    arguments = ["--data.image", str(image), "--data.quality", "10", "--data.crop", "64"]
    for name in ("base", "net/low", f"loss/{loss}"):
        arguments += ["--config", f"configs/{name}.yaml"]
    arguments += ["--trainer.max_steps", "30", "--result.keep", "nearest_estimate"]
    arguments += ["--rules", json.dumps(rules)]
    return main(["fit", *arguments, *more, "--folder", str(folder)])


def test_a_network_whose_outputs_share_their_memory_gives_the_same_run(data, tmp_path, monkeypatch):
    assert fit(tmp_path / "plain", data.image, "mse") == 0
    monkeypatch.setattr(fast.cuda_graph, "recorded", recorded_on_cpu)
    assert fit(tmp_path / "graph", data.image, "mse", "--model.cuda_graph", "true") == 0
    for name in ("curves.csv", "restored.png", "nearest_estimate.png", "best.png"):
        plain, graph = ((tmp_path / f / name) for f in ("plain", "graph"))
        assert plain.exists() == graph.exists(), name
        assert not plain.exists() or plain.read_bytes() == graph.read_bytes(), name


@pytest.mark.parametrize(
    ("loss", "more", "message"),
    [
        ("mse", [], "needs a GPU of NVIDIA's, not the cpu"),
        ("sure", ["--model.loss.forward_mode", "true"], "how often they evaluate the network"),
        ("mse", ["--trainer.precision", "bf16-mixed"], "precision 32-true"),
    ],
)
def test_a_graph_that_cannot_be_is_refused_in_a_line(loss, more, message, data, tmp_path, capsys):
    more = ["--model.cuda_graph", "true", *more]
    assert fit(tmp_path / "run", data.image, loss, *more) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


class Own(Hourglass):
    """Somebody's own network, which may draw at random."""


@pytest.mark.parametrize(
    ("records", "changed"),
    [
        (True, {}),
        (False, {"device": "cpu"}),
        (False, {"net": torch.nn.Conv2d(3, 3, 1)}),  # one's own: who knows
        (False, {"net": Own(3, 3, (4,), (0,))}),
        (False, {"loss": losses.SURE}),
        (True, {"loss": losses.SURE, "wanted": True}),
        (False, {"loss": lambda: losses.SURE(forward_mode=True)}),
        (False, {"loss": lambda: losses.WeightedSum(losses.MSE(), losses.SURE(forward_mode=True))}),
        (False, {"precision": "bf16-mixed"}),
        (False, {"devices": 2}),
        (False, {"steps": 2}),
        (False, {"wanted": False}),
        (True, {"wanted": True, "net": torch.nn.Conv2d(3, 3, 1), "devices": 2}),
    ],
)
def test_a_network_is_recorded_where_that_is_known_to_work(records, changed, monkeypatch):
    usual = {
        "wanted": None,
        "device": "cuda",
        "net": Hourglass(3, 3, (4,), (0,)),
        "loss": losses.MSE,
    }
    usual |= {"precision": "32-true", "devices": 1, "steps": 1}
    wanted, device, net, loss, precision, devices, steps = (usual | changed).values()
    task = DeepImagePrior(Hourglass, loss(), cuda_graph=wanted)
    task.net = net
    task._trainer = SimpleNamespace(
        precision=precision, accumulate_grad_batches=steps, world_size=devices
    )
    monkeypatch.setattr(DeepImagePrior, "device", torch.device(device))
    assert task.records == records


@pytest.mark.parametrize("kind", ["correcting", "restoring"])
def test_networks_that_learn_on_copies_learn_the_same_when_recorded(kind, monkeypatch):
    given = torch.rand(3, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    net, module, batch = CorrectionNetwork(3, 4, 4, 1), learning, given
    if kind == "restoring":
        net, module = DeblockingNetwork((4, 4), (1, 1), 2), library_module
        batch = Windows(given[0], torch.zeros(2, 2), given[1])
    ends = []
    for replayed in (False, True):
        if replayed:
            monkeypatch.setattr(module, "recorded_if_possible", recorded_on_cpu)
        own = deepcopy(net)
        make = LibraryLearning if kind == "restoring" else learning.InternalLearning
        task = make(own, steps=4)
        optimizer, told = Muon(own.parameters(), 0.01), []
        for _ in range(4):
            loss = task.training_step(batch, 0)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            told.append(loss.detach())
        assert replayed == (task.launch != own.forward)
        ends.append([*told, *own.parameters()])
    assert ends[0][3] < ends[0][0]
    torch.testing.assert_close(ends[1], ends[0], rtol=0, atol=0)


class Flips(losses.Loss):
    """Somebody's own, which evaluates the network again."""

    def __init__(self, calls_net):
        super().__init__()
        self.calls_net = calls_net

    def forward(self, output, batch, net):
        flipped = net(batch.z.flip(3)).flip(3)
        return {
            "loss": (output - batch.target).square().mean() + (output - flipped).square().mean()
        }


@pytest.mark.parametrize("told", [0, 1])
def test_a_recorded_network_is_one_for_all_but_the_step(told, data):
    """A loss may evaluate it once more, told or not; a callback may keep what a step returns."""
    torch.manual_seed(0)
    net, kept, ends = Hourglass(3, 3, (4, 4), (0, 2)), [], []
    for replayed in (False, True):
        task = DeepImagePrior(Hourglass, Flips(told), perturbation=0)
        task.net = deepcopy(net)
        if replayed:
            task.replays = [recorded_on_cpu(task.net, data.batch.z) for _ in range(1 + told)]
        outputs = task.training_step(data.batch, 0)
        outputs["loss"].backward()
        ends.append((outputs["loss"], *(p.grad for p in task.net.parameters())))
        kept.append(outputs["image"])
    task.training_step(replace(data.batch, z=data.batch.z.flip(2)), 0)
    torch.testing.assert_close(ends[1], ends[0])
    torch.testing.assert_close(kept[1], kept[0])


@pytest.mark.parametrize("probes", [1, 2])
def test_sure_has_a_recorded_network_for_each_evaluation(probes, data, monkeypatch):
    """In double precision: it divides the difference of two outputs by a small number."""
    monkeypatch.setattr(fast.cuda_graph, "recorded", recorded_on_cpu)
    torch.manual_seed(0)
    net, ends = Hourglass(3, 3, (4, 4), (0, 2)).double(), []
    target = data.batch.target.double()
    batch = replace(data.batch, z=target, target=target)
    for wanted in (False, True):
        loss = losses.WeightedSum(losses.KLDivergence("Q"), losses.SURE(probes=probes))
        loss.d.generator = torch.Generator().manual_seed(0)
        task = DeepImagePrior(Hourglass, loss, perturbation=0, cuda_graph=wanted)
        task.net = deepcopy(net)
        task._trainer = SimpleNamespace(
            precision="32-true",
            accumulate_grad_batches=1,
            world_size=1,
            datamodule=SimpleNamespace(batch=batch),
        )
        task.on_fit_start()
        assert len(task.replays) == (1 + probes if wanted else 0)
        outputs = task.training_step(batch, 0)
        outputs["loss"].backward()
        ends.append((outputs["loss"], *(p.grad for p in task.net.parameters())))
        task.on_fit_end()
    torch.testing.assert_close(ends[1], ends[0])


class Small(losses.Loss):
    """Somebody's own, which asks the network for its weights."""

    def forward(self, output, batch, net):
        return {"loss": sum(p.square().sum() for p in net.parameters())}


def test_without_graphs_a_loss_beside_sure_has_the_network_itself(data):
    task = DeepImagePrior(Hourglass, losses.WeightedSum(Small(), losses.SURE()), perturbation=0)
    task.net = Hourglass(3, 3, (4, 4), (0, 2))
    batch = replace(data.batch, z=data.batch.target)
    assert task.training_step(batch, 0)["loss"] > 0
