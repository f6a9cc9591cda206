"""The network with every fast path that there is against the readable one."""

from collections import Counter
from unittest.mock import patch

import pytest
import torch

from restoration.networks import Hourglass, fast
from restoration.networks.fast import level_end

PATHS = {
    fast.activation: "norm_leaky_relu",
    fast.borders: "pad_reflect",
    fast.decoder: "decode",
    fast.few_filters: "conv2d",
    fast.pointwise: "conv1x1",
    level_end: "level_end",
}


def network(channels, skips, nearest_levels):
    torch.manual_seed(0)
    net = Hourglass(channels, channels, (4, 5, 6), skips, nearest_levels).double()
    for p in net.parameters():
        torch.nn.init.normal_(p, std=0.5)
    return net


def with_gradients(net, z, on):
    """Output, and gradients of the input and of all weights but those of no effect."""
    z = z.clone().requires_grad_()
    with fast.forced(on):
        y = net(z)
    torch.manual_seed(1)
    weights = [p for n, p in net.named_parameters() if not n.endswith("convolution.bias")]
    return y, *torch.autograd.grad(y, [z, *weights], torch.randn_like(y))


@pytest.mark.parametrize("skips", [(0, 0, 0), (2, 1, 3)])
@pytest.mark.parametrize("nearest_levels", [0, 2])
@pytest.mark.parametrize("shape", [(1, 3, 32, 48), (2, 3, 33, 46), (1, 1, 17, 64), (1, 3, 5, 3)])
def test_the_network_is_the_same_with_gradients(shape, skips, nearest_levels):
    net = network(shape[1], skips, nearest_levels)
    z = torch.rand(shape, dtype=torch.float64)
    for got, wanted in zip(*(with_gradients(net, z, on) for on in (True, False)), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-8, atol=1e-9)


def test_forced_takes_every_path_or_none():
    net, z = network(3, (2, 1, 3), 1), torch.rand(1, 3, 32, 48, dtype=torch.float64)
    calls = Counter()

    def counted(f):
        return lambda *arguments: calls.update([f.__name__]) or f(*arguments)

    for module, name in PATHS.items():
        patch.object(module, name, counted(getattr(module, name))).start()
    try:
        with fast.forced(False):
            net(z)
        assert not calls
        net(z)  # as it pays: small images have PyTorch's layers but for convolutions
        assert set(calls) == {"conv2d", "conv1x1"}
        with fast.forced(True):
            net(z)
        assert set(calls) == set(PATHS.values())
    finally:
        patch.stopall()


def test_in_reduced_precision_the_network_is_as_exact_as_the_readable_one():
    net, z = network(3, (2, 1, 3), 1), torch.rand(1, 3, 64, 48, dtype=torch.float64)
    truth = net(z)
    errors = []
    for on in (True, False):
        with fast.forced(on), torch.autocast("cpu", torch.bfloat16):
            errors.append((net.float()(z.float()) - truth).square().mean().sqrt())
    assert errors[0] <= 1.5 * errors[1]
