"""A network whose kernels a GPU launches all at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from restoration.errors import RestorationError


def record(net: nn.Module, z: Tensor) -> nn.Module:
    """Record forward and backward pass of a network as a CUDA graph each.

    What it returns lies in the same memory at each call: copy an output to keep it beyond a step.

    Args:
        net: on the GPU; changed in place.
        z: an input of the shape of all to come.

    Raises:
        RestorationError: ``z`` is not on a CUDA device.
    """
    if z.device.type != "cuda":
        raise RestorationError(f"a CUDA graph needs a GPU of NVIDIA's, not the {z.device.type}")
    # Gradients are then added on the recording's stream, for which backward waits: no news.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    result = torch.cuda.make_graphed_callables(net, (z,))
    assert isinstance(result, nn.Module)
    return result
