"""Total variation within the quantisation constraint set."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.jpeg.image import Quantised
from restoration.jpeg.projection import project_planes


def variation_gradient(planes: Tensor, weights: Tensor, softness: float) -> Tensor:
    """Gradient of the joint total variation of several planes.

    TV = sum over pixels of sqrt(sum_c w_c^2 (dx_c^2 + dy_c^2) + e^2), forward differences.

    Args:
        planes: (N, C, H, W).
        weights: w, (1, C, 1, 1).
        softness: e, in the planes' unit; differences well below it are smoothed quadratically.

    Returns:
        (N, C, H, W).
    """
    weighted = planes * weights
    dx = F.pad(weighted[..., 1:] - weighted[..., :-1], (0, 1))
    dy = F.pad(weighted[..., 1:, :] - weighted[..., :-1, :], (0, 0, 0, 1))
    norm = (dx.square().sum(1, True) + dy.square().sum(1, True)).add_(softness**2).rsqrt_()
    dx *= norm
    dy *= norm
    gradient = -dx - dy  # the adjoint of forward differences
    gradient[..., 1:] += dx[..., :-1]
    gradient[..., 1:, :] += dy[..., :-1, :]
    return gradient.mul_(weights)


@torch.no_grad()
def total_variation(
    file: Quantised,
    iterations: int = 40,
    shrink: float = 0.6,
    chroma_weight: float = 0.5,
    softness: float = 1.0,
    step: float = 2.0,
) -> Tensor:
    """Smooth the image inside its cells: accelerated projected gradient descent on TV.

    x <- P(y - s_k g / rms(g)), g the gradient of TV at y, s_k = step / sqrt(k); y extrapolates x as
    Nesterov's method does. P projects onto the narrowed QCS.

    Args:
        file: what it knows.
        iterations: of the descent.
        shrink: width of the cells, quantisation steps.
        chroma_weight: weight of Cb and Cr in TV, beside 1 of Y.
        softness: see ``variation_gradient``; levels of 0-255.
        step: root mean square of the first step, levels.

    Returns:
        (1, C, H, W) in [0, 1].

    Reference: Bredies and Holler, A total variation-based JPEG decompression model, SIAM Journal on
    Imaging Sciences 2012, for the model; the descent is that of Beck and Teboulle's FISTA.
    """
    operator = file.operator
    x = operator.planes(file.decode())
    weights = x.new_full((1, x.shape[1], 1, 1), chroma_weight)
    weights[:, 0] = 1
    y, momentum = x, 1.0
    for k in range(1, iterations + 1):
        gradient = variation_gradient(y, weights, softness)
        rms = gradient.square().mean().sqrt().clamp(min=1e-9)  # a flat image has none
        new = y - gradient * (step / k**0.5 / rms)
        new = project_planes(new, file, shrink, edge_passes=1)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        y = new + (new - x) * ((momentum - 1) / following)
        x, momentum = new, following
    return operator.image(x).clamp_(0, 1)
