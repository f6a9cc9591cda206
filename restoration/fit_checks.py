"""What is wrong with image, trainer and checkpoint of ``restoration fit``; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import yaml

from restoration.errors import RestorationError
from restoration.formats.opening import check_image
from restoration.support.files import find

if TYPE_CHECKING:
    from jsonargparse import Namespace

CROP_OF_A_JPEG = (
    "data.crop needs data.quality and a lossless image: a part of a JPEG's pixels is no JPEG"
)


def check_data(arguments: list[str]) -> None:
    """Refuse an image that is missing or none, and a crop of a JPEG.

    Whatever is not understood here is left to the parser.

    Raises:
        RestorationError: it is.
    """
    options = data_options(arguments)
    if options is None:
        return
    if options.get("crop") is not None and options.get("quality") is None:
        raise RestorationError(CROP_OF_A_JPEG)
    for name in ("image", "truth"):
        path = options.get(name)
        if isinstance(path, str):
            check_image(find(path))


def data_options(arguments: list[str]) -> dict[str, Any] | None:
    """Read the options of the image, in configurations and behind ``--data.``.

    Returns:
        Them, or None where they cannot be read or do not matter.

    Raises:
        RestorationError: a configuration is no text in UTF-8.
    """
    options: dict[str, Any] = {}
    for argument, after in pairwise([*arguments, ""]):
        name, equals, value = argument.partition("=")
        value = value if equals else after
        if name in ("--print_config", "--help", "-h", "--data") or name.endswith(".help"):
            return None
        try:
            if name in ("-c", "--config"):
                content = yaml.safe_load(find(value).read_text())
                section = content.get("data") if isinstance(content, dict) else None
                options |= section if isinstance(section, dict) else {}
            elif name.startswith("--data."):
                options[name.removeprefix("--data.")] = yaml.safe_load(value)
        except UnicodeDecodeError as error:
            raise RestorationError(f"{value} is no text in UTF-8: {error}") from error
        except (OSError, ValueError, yaml.YAMLError):
            return None
    return options


def check_trainer(options: Namespace) -> None:
    """Refuse settings of the trainer under which no run can end or be right.

    Raises:
        RestorationError: no end, or a precision in which the image itself would be reduced.
    """
    if options.max_epochs not in (None, -1):
        raise RestorationError("epochs end no run; give --trainer.max_steps instead of max_epochs")
    for name in ("barebones", "fast_dev_run"):
        if getattr(options, name):
            raise RestorationError(f"--trainer.{name} would leave no result; leave it out")
    if options.limit_train_batches == 0:
        raise RestorationError("--trainer.limit_train_batches 0 leaves no step to do")
    if options.accumulate_grad_batches != 1:
        raise RestorationError(
            "--trainer.accumulate_grad_batches: every step has its own gradient; leave it out"
        )
    if options.max_steps < 1 and options.max_time is None:
        raise RestorationError("nothing ends the run: give --trainer.max_steps 2400, say")
    precision = str(options.precision or "32-true")
    if precision not in ("32", "32-true", "16-mixed", "bf16-mixed"):
        raise RestorationError(
            f"--trainer.precision {precision} would change the image too; use 32-true, bf16-mixed "
            "or 16-mixed"
        )


def check_checkpoint(
    checkpoint: Mapping[str, Any], image: int, input_name: str, settings: Mapping[str, Any]
) -> None:
    """Refuse to go on with a checkpoint of another run.

    Args:
        checkpoint: its content.
        image: checksum of this run's JPEG.
        input_name: see ``SingleImage``.
        settings: options of this run's model.

    Raises:
        RestorationError: it is that of another image, of another input of the network, or of other
            settings of the optimiser or the loss.
    """
    if checkpoint["image"] != image:
        raise RestorationError("the checkpoint is that of another image, quality or crop")
    if (before := checkpoint.get("input", input_name)) != input_name:  # earlier versions kept none
        raise RestorationError(
            f"the checkpoint is that of another --data.input or --seed_everything: {before}"
        )
    kept = checkpoint.get("hyper_parameters", {})
    for part, name in (("optimizer", "optimiser"), ("loss", "loss")):
        if kept.get(part) != settings.get(part):
            raise RestorationError(
                f"the checkpoint's {name} has other settings; give the same --model.{part}, or "
                "leave --ckpt_path out"
            )
