"""``fit`` on two devices: of one image, and of an image each."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from PIL import Image

from restoration.__main__ import main
from restoration.independent import IndependentStrategy, Launcher
from tests.fits import SMALL, rows_of

pytestmark = pytest.mark.usefixtures("empty_folder", "libraries_may_warn")


@pytest.mark.slow
def test_two_devices_share_one_image(tmp_path):
    """Through the console script, whose name the second process is started by."""
    script = Path(sys.executable).with_name("restoration")
    arguments = ["--trainer.max_steps", "12", "--curves.every", "1", "--trainer.accelerator", "cpu"]
    for devices in ("1", "2"):
        subprocess.run(
            [script, *SMALL, *arguments, "--trainer.devices", devices, "--name", devices],
            check=True,
            capture_output=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    one, two = (rows_of(tmp_path / "lightning_logs" / n / "version_0") for n in "12")
    assert len(list((tmp_path / "lightning_logs" / "2").iterdir())) == 1
    # the first rank's first loss is that of the single device; the second rank's noise then counts
    assert one[0]["loss"] == two[0]["loss"]
    assert one[-1]["loss"] != two[-1]["loss"]
    assert two[-1]["step"] == "12"


@pytest.mark.slow
def test_two_devices_take_an_image_each_and_exchange_nothing(tmp_path, photo):
    script = Path(sys.executable).with_name("restoration")
    Image.fromarray(photo[:64, :64]).save("a.png")
    Image.fromarray(photo[64:128, :64]).save("b.png")
    basis = ["fit", "--config", "configs/base.yaml", "--config", "configs/net/low.yaml"]
    basis += ["--config", "configs/loss/mse.yaml", "--data.quality", "10", "--data.image"]
    arguments = ["--trainer.max_steps", "12", "--trainer.accelerator", "cpu"]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [*arguments, "--trainer.devices", "2"]
    done = subprocess.run(
        [script, *basis, "[a.png, b.png]", *both], check=False, capture_output=True, env=one_thread
    )
    assert done.returncode == 0, done.stderr
    for name in "ab":
        alone = [*arguments, "--name", f"{name}-alone"]
        command = [script, *basis, f"{name}.png", *alone]
        subprocess.run(command, check=True, capture_output=True, env=one_thread)
        one, other = (
            tmp_path / "lightning_logs" / n / "version_0" for n in (f"{name}-q10", f"{name}-alone")
        )
        for file in ("restored.png", "curves.csv"):
            assert (one / file).read_bytes() == (other / file).read_bytes()
        assert (one / "last.ckpt").exists()
        assert list(one.glob("events*"))
    failed = subprocess.run(  # for longer than Lightning would let it
        [script, *basis, "[a.png, missing.png]", *both, "--trainer.max_steps", "300"],
        check=False,
        capture_output=True,
        text=True,
        env=one_thread,
    )
    assert failed.returncode == 1
    assert "missing.png" in failed.stderr
    assert "the run of another image failed" in failed.stderr
    assert "Traceback" not in failed.stderr
    result = tmp_path / "lightning_logs/a-q10/version_1/result.json"
    assert json.loads(result.read_text())["steps"] == 300
    assert main([*basis, "[a.png, b.png]", *arguments]) == 1
    for steps, more in (("12", []), ("16", ["--ckpt_path", "last"])):  # under one name, too
        command = [script, *basis, "[a.png, b.png]", *both, "--name", "mine"]
        command += ["--trainer.max_steps", steps, *more]
        subprocess.run(command, check=True, capture_output=True, env=one_thread)
    for name in "ab":
        (result,) = (tmp_path / "lightning_logs/mine" / f"{name}-q10").glob("*/result.json")
        assert json.loads(result.read_text())["steps"] == 16


@pytest.mark.slow
def test_a_scheduler_that_ends_one_process_ends_the_runs_of_all_images(tmp_path, photo):
    for name in "ab":
        Image.fromarray(photo[:64, :64]).save(f"{name}.png")
    arguments = ["--config", "configs/net/low.yaml", "--data.image", "[a.png, b.png]"]
    arguments += ["--trainer.devices", "2", "--trainer.accelerator", "cpu"]
    arguments += ["--trainer.max_steps", "9000", "--checkpoint.every", "2"]
    process = subprocess.Popen(
        [Path(sys.executable).with_name("restoration"), *SMALL, *arguments],
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
    )
    runs = [tmp_path / f"lightning_logs/{name}-q10/version_0" for name in "ab"]
    until = time.monotonic() + 120
    while not all((run / "last.ckpt").exists() for run in runs) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert error.count("stopped after step") == 2
    assert "Traceback" not in error
    for run in runs:
        assert (run / "restored.png").exists()
        assert not (run / "result.json").exists()


def waiting_for(*command):
    """A strategy whose other process runs a command."""
    strategy = IndependentStrategy()
    strategy._launcher = Launcher.__new__(Launcher)
    strategy._launcher.procs = [subprocess.Popen(command)]
    return strategy


def test_a_first_process_that_waits_for_the_others_ends_them():
    strategy = waiting_for("sleep", "60")
    began, before = time.monotonic(), signal.getsignal(signal.SIGTERM)
    ended = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM))
    ended.start()
    assert not strategy.wait()
    ended.join()
    assert time.monotonic() - began < 30
    assert signal.getsignal(signal.SIGTERM) is before


def test_waiting_for_the_others_needs_no_main_thread():
    """In which alone Python handles signals."""
    told = []
    threads = [
        threading.Thread(target=lambda code=code: told.append(waiting_for(code).wait()))
        for code in ("true", "false")
    ]
    for thread in threads:
        thread.start()
        thread.join()
    assert told == [True, False]
