"""Where networks and filters are computed, and in which precision."""

from __future__ import annotations

from typing import Literal

import torch

from restoration.errors import RestorationError
from restoration.support.usage import DEVICES


def device_named(device: str) -> str:
    """Resolve "auto": a GPU if there is one.

    Raises:
        RestorationError: unknown, or a GPU is asked for and there is none.
    """
    if device not in DEVICES:
        raise RestorationError(f"no device {device!r}; there are {', '.join(DEVICES)}")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next((name for name, usable in there.items() if usable), "cpu")
    if not there.get(device, True):
        maker = {"cuda": "CUDA", "mps": "Apple"}[device]
        raise RestorationError(f"there is no {maker} GPU that torch can use; give --device cpu")
    return device


def accelerator(device: str) -> str:
    """Name a device as Lightning's trainer does."""
    return "gpu" if device == "cuda" else device


def filter_device(device: str) -> torch.device:
    """Tell where the first estimate is made: beside the networks, but on Apple's GPUs.

    Its filters are not known to work there.
    """
    return torch.device("cuda" if device == "cuda" else "cpu")


def precision(device: str) -> Literal["32-true", "bf16-mixed"]:
    """Choose bfloat16 for products where the hardware has it: a step is then twice as fast."""
    if device == "cuda":
        able = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device == "cpu":
        features = torch.cpu.get_capabilities()
        able = bool(features.get("avx512_bf16") or features.get("amx_bf16"))
    else:
        able = False
    return "bf16-mixed" if able else "32-true"
