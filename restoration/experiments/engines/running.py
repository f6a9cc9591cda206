"""One run of a grid, in whatever process an engine gives it."""

from __future__ import annotations

import contextlib
import io
import json
import time
import traceback
from dataclasses import dataclass

import yaml

from restoration.errors import Interrupted, RestorationError
from restoration.experiments.grid import Run
from restoration.run_folder import CHECKPOINT, GIVEN, LABELS
from restoration.support.files import write_atomically


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        identity: the run's.
        error: what went wrong, in one line; None for a finished run.
        seconds: from start to end.
        details: the traceback of an error that nobody foresaw.
    """

    identity: str
    error: str | None
    seconds: float
    details: str = ""


def attempt(run: Run) -> Outcome:
    """Run ``restoration fit`` as configured, from the last checkpoint if there is one.

    Errors are returned, not raised. After an error the next attempt starts anew: what went wrong
    may be in the checkpoint. A process that is killed leaves the checkpoint to the next.

    Raises:
        Interrupted: the user stopped it; the checkpoint is written.
    """
    from restoration.cli import fit  # imports torch and lightning: seconds

    began = time.monotonic()
    error, details, said = None, "", io.StringIO()
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        head = {"identity": run.identity, "labels": run.labels}
        write_atomically(run.folder / LABELS, json.dumps(head, indent=2).encode())
        write_atomically(run.folder / GIVEN, yaml.safe_dump(run.config).encode())
        arguments = ["--config", str(run.folder / GIVEN), "--folder", str(run.folder)]
        arguments += ["--trainer.enable_progress_bar", "false"]
        checkpoint = run.folder / CHECKPOINT
        if checkpoint.exists():
            arguments += ["--ckpt_path", str(checkpoint)]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            fit(arguments)
    except Interrupted:
        raise
    except SystemExit:
        error = said.getvalue().strip().splitlines()[-1]
    except RestorationError as problem:
        error = str(problem)
    except Exception as problem:  # whatever it is, the other runs go on
        details = traceback.format_exc()
        error = f"{type(problem).__name__}: {' '.join(str(problem).split())}"
    if error is not None:
        with contextlib.suppress(OSError):
            (run.folder / CHECKPOINT).unlink(missing_ok=True)
    return Outcome(run.identity, error, time.monotonic() - began, details)
