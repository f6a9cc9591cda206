"""The end of a level, a slice of the image at a time.

What follows the level's 3 x 3 convolution treats each pixel alone, but for the statistics of its
two batch norms. So it is computed on slices that stay in the processor's cache. Its input and what
the first activation makes of it are kept for the gradient, the rest is computed again. To keep less
takes longer: that activation is asked for four times.

With phi = LeakyReLU, L pixels and the convolution's output v:

    u = phi(a v + b)      a = g1 r1, r1 = 1 / sd(v),  b = b1 - a mean(v)
    z = phi(A u + c)      A = diag(g2 r2) P, r2 = 1 / sd(P u),  c = b2 - A mean(u)
    result H z + d, or z where there is no head.

The second norm's statistics need no pass of their own: with C = cov(u), mean(P u) = P mean(u) and
var(P u) = diag(P C P'). The bias of the convolution P drops out of them.

Backward, q is the gradient before the second phi, p that before the first, Q = sum q (u - mean(u))'
over the pixels, and o the product of each element:

    db2 = sum q    dg2 = r2 rowsum(P o Q)    dP = diag(g2 r2) (Q - diag(dg2 r2) P C)
    du = A' (q - sum(q) / L) - S (u - mean(u)),    S = A' diag(dg2 r2 / L) P
    db1 = sum p    dg1 = r1 sum p (v - mean(v))
    dv = a (p - sum(p) / L - r1 (v - mean(v)) dg1 / L)

The second term of dP is what r2 adds through C, as dr2 = -r2^3 (P C) dP; du and dv are batch norm's
gradients, du carried through P.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from restoration.networks.fast.switch import is_plain, pays

if TYPE_CHECKING:
    from restoration.networks.layers import ConvBlock

SLICE = 2**19  # numbers in a slice: 2 MiB. Half as many take a tenth more time, twice as many none
# Numbers in an image from which on slices pay. With two threads 3 million in 8 filters take an
# eighth less time than built-in layers, 1.6 million in 16 as much, 0.8 million in 32 a quarter
# more; wide ones (50 million in 128 filters) up to a third more of what is a tenth of a step.
SMALLEST = 2**20


def applies(x: Tensor) -> bool:
    """Whether to end a level here: for one image."""
    return is_plain(x) and len(x) == 1 and pays(x.numel() >= SMALLEST)


def level_end(
    x: Tensor,
    spatial: ConvBlock,
    pointwise: ConvBlock,
    head: nn.Conv2d | None,
    size: int = SLICE,
) -> Tensor:
    """What follows the convolution of ``spatial``, then ``pointwise`` and ``head``.

    Args:
        x: (1, C, H, W), output of that convolution.
        spatial: its norm and LeakyReLU.
        pointwise: 1 x 1 convolution from C to C channels, norm and LeakyReLU.
        head: a last 1 x 1 convolution.
        size: numbers in a slice.

    Returns:
        (1, C or the head's, H, W).
    """
    first, second, mix = spatial.norm, pointwise.norm, pointwise.convolution
    weights = [first.weight, first.bias, mix.weight, mix.bias, second.weight, second.bias]
    weights += [None, None] if head is None else [head.weight, head.bias]
    result: Tensor = _LevelEnd.apply(
        x, first.eps, spatial.activation.negative_slope, size, *weights
    )
    return result


class _LevelEnd(torch.autograd.Function):
    """See above; vectors are columns, (C, 1)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, eps: float, slope: float, size: int, *weights: Tensor
    ) -> Tensor:
        """Three sweeps: the statistics of v, those of u, the result."""
        v = x.flatten(2)[0]
        (C, L), (buffer, _) = v.shape, _buffers(v, size)
        g1, b1, P, _, g2, b2 = (w.flatten(1) if w.dim() > 1 else w[:, None] for w in weights[:6])
        mean = v.mean(1, keepdim=True)
        variance = torch.zeros_like(mean)
        for (part,) in _slices(size, v):
            centred = torch.sub(part, mean, out=buffer[:, : part.shape[1]])
            variance += torch.linalg.vector_norm(centred, dim=1, keepdim=True).square() / L
        r1 = (variance + eps).rsqrt()
        a = g1 * r1
        b = b1 - a * mean
        centre = F.leaky_relu(b1, slope)  # not the mean, but near: products do not cancel
        offset, cov = torch.zeros_like(mean), v.new_zeros(C, C)
        u = torch.empty_like(v)
        for part, u_part in _slices(size, v, u):
            # two passes, but ``addcmul`` of a broadcast shift takes three times as long
            F.leaky_relu_(torch.mul(part, a, out=u_part).add_(b), slope)
            apart = torch.sub(u_part, centre, out=buffer[:, : part.shape[1]])
            offset += apart.sum(1, keepdim=True) / L
            cov += apart @ apart.T / L
        mu = centre + offset
        cov -= offset @ offset.T
        r2 = ((P @ cov * P).sum(1, keepdim=True) + eps).rsqrt()
        A = g2 * r2 * P
        c = b2 - A @ mu
        H, d = weights[6:]
        y = v.new_empty(C if H is None else len(H), L)
        for u_part, y_part in _slices(size, u, y):
            if H is None:
                _mix(u_part, A, c, slope, y_part)
            else:
                z = _mix(u_part, A, c, slope, buffer)
                torch.addmm(d[:, None], H.flatten(1), z, out=y_part)
        ctx.save_for_backward(x, u, mean, r1, a, mu, cov, P, g2, r2, A, c, H)
        ctx.slope, ctx.size = slope, size
        return y.view(1, -1, *x.shape[2:])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Three sweeps: sums over q, sums over p, the gradient of v."""
        x, u, mean, r1, a, mu, cov, P, g2, r2, A, c, H = ctx.saved_tensors
        slope, size = ctx.slope, ctx.size
        v, g = x.flatten(2)[0], gradients[0].flatten(2)[0]
        (C, L), (buffer, buffer2) = v.shape, _buffers(v, size)
        dx = torch.empty_like(x)
        q = dx.flatten(2)[0]  # in the same memory q, then p, then dv
        db2, Q, dH = torch.zeros_like(mean), v.new_zeros(C, C), None
        if H is not None:
            H_transpose, dH = H.flatten(1).T.contiguous(), torch.zeros_like(H).flatten(1)
        for u_part, g_part, q_part in _slices(size, u, g, q):
            z = _mix(u_part, A, c, slope, buffer)
            if dH is not None:
                dH += g_part @ z.T
                g_part = torch.mm(H_transpose, g_part, out=buffer2[:, : u_part.shape[1]])
            _leaky_relu_gradient(g_part, z, slope, q_part)
            db2 += q_part.sum(1, keepdim=True)
            Q += q_part @ u_part.T
        Q -= db2 @ mu.T
        dg2 = r2 * (P * Q).sum(1, keepdim=True)
        dP = g2 * r2 * (Q - dg2 * r2 * (P @ cov))
        S = A.T @ (dg2 * r2 / L * P)
        constant = S @ mu - A.T @ db2 / L
        db1, dg1 = torch.zeros_like(mean), torch.zeros_like(mean)
        for v_part, u_part, p_part in _slices(size, v, u, q):
            du = torch.addmm(constant, A.T, p_part, out=buffer2[:, : v_part.shape[1]])
            _leaky_relu_gradient(du.addmm_(S, u_part, alpha=-1), u_part, slope, p_part)
            db1 += p_part.sum(1, keepdim=True)
            centred = torch.sub(v_part, mean, out=buffer[:, : v_part.shape[1]])
            dg1 += centred.mul_(p_part).sum(1, keepdim=True) * r1
        factor = -a * r1 * dg1 / L
        constant = -a * db1 / L - factor * mean
        for v_part, p_part in _slices(size, v, q):
            p_part.mul_(a).add_(constant).addcmul_(v_part, factor)
        dweights = [dg1[:, 0], db1[:, 0], dP[..., None, None], torch.zeros_like(db2[:, 0])]
        dweights += [dg2[:, 0], db2[:, 0]]
        dhead = [None, None] if dH is None else [dH.view_as(H), g.sum(1)]
        return dx, None, None, None, *dweights, *dhead


def _slices(size: int, *images: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Split (C, L) images of equal L alike; the first tells how finely."""
    return zip(*(x.split(max(size // len(images[0]), 1), 1) for x in images), strict=True)


def _buffers(v: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Memory for two slices."""
    C, L = v.shape
    a, b = v.new_empty(2, C, min(size // C, L)).unbind()
    return a, b


def _mix(u: Tensor, weight: Tensor, shift: Tensor, slope: float, out: Tensor) -> Tensor:
    """phi(weight u + shift) in the memory for it."""
    return F.leaky_relu_(torch.addmm(shift, weight, u, out=out[:, : u.shape[1]]), slope)


def _leaky_relu_gradient(g: Tensor, y: Tensor, slope: float, out: Tensor) -> None:
    """Gradient before phi from that behind it, whose value is ``y``."""
    torch.ops.aten.leaky_relu_backward.grad_input(g, y, slope, True, grad_input=out)
