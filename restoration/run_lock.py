"""One process works in the folder of a run, and none begins where another has been."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from restoration.callbacks.order import directory_of
from restoration.errors import RestorationError
from restoration.run_folder import CHECKPOINT, CONFIG, LOCK, RESULT
from restoration.support.files import write_atomically


class RunFolder(SaveConfigCallback):
    """Keep others from the run's folder, and save there the configuration that makes it anew.

    That is one without a checkpoint to go on from, and without this very folder.
    """

    lock: FileLock | None = None  # while it is held

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the folder.

        Raises:
            RestorationError: another process works in it, or it cannot be written.
        """
        self.folder = folder = directory_of(trainer)  # every rank must ask
        if trainer.is_global_zero:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                # that of a sweep in this process counts as ours
                lock = FileLock(folder / LOCK, blocking=False, is_singleton=True)
                lock.acquire()
            except Timeout as error:
                raise RestorationError(f"another process works in {folder}") from error
            except OSError as error:
                raise RestorationError(f"cannot write {folder}: {error.strerror}") from error
            self.lock = lock
        super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the configuration whole or not at all."""
        config = self.config.clone()
        config.ckpt_path = config.folder = None
        text = self.parser.dump(config, skip_none=False)
        write_atomically(self.folder / CONFIG, text.encode())

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the folder to others."""
        self.release()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Leave the folder to others."""
        self.release()

    def release(self) -> None:
        """Give the lock back, once: a sweep in this process may go on holding it."""
        lock, self.lock = self.lock, None
        if lock is not None:
            lock.release()


def refuse_used(folder: Path) -> None:
    """Refuse to begin where a run has left something.

    Raises:
        RestorationError: there is a checkpoint, which would be taken for that of the new run, or a
            result.
    """
    left = next((name for name in (CHECKPOINT, RESULT) if (folder / name).exists()), None)
    if left is not None:
        raise RestorationError(
            f"{folder} holds a run ({left}): go on with --ckpt_path last, or give another --folder"
        )
