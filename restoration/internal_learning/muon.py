"""The optimiser of the networks that learn on copies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
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
    are not tiny come to lie within 0.6 and 1.2. In bfloat16 where the hardware has such products.

    Args:
        matrices: (N, rows, columns).

    Returns:
        The same shape.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x if precision(x.device.type) == "32-true" else x.bfloat16()
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    a, b, c = NEWTON_SCHULZ
    for _ in range(TIMES):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def by_shape(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Orthogonalise matrices, those of a shape side by side.

    Args:
        matrices: in the order of their shapes.
    """
    result: list[Tensor] = []
    for _, some in groupby(matrices, lambda matrix: matrix.shape):
        result += orthogonalised(torch.stack(list(some))).unbind()
    return result


def at_once(matrices: Sequence[Tensor]) -> list[Tensor]:
    """Orthogonalise matrices of all shapes side by side, for a GPU, which waits for launches.

    Zeros complete each to a common shape: of rows and columns of zeros nothing comes but zeros.
    """
    shapes = tuple((m.shape[0], m.shape[1]) for m in matrices)
    place, common = places(shapes, matrices[0].device)
    flat = torch.cat([m.reshape(-1) for m in matrices])
    padded = flat.new_zeros(len(matrices), *common)
    padded.view(-1)[place] = flat
    moves = orthogonalised(padded).reshape(-1)[place]
    parts = moves.split([rows * columns for rows, columns in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


@lru_cache(maxsize=4)
def places(
    shapes: tuple[tuple[int, int], ...], device: torch.device
) -> tuple[Tensor, tuple[int, int]]:
    """Tell where the entries of matrices lie in a stack of matrices of a common, wide shape.

    Args:
        shapes: rows and columns of each.
        device: on which it is to be known.

    Returns:
        Index into the flat stack for each entry of all matrices, and the common shape.
    """
    height, width = (max(map(side, shapes)) for side in (min, max))
    indices = []
    for number, (rows, columns) in enumerate(shapes):
        step = (1, width) if rows > columns else (width, 1)  # tall ones lie on their side
        first = number * height * width
        i, j = step[0] * torch.arange(rows), step[1] * torch.arange(columns)
        indices.append((first + i[:, None] + j).flatten())
    return torch.cat(indices).to(device), (height, width)


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
            if moved:
                together = at_once if moved[0].is_cuda else by_shape
                moves = together(directions)
                torch._foreach_mul_(moves, [max(1, p.shape[0] / p.shape[1]) ** 0.5 for p in moved])
                torch._foreach_add_(moved, moves, alpha=-group["lr"])
        return loss
