"""Callbacks: they watch a run, measure it and write its files; none asks a loss.

``training_step`` returns a dictionary; each callback may add to it, and those after it see what was
added. So their order is: smooth, measure, keep (with the rules, which may end the run), record,
show, write, save. One that needs another before it says so at the start of the run.
"""

from restoration.callbacks.checkpoint import AtomicCheckpointIO, CleanEnd, LastCheckpoint
from restoration.callbacks.curves import Curves
from restoration.callbacks.keep import BestStep, KeepImage, LeastSURE
from restoration.callbacks.progress import Progress
from restoration.callbacks.quality import Quality
from restoration.callbacks.result import ResultWriter
from restoration.callbacks.rules import (
    BlindRule,
    BlockContrast,
    Discrepancy,
    MovingVariance,
    NearestEstimate,
    NearestReJPEG,
)
from restoration.callbacks.smoothing import OutputSmoothing
from restoration.callbacks.tensorboard import LogHistograms, LogImages

__all__ = [
    "AtomicCheckpointIO",
    "BestStep",
    "BlindRule",
    "BlockContrast",
    "CleanEnd",
    "Curves",
    "Discrepancy",
    "KeepImage",
    "LastCheckpoint",
    "LeastSURE",
    "LogHistograms",
    "LogImages",
    "MovingVariance",
    "NearestEstimate",
    "NearestReJPEG",
    "OutputSmoothing",
    "Progress",
    "Quality",
    "ResultWriter",
]
