"""Kullback-Leibler divergence between the output's colours and a model of the original's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from restoration.batch import Batch
from restoration.errors import RestorationError
from restoration.jpeg.colour import rgb_to_ycbcr
from restoration.losses.base import Loss, Network
from restoration.losses.histogram import hard_histogram, soft_histogram
from restoration.losses.source import Gaussian, SourceModel


def kl_divergence(p: Tensor, q: Tensor, epsilon: float = 1e-10) -> Tensor:
    """D(p || q) = sum_i (p_i + e) log((p_i + e) / (q_i + e)).

    Args:
        p: masses, (..., bins).
        q: masses, (..., bins).
        epsilon: e, added to both.

    Returns:
        (...), in nats.

    Reference: Barrack, eq. 4 and 5.
    """
    p, q = p + epsilon, q + epsilon
    return (p * (p.log() - q.log())).sum(-1)


class KLDivergence(Loss):
    """Divergence between the histogram P of the output and the model Q of the source.

    L_P = mean_C D(P_C || Q_C) (eq. 4) or L_Q = mean_C D(Q_C || P_C) (eq. 5).

    Args:
        direction: "P" for L_P, "Q" for L_Q.
        histogram: "soft" has a gradient; "hard" has none, so that the term is only a number.
        model: builds Q from the JPEG.
        channels: colour space of the histograms; a grey image has one channel either way.
        weights: weight of each channel in the mean; equal if not given.
        regions: the divergence is averaged over a grid of so many by so many regions, each with a
            model of its own.
    """

    def __init__(
        self,
        direction: Literal["P", "Q"],
        histogram: Literal["soft", "hard"] = "soft",
        model: SourceModel = Gaussian(),
        channels: Literal["RGB", "YCbCr"] = "RGB",
        weights: Sequence[float] | None = None,
        regions: int = 1,
    ) -> None:
        super().__init__()
        if regions < 1:
            raise RestorationError(f"regions must be at least 1, not {regions}")
        if weights is not None and (min(weights, default=0) < 0 or sum(weights) <= 0):
            raise RestorationError("channel weights must not be negative nor all zero")
        self.direction = direction
        self.histogram = histogram
        self.model = model
        self.channels = channels
        self.weights: Tensor | None
        given = None if weights is None else torch.tensor(weights, dtype=torch.float32)
        self.register_buffer("weights", given, persistent=False)
        self.regions = regions
        self.modelled: tuple[Tensor, Tensor] | None = None  # the JPEG and its Q

    def extra_repr(self) -> str:
        """Return the settings, for the result file."""
        weights = None if self.weights is None else self.weights.tolist()
        return (
            f"direction={self.direction}, histogram={self.histogram}, "
            f"model={self.model}, channels={self.channels}, "
            f"weights={weights}, regions={self.regions}"
        )

    def forward(self, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
        """Return {"loss", "kl_p" or "kl_q"}; see ``Loss.forward``."""
        p = self.distributions(
            output, soft_histogram if self.histogram == "soft" else hard_histogram
        )
        if self.modelled is None or self.modelled[0] is not batch.target:
            self.modelled = batch.target, self.distributions(batch.target, self.model).detach()
        q = self.modelled[1]
        divergence = kl_divergence(p, q) if self.direction == "P" else kl_divergence(q, p)
        per_channel = divergence.mean((0, 1))  # (regions, N, C) -> (C,)
        if self.weights is None:
            loss = per_channel.mean()
        elif len(self.weights) != len(per_channel):
            raise RestorationError(
                f"{len(self.weights)} channel weights for {len(per_channel)} channels"
            )
        else:
            loss = (per_channel * self.weights).sum() / self.weights.sum()
        return {"loss": loss, f"kl_{self.direction.lower()}": loss}

    def distributions(self, image: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
        """(N, C, H, W) -> masses per region and channel, (regions^2, N, C, 256)."""
        if self.channels == "YCbCr" and image.shape[1] == 3:
            image = rgb_to_ycbcr(image)
        if self.regions > min(image.shape[-2:]):
            raise RestorationError(
                f"an image of {image.shape[-1]} x {image.shape[-2]} has no {self.regions} regions "
                "a side"
            )
        cells = [
            of(cell)
            for row in image.tensor_split(self.regions, -2)
            for cell in row.tensor_split(self.regions, -1)
        ]
        return torch.stack(cells)
