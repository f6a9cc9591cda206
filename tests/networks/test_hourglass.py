"""The hourglass against an independent construction from PyTorch's own layers."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from restoration import networks
from restoration.errors import RestorationError
from restoration.networks import Hourglass, Level, layers
from restoration.networks.fast.moments import measured, measured_upsampled
from restoration.networks.fast.upsampling import interleave, upsampled_convolution
from restoration.networks.layers import Conv, ConvBlock, bordered, convolution, mirror_indices

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


def reference(filters, skips, nearest_levels=0):
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
        inputs, n, k = (filters[i - 1] if i else 3), filters[i], skips[i]
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
    return nn.Sequential(inner, nn.Conv2d(filters[0], 3, 1), nn.Sigmoid())


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
    ],
    ids=["low", "low without skips", "uneven", "nearest without skips"],
)
def test_equals_the_reference_architecture_with_gradients(config):
    torch.manual_seed(0)
    mine, theirs = Hourglass(**config).double(), reference(**config).double()
    # both register their layers in the order in which data passes them
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert a.shape == b.shape
        nn.init.normal_(a, std=0.3)
        b.data.copy_(a.data)
    z = torch.rand(1, 3, 64, 96, dtype=torch.double)
    target = torch.rand(1, 3, 64, 96, dtype=torch.double)

    outputs = [net(z) for net in (mine, theirs)]
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-12)
    for output in outputs:
        F.mse_loss(output, target).backward()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("inset", "mode"), [(0, "replicate"), (1, "reflect")])
def test_borders_equal_pytorchs_padding_with_gradients(inset, mode, monkeypatch):
    monkeypatch.setattr(layers, "LARGE", 0)
    x = torch.randn(2, 3, 7, 5, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weight = torch.randn(2, 3, 9, 7)
    mine, theirs = bordered(x, inset), F.pad(y, (1,) * 4, mode=mode)
    assert torch.equal(mine, theirs)
    (mine * weight).sum().backward()
    (theirs * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize(
    ("size", "before", "after"), [(5, 2, 3), (16, 24, 24), (3, 7, 11), (1, 2, 2)]
)
def test_mirror_indices_are_numpys_reflect(size, before, after):
    expected = np.pad(np.arange(size), (before, after), mode="reflect")
    np.testing.assert_array_equal(mirror_indices(size, before, after), expected)


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


def test_input_depth_and_output_channels_are_free():
    net = Hourglass(input_depth=16, output_channels=1, filters=(4, 4), skips=(1, 1))
    assert net(torch.rand(2, 16, 20, 20)).shape == (2, 1, 20, 20)


def test_lists_of_unequal_length_are_refused():
    with pytest.raises(RestorationError, match="5 filters, 2 skips"):
        Hourglass(filters=[8, 16, 32, 64, 128], skips=[4, 4])


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (4, 7), (16, 24)])
def test_convolution_of_the_upsampled_equals_pytorchs_with_gradients(mode, size):
    torch.manual_seed(0)
    mine = [torch.randn(shape).double() for shape in ((2, 3, *size), (5, 3, 3, 3), (5,))]
    theirs = [t.clone().requires_grad_() for t in mine]
    for t in mine:
        t.requires_grad_()
    small = measured(mine[0], 0) if mode == "nearest" else measured_upsampled(mine[0])
    y = interleave(upsampled_convolution(small, *mine[1:]))
    up = F.interpolate(theirs[0], scale_factor=2, mode=mode)
    z = F.conv2d(F.pad(up, (1,) * 4, mode="reflect"), *theirs[1:])
    torch.testing.assert_close(y, z)
    probe = torch.randn(z.shape).double()
    for image in (y, z):
        (image * probe).sum().backward()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_moments_of_the_upsampled_equal_pytorchs_with_gradients(mode):
    torch.manual_seed(0)
    x = (torch.randn(2, 3, 5, 6).double() + 7).requires_grad_()
    y = x.detach().clone().requires_grad_()
    mean, variance = (measured(x, 0) if mode == "nearest" else measured_upsampled(x))[1:3]
    up = F.interpolate(y, scale_factor=2, mode=mode)
    expected = up.mean((0, 2, 3)), up.var((0, 2, 3), correction=0)
    torch.testing.assert_close((mean, variance), expected)
    probe = torch.randn(2, 3).double()
    for a, b in ((mean, variance), expected):
        (a * probe[0] + b * probe[1]).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)


def activated(block, x, weight):
    """Output of a block's end, and the gradients of its input, scale and shift."""
    x = x.clone().requires_grad_()
    y = block.activate(x)
    assert ("Activated" in str(y.grad_fn)) == (layers.LARGE == 0)
    return y, *torch.autograd.grad((y * weight).sum(), [x, block.norm.weight, block.norm.bias])


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_an_activation_equals_pytorchs_in_value_gradient_and_precision(mean, monkeypatch):
    torch.manual_seed(0)
    block = ConvBlock(4, 4, 3)
    torch.nn.init.uniform_(block.norm.weight, -1, 2)
    torch.nn.init.normal_(block.norm.bias)
    x, weight = (torch.randn(2, 4, 45, 61) for _ in range(2))
    x = mean + x * torch.tensor([0.5, 1, 3, 0.01]).view(4, 1, 1)
    builtin = activated(block, x, weight)
    truth = activated(block.double(), x.double(), weight.double())
    monkeypatch.setattr(layers, "LARGE", 0)
    torch.testing.assert_close(activated(block, x.double(), weight.double()), truth)
    mine = activated(block.float(), x, weight)
    for a, b, c in zip(mine, builtin, truth, strict=True):
        assert (a - c).abs().max() <= 2 * (b - c).abs().max() + 2e-7 * c.abs().max()


@pytest.mark.parametrize("mean", [0.0, 30.0])
def test_moments_lose_no_precision(mean):
    torch.manual_seed(0)
    x = (mean + torch.randn(1, 3, 200, 300)).double()
    for measure in (lambda x: measured(x, 1), measured_upsampled):
        single, double = measure(x.float()), measure(x)
        torch.testing.assert_close(single.mean.double(), double.mean, rtol=2e-6, atol=2e-6)
        torch.testing.assert_close(single.variance.double(), double.variance, rtol=1e-5, atol=0)


@pytest.mark.parametrize("skips", [(0, 0, 0), (2, 1, 3)])
@pytest.mark.parametrize("nearest_levels", [0, 2])
def test_the_fast_way_up_is_the_one_written_out(skips, nearest_levels, monkeypatch):
    torch.manual_seed(0)
    net = Hourglass(3, 3, (4, 5, 6), skips, nearest_levels).double()
    z = torch.rand(1, 3, 32, 48).double()
    small = net(z)
    monkeypatch.setattr(Level, "written_out", None)
    monkeypatch.setattr(networks.hourglass, "PHASES_PIXELS", 0)
    torch.testing.assert_close(net(z), small)


def test_a_1x1_convolution_equals_pytorchs_with_gradients():
    torch.manual_seed(0)
    mine, theirs = Conv(5, 7, 1).double(), torch.nn.Conv2d(5, 7, 1).double()
    theirs.load_state_dict(mine.state_dict())
    x = torch.randn(2, 5, 6, 9, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    torch.testing.assert_close(mine(x), theirs(y))
    for net, image in ((mine, x), (theirs, y)):
        net(image).square().sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("filters", [5, 16])
def test_a_convolution_equals_pytorchs_with_gradients(filters, biased):
    torch.manual_seed(0)
    mine, theirs = (
        [
            torch.randn(shape, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
            for shape in ((2, 4, 9, 8), (filters, 4, 3, 3), (filters,))[: 2 + biased]
        ]
        for _ in range(2)
    )
    y, expected = convolution(*mine), torch.nn.functional.conv2d(*theirs)
    torch.testing.assert_close(y, expected)
    for result in (y, expected):
        result.square().sum().backward()
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)
