"""``restoration fit``: LightningCLI over the task, the data module and the callbacks."""

from __future__ import annotations

import difflib
import logging
import os
import sys
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from restoration import callbacks
from restoration.callbacks.checkpoint import FILE as CHECKPOINT
from restoration.data import SingleImage
from restoration.errors import RestorationError
from restoration.files import find
from restoration.task import RestorationTask

RUNS = "lightning_logs"


class FitCLI(LightningCLI):
    """The command ``fit``, with one section of options for each callback."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Offer ``fit`` alone: validation has no meaning for one optimised image."""
        return {"fit": LightningCLI.subcommands()["fit"]}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ``--name`` and the callbacks, in the order in which they must run."""
        parser.add_argument(
            "--name",
            type=str | None,
            default=None,
            help="Folder of the run under lightning_logs/; by default the image and quality.",
        )
        parser.add_lightning_class_args(callbacks.OutputSmoothing, "smoothing")
        parser.add_lightning_class_args(callbacks.Quality, "quality")
        parser.add_lightning_class_args(callbacks.BestStep, "best")
        parser.add_lightning_class_args(callbacks.LeastSURE, "least_sure")
        parser.add_lightning_class_args(callbacks.Curves, "curves")
        parser.add_lightning_class_args(callbacks.LogImages, "images")
        parser.add_lightning_class_args(callbacks.LogHistograms, "histograms")
        parser.add_lightning_class_args(callbacks.Progress, "progress")
        parser.add_lightning_class_args(callbacks.ResultWriter, "result")
        parser.add_lightning_class_args(callbacks.LastCheckpoint, "checkpoint")

    def _parse_ckpt_path(self) -> None:
        """Leave the options as given: Lightning would let a checkpoint's override them."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Read the image first, so that unusable input leaves no empty run behind; then log."""
        self.datamodule.setup("fit")
        options = self.config[self.subcommand]
        if options.trainer.max_steps < 1 and options.trainer.max_time is None:
            raise RestorationError("nothing ends the run: give --trainer.max_steps 2400, say")
        if options.trainer.logger in (None, True):
            root = Path(options.trainer.default_root_dir or ".") / RUNS
            name = options.name or self.datamodule.run_name
            version = run_version(root / name, resume=options.ckpt_path == "last")
            kwargs["logger"] = TensorBoardLogger(root, name=name, version=version)
        kwargs["plugins"] = [*(options.trainer.plugins or []), callbacks.AtomicCheckpointIO()]
        return super().instantiate_trainer(**kwargs)

    def before_fit(self) -> None:
        """Resolve ``--ckpt_path last`` to the checkpoint of this very run."""
        options = self.config_init[self.subcommand]
        if options.ckpt_path == "last":
            path = Path(self.trainer.log_dir or self.trainer.default_root_dir) / CHECKPOINT
            options.ckpt_path = str(path) if path.exists() else None
            if not path.exists():
                print(
                    f"no checkpoint to go on from in {path.parent}: starting anew", file=sys.stderr
                )


def run_version(folder: Path, resume: bool) -> str:
    """Claim the next free ``version_N`` in ``folder``, or name the one to go on with.

    That is the latest with a checkpoint, or, where there is none, the latest.

    Only the first process of a distributed run claims; the others are told its directory.

    Raises:
        RestorationError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        runs = {int(p.name[8:]): p for p in folder.glob("version_*") if p.name[8:].isdigit()}
        latest = max(runs, default=-1)
        if resume and runs:
            started = [number for number, run in runs.items() if (run / CHECKPOINT).exists()]
            return f"version_{max(started, default=latest)}"
        if os.environ.get("LOCAL_RANK", "0") != "0":
            return f"version_{max(latest, 0)}"
        while True:
            latest += 1
            try:
                (folder / f"version_{latest}").mkdir()
            except FileExistsError:
                continue  # another process has just claimed it
            return f"version_{latest}"
    except OSError as error:
        raise RestorationError(f"cannot write runs to {folder}: {error.strerror}") from error


def with_shipped_configs(arguments: list[str]) -> list[str]:
    """Replace names of configurations that are missing here by those shipped with the package."""
    found = list(arguments)
    for i, (option, value) in enumerate(pairwise(arguments)):
        if option in ("-c", "--config"):
            found[i + 1] = str(find(value))
    return [
        f"--config={find(a.removeprefix('--config='))}" if a.startswith("--config=") else a
        for a in found
    ]


def quieten() -> None:
    """Silence Lightning's remarks, which tell a user of this program nothing."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module="lightning")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)


class Parser(LightningArgumentParser):
    """Report wrong usage in one line, with the option that was probably meant."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print ``message`` on stderr and exit with 2."""
        line = " ".join(message.split())
        if line.startswith("unrecognized arguments:"):
            option = line.split()[2].split("=")[0]
            near = difflib.get_close_matches(option, self._option_string_actions, 1)
            line = f"unknown option {option}" + (f", did you mean {near[0]}?" if near else "")
        self.exit(2, f"restoration fit: error: {line}\n")


def fit(arguments: list[str]) -> None:
    """Run ``restoration fit`` with the given arguments.

    Raises:
        RestorationError: unusable input.
        Interrupted: the user stopped the run.
        SystemExit: wrong usage (2), or help was asked for (0).
    """
    quieten()
    # LightningCLI warns when it is given arguments while there are others on the command line
    sys.argv = ["restoration", "fit", *with_shipped_configs(arguments)]
    try:
        FitCLI(
            RestorationTask,
            SingleImage,
            parser_class=Parser,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            save_config_kwargs={"overwrite": True},
            trainer_defaults={
                "max_epochs": -1,  # max_steps alone ends a run
                "num_sanity_val_steps": 0,
                "enable_model_summary": False,
                "use_distributed_sampler": False,
            },
        )
    except MisconfigurationException as error:
        raise RestorationError(" ".join(str(error).split())) from error
