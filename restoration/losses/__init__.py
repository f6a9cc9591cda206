"""Losses: each a small module that turns one step's output into named scalars."""

from restoration.losses.base import Batch, Loss
from restoration.losses.mse import MSE

__all__ = ["MSE", "Batch", "Loss"]
