"""The optimiser of the networks that learn on copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from restoration.support.devices import precision

# of the quintic polynomial that is applied to the singular values, and how often
NEWTON_SCHULZ, TIMES = (3.4445, -4.7750, 2.0315), 5


def orthogonalised(matrices: Tensor) -> Tensor:
    """Bring the singular values of matrices near 1, and leave their singular vectors.

    X <- a X + (b X X' + c (X X')^2) X, five times, from X of Frobenius norm 1: singular values that
    are not tiny come to lie within 0.6 and 1.2.

    Args:
        matrices: (N, rows, columns).

    Returns:
        The same shape.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(TIMES):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(Optimizer):
    """Move matrices by their gradients' momentum, orthogonalised.

    What ``torch.optim.Muon`` does, with matrices of one shape taken side by side, and in float32
    where the hardware has no products in bfloat16: there torch's takes 8 to 14 times as long.

    Args:
        params: matrices.
        lr: learning rate; matrices of r rows and c columns move by lr max(1, r / c)^0.5.
        momentum: of the gradients, Nesterov's.
        weight_decay: share of the weights that is taken away, times the learning rate.

    Reference: Jordan et al., Muon: an optimizer for hidden layers in neural networks, 2024.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step, after calling ``closure``, whose result is returned."""
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            moved.sort(key=lambda p: p.shape)
            gradients = [p.grad for p in moved]
            for p in moved:
                if "momentum_buffer" not in self.state[p]:
                    self.state[p]["momentum_buffer"] = torch.zeros_like(p)
            averages = [self.state[p]["momentum_buffer"] for p in moved]
            torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
            directions = torch._foreach_lerp(gradients, averages, group["momentum"])
            torch._foreach_mul_(moved, 1 - group["lr"] * group["weight_decay"])
            reduced = bool(moved) and precision(moved[0].device.type) != "32-true"
            for (rows, columns), some in groupby(
                zip(moved, directions, strict=True), key=lambda pair: pair[0].shape
            ):
                matrices, theirs = zip(*some, strict=True)
                stacked = torch.stack(theirs)
                moves = orthogonalised(stacked.bfloat16() if reduced else stacked).to(stacked)
                rate = group["lr"] * max(1, rows / columns) ** 0.5
                torch._foreach_add_(matrices, moves.unbind(), alpha=-rate)
        return loss
