"""One run of a grid, in whatever process an engine gives it."""

from __future__ import annotations

import contextlib
import io
import json
import time
import traceback
from dataclasses import dataclass, replace

import yaml
from filelock import FileLock, Timeout

from restoration.errors import DivergenceError, Interrupted, RestorationError
from restoration.experiments.runs import Run
from restoration.run_folder import CHECKPOINT, GIVEN, LABELS, LOCK, RESULT
from restoration.support.files import write_atomically


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        identity: Identity of the run.
        error: What went wrong, in one line; None for a finished run.
        seconds: Duration from start to end.
        details: Traceback of an error that nobody foresaw.
        held: Whether another process works on the run, so that nothing was done.
        refused: Whether its settings are wrong, so that no further attempt can help.
    """

    identity: str
    error: str | None
    seconds: float
    details: str = ""
    held: bool = False
    refused: bool = False


def attempt(run: Run) -> Outcome:
    """Run ``restoration fit`` as configured, unless another process does.

    A lock in the run's folder, which dies with its holder, keeps all others from the run.

    Errors are returned, not raised. What went wrong may be in the checkpoint: after a divergence,
    and after an error of an attempt that went on from one, the next attempt starts anew. Else it
    goes on, as after a process that was killed.

    Raises:
        Interrupted: The user stopped it; the checkpoint is written.
    """
    began = time.monotonic()
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(run.folder / LOCK, blocking=False, is_singleton=True):
            outcome = Outcome(run.identity, None, 0.0) if run.finished else attempt_alone(run)
    except Timeout:
        return Outcome(run.identity, None, 0.0, held=True)
    except OSError as problem:
        outcome = Outcome(run.identity, f"cannot write {run.folder}: {problem.strerror}", 0.0)
    return replace(outcome, seconds=time.monotonic() - began)


def write_labels(run: Run) -> None:
    """Say in its folder what a run is, where that is not said yet."""
    path = run.folder / LABELS
    head = json.dumps({"identity": run.identity, "labels": run.labels}, indent=2).encode()
    if not path.exists() or path.read_bytes() != head:
        write_atomically(path, head)


def attempt_alone(run: Run) -> Outcome:
    """Run a run whose lock is held; the time is not taken."""
    from restoration.cli import fit  # imports torch and lightning: seconds

    error, details, said, anew, refused = None, "", io.StringIO(), False, False
    try:
        for left_by_a_kill in run.folder.glob(".*.tmp"):
            left_by_a_kill.unlink()
        write_labels(run)
        write_atomically(run.folder / GIVEN, yaml.safe_dump(run.config).encode())
        arguments = ["--config", str(run.folder / GIVEN), "--folder", str(run.folder)]
        arguments += ["--trainer.enable_progress_bar", "false"]
        checkpoint = run.folder / CHECKPOINT
        if (run.folder / RESULT).exists():  # it or the curves are damaged: the run begins anew
            (run.folder / RESULT).unlink()
            checkpoint.unlink(missing_ok=True)
        if checkpoint.exists():
            anew = True  # if this fails, too
            arguments += ["--ckpt_path", str(checkpoint)]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            fit(arguments)
    except Interrupted:
        raise
    except SystemExit as end:
        refused = end.code == 2  # wrong usage
        error = (said.getvalue().strip().splitlines() or ["it ended without a word"])[-1]
    except RestorationError as problem:
        error = str(problem)
        anew = anew or isinstance(problem, DivergenceError)
    except Exception as problem:  # whatever it is, the other runs go on
        details = traceback.format_exc()
        error = f"{type(problem).__name__}: {' '.join(str(problem).split())}"
    if error is not None and anew:
        with contextlib.suppress(OSError):
            (run.folder / CHECKPOINT).unlink(missing_ok=True)
    return Outcome(run.identity, error, 0.0, details, refused=refused)
