"""The hourglass against an independent construction from PyTorch's own layers."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import forward_ad

from restoration.errors import RestorationError
from restoration.networks import Hourglass, fast

LOW = {"filters": [8, 16, 32, 64, 128], "skips": [0, 0, 0, 4, 4]}
MEDIUM = {"filters": [8, 16, 32, 64, 128, 256], "skips": [6, 6, 4, 4, 6, 6]}
HIGH = {"filters": [128] * 8, "skips": [15, 13, 11, 9, 7, 5, 3, 1], "nearest_levels": 4}


class Join(nn.Module):
    """Concatenate the results of several branches."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def reference(filters, skips, nearest_levels=0, input_depth=3, output_channels=3):
    """The published architecture, layer by layer, built from the deepest level outwards."""

    def unit(inputs, outputs, kernel, stride=1):
        return [
            nn.ReflectionPad2d(kernel // 2),
            nn.Conv2d(inputs, outputs, kernel, stride),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(0.2),
        ]

    inner = None
    for i in range(len(filters) - 1, -1, -1):
        inputs, n, k = (filters[i - 1] if i else input_depth), filters[i], skips[i]
        deep = unit(inputs, n, 3, 2) + unit(n, n, 3)
        if inner is not None:
            deep.append(inner)
        mode = "nearest" if i < nearest_levels else "bilinear"
        deep.append(nn.Upsample(scale_factor=2, mode=mode))
        branches = ([nn.Sequential(*unit(inputs, k, 1))] if k else []) + [nn.Sequential(*deep)]
        joined = k + (filters[i + 1] if i + 1 < len(filters) else n)
        inner = nn.Sequential(
            Join(*branches), nn.BatchNorm2d(joined), *unit(joined, n, 3), *unit(n, n, 1)
        )
    return nn.Sequential(inner, nn.Conv2d(filters[0], output_channels, 1), nn.Sigmoid())


def both(config):
    """The network and its reference, with the same weights."""
    torch.manual_seed(0)
    mine, theirs = Hourglass(**config).double(), reference(**config).double()
    # both register their layers in the order in which data passes them
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert a.shape == b.shape
        nn.init.normal_(a, std=0.3)
        b.data.copy_(a.data)
    return mine, theirs


@pytest.mark.parametrize(
    ("config", "with_skips", "without"),
    [
        (LOW, 572_827, 565_491),
        (MEDIUM, 2_283_941, 2_256_883),
        (HIGH, 3_621_104, 3_540_739),
    ],
    ids=["low", "medium", "high"],
)
def test_parameter_counts_are_the_papers(config, with_skips, without):
    def count(net):
        return sum(p.numel() for p in net.parameters())

    assert count(Hourglass(**config)) == with_skips
    assert count(Hourglass(**{**config, "skips": [0] * len(config["skips"])})) == without


@pytest.mark.parametrize(
    "config",
    [
        LOW,
        {**LOW, "skips": [0] * 5},
        {"filters": [8, 16, 8], "skips": [6, 0, 4], "nearest_levels": 2},
        {"filters": [8, 16], "skips": [0, 0], "nearest_levels": 1},
        {"filters": [4, 6], "skips": [1, 2], "input_depth": 16, "output_channels": 1},
    ],
    ids=["low", "low without skips", "uneven", "nearest without skips", "channels"],
)
@pytest.mark.parametrize(
    "forced",
    [nullcontext, partial(fast.forced, True), partial(fast.forced, False)],
    ids=["as it pays", "fast", "readable"],
)
def test_equals_the_reference_architecture_with_gradients(config, forced):
    mine, theirs = both(config)
    z = torch.rand(1, config.get("input_depth", 3), 64, 96, dtype=torch.double)
    target = torch.rand(1, config.get("output_channels", 3), 64, 96, dtype=torch.double)

    with forced():
        outputs = [net(z) for net in (mine, theirs)]
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-12)
    for output in outputs:
        F.mse_loss(output, target).backward()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (64, 96), (65, 130)])
def test_output_aligns_with_the_input_for_any_size(size, monkeypatch):
    net = Hourglass(filters=(8, 16, 32, 64), skips=(0, 0, 0, 0))
    monkeypatch.setattr(net.level, "forward", lambda z, head: z)
    z = torch.rand(1, 3, *size)
    torch.testing.assert_close(net(z), torch.sigmoid(z))


def test_pads_by_mirroring_at_the_entrance_and_crops_at_the_exit():
    net = Hourglass(filters=(4, 4, 4), skips=(2, 0, 2))
    z = torch.rand(1, 3, 21, 34)
    padded = torch.from_numpy(np.pad(z.numpy(), ((0, 0), (0, 0), (1, 2), (3, 3)), mode="reflect"))
    torch.testing.assert_close(net(z), net(padded)[..., 1:22, 3:37])


def test_batch_norm_uses_the_batch_in_eval_mode_too():
    net = Hourglass(**LOW)
    z = torch.rand(1, 3, 64, 64)
    trained = net.train()(z)
    torch.testing.assert_close(net.eval()(z), trained, rtol=0, atol=0)


def test_equals_the_reference_architecture_on_several_images():
    nets = both({"filters": [4, 4], "skips": [1, 1], "input_depth": 16, "output_channels": 1})
    z = torch.rand(2, 16, 20, 20, dtype=torch.double)
    mine, theirs = (net(z) for net in nets)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(RestorationError, match="5 filters, 2 skips"):
        Hourglass(filters=[8, 16, 32, 64, 128], skips=[4, 4])


def test_forward_and_reverse_mode_differentiation_agree():
    """b . J b by tangents, and as (J' b) . b by gradients; and its gradient by the weights."""
    torch.manual_seed(0)
    net = Hourglass(filters=(4, 6), skips=(2, 0), nearest_levels=1).double()
    z, probe = torch.rand(2, 1, 3, 24, 16, dtype=torch.float64)
    z.requires_grad_()
    with fast.forced(False):
        (product,) = torch.autograd.grad((net(z) * probe).sum(), z, create_graph=True)
    backward = (product * probe).sum()
    with fast.forced(True), forward_ad.dual_level():
        output = net(forward_ad.make_dual(z.detach(), probe))
        forward = (forward_ad.unpack_dual(output).tangent * probe).sum()
    torch.testing.assert_close(forward, backward)
    weights = [p for n, p in net.named_parameters() if not n.endswith("convolution.bias")]
    for a, b in zip(*(torch.autograd.grad(d, weights) for d in (forward, backward)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)
