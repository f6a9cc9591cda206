"""The colour difference that people see: CIEDE2000."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# sRGB's primaries to XYZ, divided by the white point D65 (IEC 61966-2-1)
TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
WHITE = (0.95047, 1.0, 1.08883)


def lab(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Convert sRGB (N, 3, H, W) in [0, 1] to CIELAB under D65, each (N, H, W)."""
    linear = torch.where(image > 0.04045, ((image + 0.055) / 1.055) ** 2.4, image / 12.92)
    xyz = torch.einsum("kc,nchw->knhw", image.new_tensor(TO_XYZ), linear)
    xyz = xyz / image.new_tensor(WHITE).view(3, 1, 1, 1)
    x, y, z = torch.where(xyz > (6 / 29) ** 3, xyz ** (1 / 3), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(image: Tensor, truth: Tensor) -> Tensor:
    """Mean CIEDE2000 difference over all pixels; 1 is about what an eye can tell.

    Args:
        image: (N, 3, H, W) sRGB in [0, 1]; NaN comes back for grey images.
        truth: of the same shape.

    Returns:
        A scalar.

    Reference: Sharma, Wu, Dalal, The CIEDE2000 color-difference formula, Color Research and
    Application 2005.
    """
    if image.shape[1] != 3:
        return image.new_tensor(math.nan)
    # on the CPU: not every device has double precision
    (L1, a1, b1), (L2, a2, b2) = (lab(x.cpu().double()) for x in (image, truth))
    mean_chroma = (torch.hypot(a1, b1) + torch.hypot(a2, b2)) / 2
    G = (1 - torch.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))) / 2
    a1, a2 = (1 + G) * a1, (1 + G) * a2
    C1, C2 = torch.hypot(a1, b1), torch.hypot(a2, b2)
    h1, h2 = torch.atan2(b1, a1) % (2 * math.pi), torch.atan2(b2, a2) % (2 * math.pi)
    apart = h2 - h1
    turn = torch.where(apart > math.pi, -1.0, torch.where(apart < -math.pi, 1.0, 0.0))
    grey = C1 * C2 == 0
    dh = torch.where(grey, 0.0, apart + 2 * math.pi * turn)
    dL, dC, dH = L2 - L1, C2 - C1, 2 * torch.sqrt(C1 * C2) * torch.sin(dh / 2)
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    far = apart.abs() > math.pi
    total = h1 + h2
    wrapped = torch.where(total < 2 * math.pi, total + 2 * math.pi, total - 2 * math.pi)
    h = torch.where(grey, total, torch.where(far, wrapped, total) / 2)
    T = (
        1
        - 0.17 * torch.cos(h - math.radians(30))
        + 0.24 * torch.cos(2 * h)
        + 0.32 * torch.cos(3 * h + math.radians(6))
        - 0.20 * torch.cos(4 * h - math.radians(63))
    )
    S_L = 1 + 0.015 * (L - 50) ** 2 / torch.sqrt(20 + (L - 50) ** 2)
    S_C, S_H = 1 + 0.045 * C, 1 + 0.015 * C * T
    theta = math.radians(30) * torch.exp(-(((h.rad2deg() - 275) / 25) ** 2))
    R = -2 * torch.sqrt(C**7 / (C**7 + 25.0**7)) * torch.sin(2 * theta)
    lightness, chroma, hue = dL / S_L, dC / S_C, dH / S_H
    # rounding may leave a tiny negative sum where the colours are equal
    squares = lightness**2 + chroma**2 + hue**2 + R * chroma * hue
    return torch.sqrt(squares.clamp(min=0)).mean()
