"""How long runs will take here, from a few steps of each configuration."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence

import torch
from jsonargparse import ArgumentError, ArgumentParser
from PIL import Image

from restoration.batch import Batch
from restoration.errors import RestorationError
from restoration.experiments.runs import Run
from restoration.jpeg import Quantised
from restoration.losses import Loss
from restoration.losses.base import scored
from restoration.support.usage import plain
from restoration.task import NetFactory

SIDE = 256  # pixels of the image that is timed; a step costs in proportion to the pixels
STEPS = 2  # after one that warms up


def seconds_of(runs: Sequence[Run]) -> float:
    """Estimate the seconds of runs that follow one another in one process with one thread.

    Args:
        runs: Runs of any kind; equal networks and losses are timed once.

    Raises:
        RestorationError: A run has no number of steps, or what it is made of cannot be made.
    """
    kinds: Counter[str] = Counter()
    for run in runs:
        steps = run.labels["steps"]
        if not isinstance(steps, int) or steps < 0:
            raise RestorationError(
                f"trainer.max_steps is {steps}: only runs of so many steps can be estimated"
            )
        pixels, data = 1, run.config["data"]
        if data.get("crop"):
            if not isinstance(data["crop"], int):
                raise RestorationError(f"data.crop is {data['crop']}: an integer is wanted")
            pixels = data["crop"] ** 2
        else:
            with Image.open(data["image"]) as image:
                pixels = image.width * image.height
        kinds[json.dumps(run.config["model"])] += pixels * steps
    return sum(number * seconds_per_pixel(json.loads(kind)) for kind, number in kinds.items())


def seconds_per_pixel(model: dict) -> float:
    """Time steps of one network and loss on one thread; seconds per step and pixel."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--net", type=NetFactory)
    parser.add_subclass_arguments(Loss, "loss")
    try:
        made = parser.instantiate(parser.parse_object({key: model[key] for key in ("net", "loss")}))
        net = made.net(3, 3)
    except (ArgumentError, TypeError, ValueError, KeyError) as error:
        raise RestorationError(f"the model of the runs: {plain(str(error), ())}") from error
    generator = torch.Generator().manual_seed(0)
    z = torch.rand(1, 3, SIDE, SIDE, generator=generator)
    blocks = [torch.zeros(SIDE // s, SIDE // s, 8, 8) for s in (8, 16, 16)]
    tables = (torch.ones(8, 8),) * 3
    file = Quantised(SIDE, SIDE, tuple(blocks), tables, ((2, 2), (1, 1), (1, 1)))
    batch = Batch(z, z, file)
    optimizer = torch.optim.Adam([*net.parameters(), *made.loss.parameters()], fused=True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for step in range(STEPS + 1):
            if step == 1:
                began = time.perf_counter()
            optimizer.zero_grad()
            scored(made.loss, net(z), batch, net)["loss"].backward()
            optimizer.step()
        return (time.perf_counter() - began) / STEPS / SIDE**2
    except RestorationError:
        raise
    except Exception as error:
        line = " ".join(f"{type(error).__name__} {error}".split())
        raise RestorationError(f"a step of the runs cannot be timed: {line}") from error
    finally:
        torch.set_num_threads(threads)
