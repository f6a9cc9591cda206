"""Losses: each a small module that turns one step's output into named scalars."""

from restoration.losses.base import Loss
from restoration.losses.coefficients import (
    IntervalLikelihood,
    QuantisationError,
    QuantisationHinge,
)
from restoration.losses.combined import WeightedSum
from restoration.losses.kl import KLDivergence
from restoration.losses.mse import MSE
from restoration.losses.source import Gaussian, MassFunction, SmoothedHistogram, SourceModel
from restoration.losses.sure import SURE

__all__ = [
    "MSE",
    "SURE",
    "Gaussian",
    "IntervalLikelihood",
    "KLDivergence",
    "Loss",
    "MassFunction",
    "QuantisationError",
    "QuantisationHinge",
    "SmoothedHistogram",
    "SourceModel",
    "WeightedSum",
]
