"""Stein's unbiased risk estimate: the true error without the truth, for Gaussian noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import forward_ad

from restoration.batch import Batch
from restoration.errors import RestorationError
from restoration.jpeg.noise import noise_sigma
from restoration.losses.base import Loss, Network
from restoration.support.generators import own_generator


def finite_difference(
    f: Callable[[Tensor], Tensor], x: Tensor, fx: Tensor, probe: Tensor, epsilon: float
) -> Tensor:
    """Monte-Carlo divergence by a forward difference: b . (f(x + e b) - f(x)) / e.

    Args:
        f: the function, of equal shapes in and out.
        x: where the divergence is taken.
        fx: f(x), known already.
        probe: b ~ N(0, I), of x's shape.
        epsilon: e.

    Returns:
        A scalar; unbiased for the divergence up to O(e).

    Reference: Ramani, Blu, Unser, Monte-Carlo SURE, IEEE TIP 2008; Barrack, eq. 2.
    """
    return (probe * (f(x + epsilon * probe) - fx)).sum() / epsilon


def jacobian_vector(f: Callable[[Tensor], Tensor], x: Tensor, probe: Tensor) -> Tensor:
    """Monte-Carlo divergence by forward-mode differentiation: b . J b, without the error of e.

    Args:
        f: the function, of equal shapes in and out.
        x: where the divergence is taken.
        probe: b ~ N(0, I), of x's shape.

    Returns:
        A scalar; unbiased for the divergence.
    """
    with forward_ad.dual_level():
        product = forward_ad.unpack_dual(f(forward_ad.make_dual(x, probe))).tangent
    assert product is not None
    return (probe * product).sum()


class SURE(Loss):
    """Stein's unbiased risk estimate of the error of f at the JPEG x0, taken for x* + N(0, s^2 I).

    L = 1/n |f(x0) - x0|^2 - s^2 + 2 s^2 / n div f(x0), n = C H W, images in [0, 1]; the divergence
    by Monte Carlo with fresh probes at each step. It is a derivative by the network's input, which
    therefore must be the JPEG itself, unperturbed.

    Args:
        sigma: s in levels 0 to 255; "auto" estimates it from the file (``noise_sigma``).
        epsilon: step of the finite difference.
        probes: Monte-Carlo probes per step.
        forward_mode: take Jacobian-vector products instead of differences.
        divergence_weight: factor on the divergence term; 0 minimises the data term alone and still
            logs the divergence.

    Reference: Barrack, eq. 1 and 2; Metzler et al., Unsupervised learning with SURE, arXiv
    1805.10531, whose code has sigma 25 and epsilon 1e-3.
    """

    full_precision = True  # the difference of two outputs is divided by epsilon

    def __init__(
        self,
        sigma: float | Literal["auto"] = 25.0,
        epsilon: float = 1e-3,
        probes: int = 1,
        forward_mode: bool = False,
        divergence_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if probes < 1 or epsilon <= 0:
            raise RestorationError("SURE needs at least one probe and a positive epsilon")
        self.sigma = sigma
        self.epsilon = epsilon
        self.probes = probes
        self.forward_mode = forward_mode
        self.calls_net = None if forward_mode else probes
        self.divergence_weight = divergence_weight
        self.estimated: tuple[Tensor, float] | None = None  # the JPEG and its variance
        self.generator: torch.Generator | None = None
        self.state: Tensor | None = None

    def extra_repr(self) -> str:
        """Return the settings, for the result file."""
        return (
            f"sigma={self.sigma}, epsilon={self.epsilon}, probes={self.probes}, "
            f"forward_mode={self.forward_mode}, divergence_weight={self.divergence_weight}"
        )

    def forward(self, output: Tensor, batch: Batch, net: Network) -> dict[str, Tensor]:
        """Return {"loss", "sure", "sure_data", "divergence"}; see ``Loss.forward``."""
        if batch.z is not batch.target:
            raise RestorationError(
                "SURE needs the JPEG itself as the network's input, unperturbed: set --data.input "
                "DecodedJPEG and --model.perturbation 0"
            )
        variance = self.noise_variance(batch)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.divergence_weight != 0):
            divergence = self.divergence(output, batch.z, net)
        data = F.mse_loss(output, batch.target) - variance
        penalty = 2 * variance / output.numel() * divergence
        return {
            "loss": data + self.divergence_weight * penalty,
            "sure": (data + penalty).detach(),
            "sure_data": data.detach(),
            "divergence": divergence.detach(),
        }

    def divergence(self, fx: Tensor, x: Tensor, net: Network) -> Tensor:
        """Mean over the probes."""
        total = fx.new_zeros(())
        for _ in range(self.probes):
            probe = self.probe(x)
            if self.forward_mode:
                total = total + jacobian_vector(net, x, probe)
            else:
                total = total + finite_difference(net, x, fx, probe, self.epsilon)
        return total / self.probes

    def noise_variance(self, batch: Batch) -> float:
        """s^2 on the scale of [0, 1], estimated once per JPEG."""
        if self.sigma != "auto":
            return (self.sigma / 255) ** 2
        if self.estimated is None or self.estimated[0] is not batch.target:
            sigma = noise_sigma(batch.file)
            self.estimated = batch.target, (sigma / 255) ** 2
        return self.estimated[1]

    def probe(self, x: Tensor) -> Tensor:
        """Draw one probe from the loss's own generator, seeded by the global seed."""
        if self.generator is None:
            self.generator = own_generator(x.device, self.state)
        return torch.randn(x.shape, dtype=x.dtype, generator=self.generator, device=x.device)

    def get_extra_state(self) -> Any:
        """Return the generator's state, for the checkpoint."""
        return self.state if self.generator is None else self.generator.get_state()

    def set_extra_state(self, state: Any) -> None:
        """Take the generator's state from a checkpoint."""
        self.state, self.generator = state, None
