"""A network whose kernels a GPU launches all at once."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from restoration.errors import RestorationError


def recorded(net: nn.Module, z: Tensor) -> Callable[[Tensor], Tensor]:
    """Record forward and backward pass of a network as a CUDA graph each.

    The network stays as it is; the function that is returned computes the same from its weights,
    as long as they stay where they are. What it returns lies in the same memory at each call: use
    an output before the next one, in forward and backward pass.

    Args:
        net: on the GPU.
        z: an input of the shape of all to come.

    Raises:
        RestorationError: ``z`` is not on a CUDA device.
    """
    if z.device.type != "cuda":
        raise RestorationError(f"a CUDA graph needs a GPU of NVIDIA's, not the {z.device.type}")
    # Gradients are then added on the recording's stream, for which backward waits: no news.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    # Of a module it changes ``forward``, and inputs are copied to where the first one lies.
    graphed = torch.cuda.make_graphed_callables(copy.copy(net), (z.clone(),))
    assert isinstance(graphed, nn.Module)
    return graphed.forward
