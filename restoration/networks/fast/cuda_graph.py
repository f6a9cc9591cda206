"""A network whose kernels a GPU launches all at once."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable

import torch
from torch import Tensor, nn

from restoration.errors import RestorationError


def recorded(net: nn.Module, *inputs: Tensor) -> Callable[..., Tensor]:
    """Record forward and backward pass of a network as a CUDA graph each.

    The network stays as it is; the function that is returned computes the same from its weights,
    as long as they stay where they are. What it returns lies in the same memory at each call: use
    an output before the next one, in forward and backward pass. Autocast is recorded as it is now.

    Args:
        net: on the GPU.
        inputs: of the shapes of all to come.

    Raises:
        RestorationError: they are not on a CUDA device.
    """
    device = inputs[0].device.type
    if device != "cuda":
        raise RestorationError(f"a CUDA graph needs a GPU of NVIDIA's, not the {device}")
    # Gradients are then added on the recording's stream, for which backward waits: no news.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    reduced = torch.is_autocast_enabled(device)
    # what autocast has cast and kept would be the weights of that moment
    with torch.autocast(device, enabled=reduced, cache_enabled=False):
        # Of a module it changes ``forward``, and inputs are copied to where the first ones lie.
        graphed = torch.cuda.make_graphed_callables(
            copy.copy(net), tuple(x.clone() for x in inputs)
        )
    assert isinstance(graphed, nn.Module)
    return graphed.forward


def forget_graphs() -> None:
    """Give back the memory of graphs that nobody holds any more: each is held by itself."""
    if torch.cuda.is_initialized():
        gc.collect()


def recorded_if_possible(net: nn.Module, *inputs: Tensor) -> Callable[..., Tensor]:
    """Record a network where that is known to work, see ``recorded``; else return its ``forward``.

    Args:
        net: which draws nothing at random.
        inputs: of the shapes of all to come, on its device.
    """
    plain: Callable[..., Tensor] = net.forward
    return plain if inputs[0].device.type != "cuda" or torch.version.hip else recorded(net, *inputs)
