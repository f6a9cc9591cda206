"""Callbacks that need another say so, in one line, before anything runs."""

import pytest
from lightning.pytorch import Trainer

from restoration.callbacks import (
    BestStep,
    Curves,
    LogHistograms,
    LogImages,
    NearestReJPEG,
    OutputSmoothing,
    Quality,
    ResultWriter,
)
from restoration.errors import RestorationError


def set_up(*callbacks):
    """What Lightning does first."""
    trainer = Trainer(
        accelerator="cpu", callbacks=list(callbacks), logger=False, enable_checkpointing=False
    )
    for callback in callbacks:
        callback.setup(trainer, None, "fit")


@pytest.mark.parametrize(
    "kind", [Quality, BestStep, NearestReJPEG, LogImages, LogHistograms, ResultWriter]
)
def test_what_uses_the_smoothed_output_asks_for_it(kind):
    for callbacks in ([kind()], [kind(), OutputSmoothing()]):
        with pytest.raises(RestorationError) as error:
            set_up(*callbacks)
        assert str(error.value) == (
            f"{kind.__name__} needs OutputSmoothing before it among the callbacks"
        )


def test_the_best_step_asks_for_the_quality_before_it():
    for callbacks in ([], [Curves(), Quality()]):
        order = [OutputSmoothing(), BestStep(), *callbacks]
        with pytest.raises(RestorationError, match=r"^BestStep needs Quality before it"):
            set_up(*order)


@pytest.mark.parametrize("kind", [Quality, NearestReJPEG])
def test_the_curves_ask_for_those_that_measure_before_them(kind):
    with pytest.raises(RestorationError, match=f"^Curves needs {kind.__name__}, .* before it"):
        set_up(OutputSmoothing(), Curves(), kind())


def test_an_order_that_is_right_passes():
    set_up(OutputSmoothing(), Quality(), BestStep(), Curves(), LogImages(), ResultWriter())
