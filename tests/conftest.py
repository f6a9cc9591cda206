# ruff: noqa: E402
# First, for torch reads it at its import: beside other work tests are then six times as fast.
import os
import sys

from restoration.support.cpu_settings import set_waiting

set_waiting()
if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each: two with two threads take 40 % longer
    os.environ.setdefault("OMP_NUM_THREADS", "1")
elif not any("tests/gpu" in argument for argument in sys.argv):
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # bits repeat on a CPU alone

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from restoration import losses, presets
from restoration.support.files import find

LOSSES = {
    "mse": losses.MSE,
    "kl": lambda: losses.WeightedSum(losses.KLDivergence("P"), losses.MSE()),
    "counted": lambda: losses.WeightedSum(
        losses.KLDivergence("Q", "hard", channels="YCbCr"), losses.MSE()
    ),
    "sure": losses.SURE,
    "quantisation": losses.QuantisationError,
    "hinge": losses.QuantisationHinge,
    "interval": losses.IntervalLikelihood,
}
KODAK = Path(__file__).parents[2] / "shared" / "data" / "kodak"


@pytest.fixture(autouse=True, scope="session")
def no_proxy():
    """Ask this computer's own servers directly, in the processes that tests start, too."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def global_state():
    """Put back what a run may set for the whole process."""
    tf32, threads = torch.backends.cudnn.allow_tf32, torch.get_num_threads()
    yield
    torch.backends.cudnn.allow_tf32 = tf32
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """The photograph shipped with the package, (192, 192, 3) uint8."""
    return np.array(Image.open(find("samples/coffee.png")))


@pytest.fixture(scope="session")
def kodak() -> list[Path]:
    """The Kodak images; they are not part of the project."""
    images = sorted(KODAK.glob("kodim*.png"))
    if not images:
        pytest.skip(f"no Kodak images in {KODAK}")
    return images


@pytest.fixture(params=LOSSES)
def make_loss(request):
    """Make each kind of loss in turn."""
    return LOSSES[request.param]


@pytest.fixture
def one_pass(monkeypatch):
    """The preset "fast" in a third of its time, for tests of what is around it."""
    monkeypatch.setitem(presets.PRESETS, "fast", presets.Preset(passes=1))


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["restoration"])


@pytest.fixture
def libraries_may_warn():
    """LightningCLI 2.6 calls functions of jsonargparse that are deprecated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")
        yield
