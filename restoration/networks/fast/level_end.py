"""The end of a level of the hourglass network, a slice of the image at a time.

What follows the level's 3 x 3 convolution treats each pixel alone, but for the statistics of its
two batch norms. So it is computed on slices that stay in the processor's cache. Its input and what
the first activation makes of it are kept for the gradient, the rest is computed again. To keep less
takes longer: that activation is asked for four times.

With phi = LeakyReLU, L pixels and the convolution's output v:

    u = phi(a v + b)      a = g1 / sd(v),  b = b1 - a mean(v)
    z = phi(A u + c)      A = diag(g2 / sd(P u)) P,  c = b2 - A mean(u)
    result H z + d, or z where there is no head.

The second norm's statistics need no pass of their own: mean(P u) = P mean(u) and
var(P u) = diag(P cov(u) P'). The bias of the convolution P drops out of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from restoration.networks.layers import SLOPE, Conv, ConvBlock, is_dual

SLICE = 2**19  # numbers in a slice: 2 MiB. Half as many take a tenth more time, twice as many none
# Numbers in an image from which on slices pay. With two threads 3 million in 8 filters take an
# eighth less time than built-in layers, 1.6 million in 16 as much, 0.8 million in 32 a quarter
# more; wide ones (50 million in 128 filters) up to a third more of what is a tenth of a step.
SMALLEST = 2**20


def end_of_level(x: Tensor, spatial: ConvBlock, pointwise: ConvBlock, head: Conv | None) -> Tensor:
    """What follows the convolution of ``spatial``, then ``pointwise`` and ``head``.

    Args:
        x: (N, C, H, W), output of that convolution.
        spatial: its norm and LeakyReLU.
        pointwise: 1 x 1 convolution from C to C channels, norm and LeakyReLU.
        head: a last 1 x 1 convolution.

    Returns:
        (N, C or the head's, H, W).
    """
    built_in = x.device.type != "cpu" or len(x) > 1 or x.numel() < SMALLEST or is_dual(x)
    if built_in or torch.is_autocast_enabled("cpu"):
        y = pointwise(spatial.activate(x))
        return y if head is None else head(y)
    first, second, mix = spatial.norm, pointwise.norm, pointwise.convolution
    weights = [first.weight, first.bias, mix.weight, mix.bias, second.weight, second.bias]
    weights += [None, None] if head is None else [head.weight, head.bias]
    result: Tensor = _EndOfLevel.apply(x, first.eps, *weights)
    return result


def _slices(*images: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Split (C, L) images of equal L alike; the first tells how finely."""
    return zip(*(x.split(max(SLICE // len(images[0]), 1), 1) for x in images), strict=True)


def _activate(x: Tensor, scale: Tensor, shift: Tensor, out: Tensor) -> None:
    """phi(scale x + shift)."""
    # two passes, but ``addcmul`` of a broadcast shift takes three times as long
    F.leaky_relu_(torch.mul(x, scale, out=out).add_(shift), SLOPE)


def _mixed(u: Tensor, weight: Tensor, shift: Tensor, room: Tensor) -> Tensor:
    """phi(weight u + shift) in the room for it."""
    return F.leaky_relu_(torch.addmm(shift, weight, u, out=room[:, : u.shape[1]]), SLOPE)


def _before_activation(g: Tensor, y: Tensor, out: Tensor) -> Tensor:
    """Gradient before phi from that behind it, whose value is ``y``."""
    of = torch.ops.aten.leaky_relu_backward.grad_input
    result: Tensor = of(g, y, SLOPE, True, grad_input=out)
    return result


class _EndOfLevel(torch.autograd.Function):
    """See above; vectors are columns, (C, 1)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, *weights: Tensor) -> Tensor:
        """Three sweeps: the statistics of v, those of u, the result."""
        v = x.flatten(2)[0]
        (C, L), room = v.shape, _room(v)
        g1, b1, p, _, g2, b2 = (w.flatten(1) if w.dim() > 1 else w[:, None] for w in weights[:6])
        mean = v.mean(1, keepdim=True)
        variance = torch.zeros_like(mean)
        for (part,) in _slices(v):
            centred = torch.sub(part, mean, out=room[0][:, : part.shape[1]])
            variance += torch.linalg.vector_norm(centred, dim=1, keepdim=True).square() / L
        r1 = (variance + eps).rsqrt()
        a = g1 * r1
        b = b1 - a * mean
        centre = F.leaky_relu(b1, SLOPE)  # not the mean, but near: products do not cancel
        offset, cov = torch.zeros_like(mean), v.new_zeros(C, C)
        u = torch.empty_like(v)
        for part, activated in _slices(v, u):
            _activate(part, a, b, activated)
            apart = torch.sub(activated, centre, out=room[0][:, : part.shape[1]])
            offset += apart.sum(1, keepdim=True) / L
            cov += apart @ apart.T / L
        mu = centre + offset
        cov -= offset @ offset.T
        r2 = ((p @ cov * p).sum(1, keepdim=True) + eps).rsqrt()
        mix = g2 * r2 * p
        shift = b2 - mix @ mu
        head, bias = weights[6:]
        y = v.new_empty(C if head is None else len(head), L)
        for part, result in _slices(u, y):
            if head is None:
                _mixed(part, mix, shift, result)
            else:
                z = _mixed(part, mix, shift, room[0])
                torch.addmm(bias[:, None], head.flatten(1), z, out=result)
        ctx.save_for_backward(x, u, mean, r1, a, mu, cov, p, g2, r2, mix, shift, head)
        return y.view(1, -1, *x.shape[2:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Three sweeps: sums over the gradients before each of the two norms, the gradient of v."""
        x, u, mean, r1, a, mu, cov, p, g2, r2, mix, shift, head = ctx.saved_tensors
        v, g = x.flatten(2)[0], gradients[0].flatten(2)[0]
        (C, L), room = v.shape, _room(v)
        result = torch.empty_like(x)
        q = result.flatten(2)[0]  # gradient before the second norm, then the first, then of v
        sums, products, of_head = torch.zeros_like(mean), v.new_zeros(C, C), None
        if head is not None:
            back, of_head = head.flatten(1).T.contiguous(), torch.zeros_like(head).flatten(1)
        for part, given, of in _slices(u, g, q):
            z = _mixed(part, mix, shift, room[0])
            if of_head is not None:
                of_head += given @ z.T
                given = torch.mm(back, given, out=room[1][:, : part.shape[1]])
            _before_activation(given, z, of)
            sums += of.sum(1, keepdim=True)
            products += of @ part.T
        products -= sums @ mu.T  # sum of q (u - mu)'
        of_g2 = r2 * (p * products).sum(1, keepdim=True)
        of_p = g2 * r2 * (products - of_g2 * r2 * (p @ cov))
        # du = A'(q - sum(q) / L) - again (u - mu)
        again = mix.T @ (of_g2 * r2 / L * p)
        constant = again @ mu - mix.T @ sums / L
        of_b1, of_g1 = torch.zeros_like(mean), torch.zeros_like(mean)
        for part, activated, of in _slices(v, u, q):
            du = torch.addmm(constant, mix.T, of, out=room[1][:, : part.shape[1]])
            _before_activation(du.addmm_(again, activated, alpha=-1), activated, of)
            of_b1 += of.sum(1, keepdim=True)
            centred = torch.sub(part, mean, out=room[0][:, : part.shape[1]])
            of_g1 += centred.mul_(of).sum(1, keepdim=True) * r1
        # dv = a (q - sum(q) / L - normalised v sum(q normalised v) / L)
        factor = -a * r1 * of_g1 / L
        constant = -a * of_b1 / L - factor * mean
        for part, of in _slices(v, q):
            of.mul_(a).add_(constant).addcmul_(part, factor)
        of_weights = [of_g1[:, 0], of_b1[:, 0], of_p[..., None, None], torch.zeros_like(sums[:, 0])]
        of_weights += [of_g2[:, 0], sums[:, 0]]
        if of_head is None:
            return result, None, *of_weights, None, None
        return result, None, *of_weights, of_head.view_as(head), g.sum(1)


def _room(v: Tensor) -> tuple[Tensor, Tensor]:
    """Make room for two slices."""
    C, L = v.shape
    a, b = v.new_empty(2, C, min(SLICE // C, L)).unbind()
    return a, b
