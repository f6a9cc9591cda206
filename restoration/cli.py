"""``restoration fit``: LightningCLI over the task, the data module and the callbacks."""

from __future__ import annotations

import re
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from restoration import callbacks, run_loggers
from restoration.callbacks.checkpoint import CleanEnd
from restoration.callbacks.curves import Curves
from restoration.callbacks.keep import check_rules
from restoration.data import SingleImage
from restoration.errors import RestorationError, enough_memory
from restoration.fit_checks import check_trainer
from restoration.fit_parser import FitParser
from restoration.independent import IndependentStrategy, local_rank
from restoration.run_folder import CHECKPOINT, CONFIG, RUNS, run_version, same_run
from restoration.run_lock import RunFolder, refuse_used
from restoration.support.files import find
from restoration.support.quiet import quiet
from restoration.task import DeepImagePrior

SMALLER = "take configs/net/low.yaml, or a smaller picture"


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
            help="Folder of the run under lightning_logs/; by default the image and quality, which "
            "several images add to it.",
        )
        parser.add_argument(
            "--folder",
            type=str | None,
            default=None,
            help="The run's own directory; by default a new one under lightning_logs/.",
        )
        parser.add_argument(
            "--rules",
            type=list[callbacks.BlindRule],
            default=[],
            help="Rules that choose a step without the truth, see configs/rules.yaml.",
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

    def instantiate_classes(self) -> None:
        """Put the model's options into its checkpoints, from which it can be built anew."""
        run_loggers.with_own_defaults(self.config[self.subcommand].trainer.logger)
        super().instantiate_classes()
        self._dump_config()
        options = self.config_dump["model"]  # plain values: nothing else is loaded again
        builder = {"_instantiator": "lightning.pytorch.cli.instantiate_module"}
        self.model.save_hyperparameters(options | builder)

    def _parse_ckpt_path(self) -> None:
        """Leave the options as given: Lightning would let a checkpoint's override them."""

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Read the image first, so that unusable input leaves no empty run behind; then log."""
        self.datamodule.setup("fit")
        options, given = self.config[self.subcommand], self.config_init[self.subcommand].trainer
        check_trainer(options.trainer)
        several = self.datamodule.several
        if several:
            if str(options.trainer.devices) != str(several):
                raise RestorationError(
                    f"{several} images need as many devices: --trainer.devices {several}"
                )
            if options.folder:
                raise RestorationError("--folder is that of one image; there are several")
            kwargs["strategy"] = IndependentStrategy()
        if options.folder:
            self.folder = Path(options.folder)
        else:
            runs = Path(options.trainer.default_root_dir or ".") / RUNS
            # of several images each has runs of its own, to go on with
            parts = [options.name] if options.name else []
            parts += [self.datamodule.run_name] if several or not parts else []
            self._dump_config()
            resumed = self.config_dump if options.ckpt_path == "last" else {}
            claims = bool(several) or local_rank() == 0
            own = runs.joinpath(*parts)
            self.folder = own / run_version(own, resumed, claims)
        kwargs["default_root_dir"] = str(self.folder)  # where a run without logger lands
        if given.logger in (None, True):
            kwargs["logger"] = TensorBoardLogger(
                self.folder.parent, name="", version=self.folder.name
            )
        elif given.logger:
            loggers, classes = (
                x if isinstance(x, list) else [x] for x in (given.logger, options.trainer.logger)
            )
            kwargs["logger"] = run_loggers.in_folder(loggers, classes, self.folder)
        plugins = given.plugins or []
        plugins = plugins if isinstance(plugins, list) else [plugins]
        kwargs["plugins"] = [*plugins, callbacks.AtomicCheckpointIO()]
        try:
            return super().instantiate_trainer(**kwargs)
        except Exception as error:
            with suppress(OSError):
                self.folder.rmdir()  # nothing ran in it
            told = " ".join(str(error).split())
            if type(error) in (ValueError, TypeError) and "Requirement '" not in told:
                raise RestorationError(f"the trainer: {told}") from error
            raise

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Callback]) -> Trainer:
        """Leave out callbacks that the trainer's switches turn off; put the user's own after ours.

        So they see what was smoothed and measured, and what they add is recorded.
        """
        off: tuple[type[Callback], ...] = ()
        if config.get("enable_progress_bar") is False:
            off += (ProgressBar,)
        if config.get("enable_checkpointing") is False:
            off += (Checkpoint,)
        kept = [c for c in callbacks if not isinstance(c, off)]
        if Checkpoint in off:
            kept.append(CleanEnd())
        first = next(i for i, c in enumerate(kept) if isinstance(c, Curves))  # which records them
        own, config["callbacks"] = config.get("callbacks") or [], None
        own = own if isinstance(own, list) else [own]
        kept[first:first] = [*self.config_init[self.subcommand].rules, *own]
        check_rules(kept, self.config_init[self.subcommand].result.keep)
        return super()._instantiate_trainer(config, kept)

    def before_fit(self) -> None:
        """Resolve ``--ckpt_path last`` to the checkpoint of this very run.

        Raises:
            RestorationError: the folder given is that of another run, or holds this one and it is
                not to go on.
        """
        options = self.config_init[self.subcommand]
        if options.ckpt_path is None:
            refuse_used(self.folder)
        if options.ckpt_path == "last":
            path = self.folder / CHECKPOINT
            self._dump_config()
            if path.exists() and not same_run(self.folder / CONFIG, self.config_dump):
                raise RestorationError(
                    f"{self.folder} holds a run of another configuration; give another --folder"
                )
            options.ckpt_path = str(path) if path.exists() else None
            if not path.exists():
                print(
                    f"no checkpoint to go on from: starting anew in {self.folder}", file=sys.stderr
                )

    def after_fit(self) -> None:
        """Wait for the runs of other images, once this one's result is written.

        Raises:
            RestorationError: one failed; it has said why on stderr.
        """
        strategy = self.trainer.strategy
        if isinstance(strategy, IndependentStrategy) and not strategy.wait():
            raise RestorationError("the run of another image failed")


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


def fit(arguments: list[str]) -> None:
    """Run ``restoration fit`` with the given arguments.

    Raises:
        RestorationError: unusable input.
        Interrupted: the user stopped the run.
        SystemExit: wrong usage (2), or help was asked for (0).
    """
    # LightningCLI warns when it is given arguments while there are others on the command line
    sys.argv[1:] = ["fit", *with_shipped_configs(arguments)]
    allow_tf32 = torch.backends.cudnn.allow_tf32  # which losses with SURE change for their run
    try:
        with quiet(), enough_memory("the run", SMALLER):
            FitCLI(
                DeepImagePrior,
                SingleImage,
                parser_class=FitParser,
                seed_everything_default=0,
                auto_configure_optimizers=False,
                parser_kwargs={"prog": "restoration"},
                trainer_class=run_loggers.OneFolder,
                save_config_callback=RunFolder,
                save_config_kwargs={"save_to_log_dir": False},
                trainer_defaults={
                    "devices": 1,  # all GPUs for one image only when asked for
                    "logger": run_loggers.DEFAULT,
                    "max_epochs": -1,  # max_steps alone ends a run
                    "num_sanity_val_steps": 0,
                    "enable_model_summary": False,
                    "use_distributed_sampler": False,
                },
            )
    except MisconfigurationException as error:
        raise RestorationError(" ".join(str(error).split())) from error
    except ModuleNotFoundError as error:
        raise RestorationError(f"{error}: install what the option needs") from error
    except ValueError as error:
        if missing := re.search("Requirement '(.+?)' not met", str(error)):
            raise RestorationError(f"the option needs {missing[1]}, which is missing") from error
        if "not in bounds" not in str(error):  # what Lightning says of seeds
            raise
        raise RestorationError("--seed_everything must lie within 0 and 4294967295") from error
    finally:
        torch.backends.cudnn.allow_tf32 = allow_tf32
