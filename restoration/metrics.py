"""PSNR and MS-SSIM as the paper reports them: on the 8-bit image that would be written."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from restoration.jpeg.colour import rgb_to_ycbcr
from restoration.jpeg.image import to_8bit

MS_SSIM_MINIMUM_SIDE = 176  # pixels: five scales of an 11-pixel window


def psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of the 8-bit image in dB, over all channels together.

    PSNR = -10 log10(mean((x - x*)^2)), x and x* in [0, 1]; infinite where they are equal.

    Args:
        image: (N, C, H, W) in [0, 1], rounded to 8 bit here.
        truth: (N, C, H, W) in [0, 1].

    Returns:
        A scalar on the images' device; no synchronisation.
    """
    return -10 * torch.log10((to_8bit(image) - truth).square_().mean())


def ms_ssim(image: Tensor, truth: Tensor) -> Tensor:
    """Multi-scale structural similarity of the 8-bit image, mean over channels.

    Args:
        image: (N, C, H, W) in [0, 1], rounded to 8 bit here.
        truth: (N, C, H, W) in [0, 1].

    Returns:
        A scalar; NaN where a side is under 176 pixels, for which the index is not defined.

    Reference: Wang, Simoncelli, Bovik, Multiscale structural similarity for image quality
    assessment, Asilomar 2003; torchmetrics' implementation.
    """
    if min(image.shape[-2:]) < MS_SSIM_MINIMUM_SIDE:
        return image.new_full((), math.nan)
    # here, since it takes seconds to import and few restorations are measured
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    return multiscale_structural_similarity_index_measure(to_8bit(image), truth, data_range=1.0)


def chroma_psnr(image: Tensor, truth: Tensor) -> Tensor:
    """PSNR over Cb and Cr of the 8-bit image in dB: the colour error apart from the luma's.

    Args:
        image: (N, 3, H, W) RGB in [0, 1], rounded to 8 bit here; NaN comes back for grey images.
        truth: (N, 3, H, W) RGB in [0, 1].

    Returns:
        A scalar on the images' device.
    """
    if image.shape[1] != 3:
        return image.new_full((), math.nan)
    error = rgb_to_ycbcr(to_8bit(image)) - rgb_to_ycbcr(truth)
    return -10 * torch.log10(error[:, 1:].square().mean())


def ciede2000(image: Tensor, truth: Tensor) -> Tensor:
    """Mean CIEDE2000 difference over all pixels; 1 is about what an eye can tell.

    Args:
        image: (1, 3, H, W) sRGB in [0, 1].
        truth: of the same shape.

    Returns:
        A scalar; NaN for grey images, and where scikit-image (the extra "figures") is missing.

    Reference: Sharma, Wu, Dalal, The CIEDE2000 color-difference formula, Color Research and
    Application 2005; scikit-image's implementation.
    """
    try:
        from skimage.color import deltaE_ciede2000, rgb2lab
    except ImportError:
        return image.new_full((), math.nan)
    if image.shape[1] != 3:
        return image.new_full((), math.nan)
    lab = (rgb2lab(x[0].double().cpu().numpy(), channel_axis=0) for x in (image, truth))
    return image.new_tensor(deltaE_ciede2000(*lab, channel_axis=0).mean())


Scores = dict[str, float | None]


def scores(image: Tensor, truth: Tensor) -> Scores:
    """Return "psnr", "ms_ssim", "chroma_psnr", "ciede2000" of an image; None where not finite."""
    metrics = (psnr, ms_ssim, chroma_psnr, ciede2000)
    rounded = to_8bit(image)
    values = {metric.__name__: metric(rounded, truth).item() for metric in metrics}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
