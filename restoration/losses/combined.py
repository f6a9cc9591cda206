"""A colour term and a distance, weighted."""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from restoration.batch import Batch
from restoration.errors import RestorationError
from restoration.losses.base import Loss, Network


class WeightedSum(Loss):
    """L = L_KL + lambda d, the paper's combined losses.

    The paper leaves open on which range d is taken; d on [0, 255] is 255^2 times d on [0, 1].

    Args:
        kl: the first term.
        d: the second term, a mean of squares of images in [0, 1].
        weight: lambda; the paper has 10 and 100.
        data_range: the range on which d is taken, 1 or 255.
    """

    def __init__(
        self, kl: Loss, d: Loss, weight: float = 10.0, data_range: Literal[1, 255] = 255
    ) -> None:
        super().__init__()
        if not math.isfinite(weight):
            raise RestorationError(f"the weight must be a number, not {weight}")
        self.kl = kl
        self.d = d
        self.weight = weight
        self.data_range = data_range
        self.full_precision = kl.full_precision or d.full_precision
        calls = kl.calls_net, d.calls_net
        self.calls_net = None if None in calls else sum(n or 0 for n in calls)

    def extra_repr(self) -> str:
        """Return the settings of the sum and of its terms, for the result file."""
        terms = [f"{type(term).__name__}({term.extra_repr()})" for term in (self.kl, self.d)]
        return f"{terms[0]} + {self.weight} * {terms[1]}, data_range={self.data_range}"

    def forward(self, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
        """Return {"loss"} and the terms of both, by their own names; see ``Loss.forward``."""
        kl, d = self.kl(output, batch, net), self.d(output, batch, net)
        loss = kl["loss"] + self.weight * self.data_range**2 * d["loss"]
        return {**kl, **d, "loss": loss}
