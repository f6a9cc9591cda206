"""Steps in processes that take turns, so that whatever else the machine does hits all alike."""

import re
import subprocess
import sys
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import torch
import yaml
from torch import nn

from restoration.networks import Hourglass
from restoration.support.files import find

TURN = 4  # steps, after one that wakes the process and is not counted


def network(name: str) -> Hourglass:
    options = yaml.safe_load(find(f"configs/net/{name}.yaml").read_text())["model"]["net"]
    torch.manual_seed(0)
    return Hourglass(3, 3, **options["init_args"])


def bare_stepper(net, z, target, fused=True):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01, fused=fused)
    generator = torch.Generator().manual_seed(0)

    def step():
        optimizer.zero_grad()
        noise = torch.randn(z.shape, generator=generator).div_(30).add_(z)
        nn.functional.mse_loss(net(noise), target).backward()
        optimizer.step()

    return step


class Turns:
    """A process that does a turn of steps when it is asked to.

    Args:
        command: a Python script and its arguments; it calls ``take_turns``.
        environment: of the process.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def turn(self) -> tuple[float, float]:
        """Seconds per step of a turn, and peak memory in MiB so far."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, mib = self.process.stdout.readline().split()
        return float(seconds), float(mib)

    def end(self) -> None:
        self.process.communicate()


def take_turns(step: Callable[[], object], before: float) -> None:
    """Do steps when asked to; ``before`` is the peak memory that does not count."""
    for _ in sys.stdin:
        step()
        began = time.perf_counter()
        for _ in range(TURN):
            step()
        print((time.perf_counter() - began) / TURN, peak_mib() - before, flush=True)


def peak_mib() -> float:
    """Peak resident memory of this process (getrusage would count the parent's at the fork)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def parsed_size(size: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", size)
    if match is None:
        raise ArgumentTypeError(f"{size!r} is no size; give 768x512")
    return int(match[1]), int(match[2])
