"""Devices by name; none of them but the CPU is needed."""

import pytest
import torch
from lightning.pytorch.accelerators import AcceleratorRegistry

from restoration.errors import RestorationError
from restoration.support.devices import accelerator, device_named, precision
from restoration.support.usage import DEVICES


@pytest.fixture
def there(monkeypatch):
    """Pretend which GPUs there are."""

    def pretend(cuda, mps):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


@pytest.mark.parametrize(
    ("cuda", "mps", "auto"),
    [(False, False, "cpu"), (True, False, "cuda"), (False, True, "mps"), (True, True, "cuda")],
)
def test_auto_takes_a_gpu_where_there_is_one(cuda, mps, auto, there):
    there(cuda, mps)
    assert device_named("auto") == auto
    assert device_named("cpu") == "cpu"


@pytest.mark.parametrize(("device", "maker"), [("cuda", "CUDA"), ("mps", "Apple")])
def test_a_gpu_that_is_not_there_is_told(device, maker, there):
    there(device == "cuda", device == "mps")
    assert device_named(device) == device
    there(False, False)
    with pytest.raises(RestorationError, match=f"no {maker} GPU .* give --device cpu"):
        device_named(device)


def test_unknown_devices_are_refused_with_those_that_there_are():
    with pytest.raises(RestorationError, match="no device 'gpu'; there are auto, cpu, cuda, mps"):
        device_named("gpu")


def test_lightning_knows_every_device():
    for device in DEVICES[1:]:
        assert accelerator(device) in {"gpu", *AcceleratorRegistry.available_accelerators()}


@pytest.mark.parametrize(
    ("features", "expected"),
    [({}, "32-true"), ({"avx512_bf16": True}, "bf16-mixed"), ({"amx_bf16": True}, "bf16-mixed")],
)
def test_reduced_precision_where_the_hardware_has_it(features, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features)
    assert precision("cpu") == expected
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bool(features))
    assert precision("cuda") == expected
    assert precision("mps") == "32-true"
