"""One image as a Lightning data module."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule, Trainer
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from restoration.batch import Batch
from restoration.errors import RestorationError
from restoration.fit_checks import CROP_OF_A_JPEG
from restoration.independent import local_rank
from restoration.inputs import NetworkInput, Noise
from restoration.jpeg import (
    CompressedImage,
    compress,
    read_jpeg,
    read_lossless,
    read_truth,
    to_tensor,
)
from restoration.jpeg.reading import shape_of
from restoration.support.files import find, safe_name


class Repeated(Dataset[Batch]):
    """The one batch, ``times`` times: an epoch."""

    def __init__(self, batch: Batch, times: int) -> None:
        self.batch = batch
        self.times = times

    def __len__(self) -> int:
        return self.times

    def __getitem__(self, index: int) -> Batch:
        return self.batch


class SingleImage(LightningDataModule):
    """The image that a file holds: a JPEG, or a lossless image that is compressed first.

    Args:
        image: a JPEG, restored as it is; or, with ``quality``, a lossless image, which is
            compressed in memory and serves as the truth. Several images are optimised on a device
            each: give as many ``--trainer.devices``.
        quality: JPEG quality, 1 to 100, at which a lossless image is compressed.
        truth: the clean image of a JPEG, for measuring only. No loss, stop or recipe sees it.
        crop: side of a centred square cut from a lossless image before it is compressed.
        input: what the network is fed.
        steps_per_epoch: optimiser steps that Lightning counts as an epoch; of no effect on the
            result.

    Attributes:
        jpeg: the file's content, from ``setup`` on.
        truth: (1, C, H, W) in [0, 1] or None, from ``setup`` on.
        batch: what the task sees, on its device, from ``setup`` on.

    Raises:
        RestorationError: ``steps_per_epoch`` is less than 1, a file is missing, or of several
            images two have one name, or a truth is given.
    """

    jpeg: CompressedImage
    truth: Tensor | None
    batch: Batch

    def __init__(
        self,
        image: str | list[str],
        quality: int | None = None,
        truth: str | None = None,
        crop: int | None = None,
        input: NetworkInput = Noise(),  # noqa: A002 - the option is named so
        steps_per_epoch: int = 100,
    ) -> None:
        super().__init__()
        if steps_per_epoch < 1:
            raise RestorationError(
                f"data.steps_per_epoch must be at least 1, not {steps_per_epoch}"
            )
        images = [image] if isinstance(image, str) else image
        if not images:
            raise RestorationError("data.image must not be empty")
        self.several = len(images) if len(images) > 1 else None
        if self.several and truth is not None:
            raise RestorationError(
                "data.truth is that of one image, and there are several; do them one by one, or "
                "give lossless ones and data.quality"
            )
        if len({safe_name(Path(name).stem) for name in images}) < len(images):
            raise RestorationError(
                "data.image: two of the images have one name, by which their runs are told apart; "
                "rename one of them"
            )
        self.image = find(images[local_rank() % len(images)])
        self.quality = quality
        self.truth_path = None if truth is None else find(truth)
        self.crop = crop
        self.input = input
        self.steps_per_epoch = steps_per_epoch
        self.ready = False

    @property
    def run_name(self) -> str:
        """What runs on this image are filed under: the file's name and the quality."""
        name = safe_name(self.image.stem)
        return name if self.quality is None else f"{name}-q{self.quality}"

    @property
    def input_name(self) -> str:
        """What the network is fed, and the seed of what is random there."""
        told = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(self.input))  # where an object lies
        return f"{' '.join(told.split())}, seed {torch.initial_seed()}"

    def read(self) -> tuple[CompressedImage, NDArray | None]:
        """Return the JPEG and the truth, both in the orientation in which the JPEG is stored."""
        if self.quality is not None:
            if self.truth_path is not None:
                raise RestorationError(
                    "data.truth goes with a JPEG; with data.quality the image itself is the truth"
                )
            clean = read_lossless(self.image)
            if self.crop is not None:
                clean = centre_crop(clean, self.crop, self.image)
            return compress(clean, self.quality), clean
        if self.crop is not None:
            raise RestorationError(CROP_OF_A_JPEG)
        jpeg = read_jpeg(self.image)
        if self.truth_path is None:
            return jpeg, None
        return jpeg, read_truth(self.truth_path, jpeg)

    def setup(self, stage: str) -> None:
        """Read the image once; the network's input is drawn from the global seed.

        Raises:
            RestorationError: a file cannot be used, or the options contradict each other.
        """
        if self.ready:
            return
        self.jpeg, truth = self.read()
        self.truth = None if truth is None else to_tensor(truth)
        target = to_tensor(self.jpeg.pixels)
        generator = torch.Generator().manual_seed(torch.initial_seed())
        z = self.input(self.jpeg, target, generator)
        self.batch = Batch(z, target, self.jpeg.quantised)
        self.ready = True

    def train_dataloader(self) -> DataLoader[Batch]:
        """Yield the batch ``steps_per_epoch`` times; the global generator stays still."""
        return DataLoader(
            Repeated(self.batch, self.steps_per_epoch),
            batch_size=None,
            generator=torch.Generator(),
        )

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Move the batch at the first step and hand out the moved one from then on."""
        if self.batch.target.device != device:
            self.batch = batch.to(device)
        return self.batch


def image_of(trainer: Trainer) -> SingleImage:
    """Return the image that a trainer works on."""
    # set by one of Lightning's connectors, where a type checker does not see it
    return trainer.datamodule  # type: ignore[attr-defined]


def centre_crop(pixels: NDArray, side: int, name: Path) -> NDArray:
    """Cut a centred square of ``side`` pixels out of (H, W, C)."""
    H, W, _ = pixels.shape
    if not 1 <= side <= min(H, W):
        raise RestorationError(f"cannot crop {side} x {side} from {name} of {shape_of(pixels)}")
    top, left = (H - side) // 2, (W - side) // 2
    return pixels[top : top + side, left : left + side].copy()
