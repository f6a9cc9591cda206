"""The contract between the task and its losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from restoration.batch import Batch
from restoration.errors import RestorationError

Network = Callable[[Tensor], Tensor]


class Loss(nn.Module, ABC):
    """Base of all losses: subclass it, implement ``forward``, name the class in a YAML.

    Attributes:
        full_precision: True for a loss that needs float32 proper in the network too, whatever the
            trainer's precision: the task then switches autocast and TF32 off.
        calls_net: how often ``forward`` evaluates the network again, on inputs of z's shape; None
            where it does so in a way that cannot be recorded as a CUDA graph.
    """

    full_precision = False
    calls_net: int | None = 0

    @abstractmethod
    def forward(self, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
        """Score one output of the network.

        Args:
            output: the network's output for ``batch.z``, (N, C, H, W) in [0, 1], with gradient.
            batch: what is known of the image.
            net: the network, for losses that evaluate it again (SURE); recorded as CUDA
                graphs, a function of its input alone.

        Returns:
            Named scalars, tensors of no dimension or numbers; ``"loss"`` is minimised, all are
            logged.
        """


def scored(loss: Loss, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
    """Score an output, see ``Loss.forward``, and mind the contract: classes may be the user's own.

    Raises:
        RestorationError: the output has not the image's shape, or the loss returns something else.
    """
    if output.shape != batch.target.shape:
        raise RestorationError(
            f"the network makes {tuple(output.shape)} of an image of {tuple(batch.target.shape)}, "
            "(N, C, H, W)"
        )
    values = loss(output, batch, net)
    if not isinstance(values, dict) or "loss" not in values:
        raise RestorationError(
            f"{type(loss).__name__} must return a dictionary of scalars, one named 'loss'"
        )
    numbers = {n: value for n, value in values.items() if isinstance(value, int | float)}
    values = values | {n: torch.tensor(x, device=output.device) for n, x in numbers.items()}
    for name, value in values.items():
        if not isinstance(value, Tensor) or value.ndim:
            kind = type(value).__name__
            kind += f" of shape {tuple(value.shape)}" if isinstance(value, Tensor) else ""
            raise RestorationError(
                f"{type(loss).__name__}'s {name!r} must be a tensor of no dimension, not a {kind}"
            )
    if torch.is_grad_enabled() and not values["loss"].requires_grad:
        raise RestorationError(
            f"{type(loss).__name__} has no gradient: nothing can be learned from it alone"
        )
    return values
