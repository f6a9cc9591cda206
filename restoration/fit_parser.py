"""What ``restoration fit`` says of wrong usage."""

from __future__ import annotations

from typing import NoReturn

import torch
from lightning.pytorch.cli import LightningArgumentParser

from restoration.callbacks import BlindRule
from restoration.inputs import NetworkInput
from restoration.losses import Loss
from restoration.networks import Hourglass
from restoration.support.usage import arguments_of, plain

# What options take by its path: a misspelt argument of theirs is likest one of these classes'.
PARTS = (Loss, NetworkInput, Hourglass, BlindRule, torch.optim.Adam)


class FitParser(LightningArgumentParser):
    """Report wrong usage in one line, with the option that was probably meant."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print ``message`` on stderr and exit with 2."""
        options = [*self._option_string_actions, *arguments_of(PARTS)]
        self.exit(2, f"restoration fit: error: {plain(message, options)}\n")
