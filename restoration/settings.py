"""How pictures are restored, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from restoration.errors import RestorationError
from restoration.metrics import Scores
from restoration.presets import PRESETS


@dataclass(frozen=True)
class Settings:
    """How a picture is restored; see ``restore``.

    Attributes:
        preset: name of the recipe, or None for the usual one.
        seed: Seed of all randomness.
        device: "cpu", "cuda", "mps" or "auto".
        tile: side of the tiles in which networks are applied.
        history: "auto" or "none".
        quality: to restore as if saved at this JPEG quality.
        network: path of the library whose network restores the picture.
        budget: seconds, from which the recipe follows instead of from a preset; or None.
        strength: 0 to 1, from the picture itself to the restored one.
    """

    preset: str | None
    seed: int
    device: str
    tile: int | None
    history: str
    quality: int | None
    network: str | Path | None
    budget: float | None = None
    strength: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what there is not.

        Raises:
            RestorationError: no such history, or a strength out of its range.
        """
        if self.history not in ("auto", "none"):
            raise RestorationError(f"no history {self.history!r}; there are auto and none")
        if not 0 <= self.strength <= 1:
            raise RestorationError(f"the strength must lie within 0 and 1, not {self.strength}")


@dataclass(frozen=True)
class Report:
    """What was done to one file.

    Attributes:
        size: width and height in pixels, upright.
        quality: JPEG quality, estimated from the luma table.
        preset: name of the recipe.
        seed: Seed of all randomness.
        seconds: from reading to the restored pixels.
        history: the compressions that were found, the first one first; None if there is only that
            of the file.
        jpeg: how far the picture is from the truth, where that was given.
        restored: how far the result is from the truth, where that was given.
        damage: what is missing of the picture, in a few words; None where it is whole.
        colours: what became of colours that are neither YCbCr nor grey; None where they are.
    """

    size: tuple[int, int]
    quality: int | None
    preset: str
    seed: int
    seconds: float
    history: str | None = None
    jpeg: Scores | None = None
    restored: Scores | None = None
    damage: str | None = None
    colours: str | None = None


def recipe_of(settings: Settings) -> str:
    """Name the preset: the one that is set, or the usual one.

    Raises:
        RestorationError: there is none of that name, or a budget beside it.
    """
    if settings.budget is not None and settings.preset is not None:
        raise RestorationError("give a preset or a budget, not both")
    swift = settings.network is not None or settings.budget is not None
    recipe = settings.preset or ("fast" if swift else "balanced")
    if recipe not in PRESETS:
        raise RestorationError(f"no preset {recipe!r}; there are {', '.join(PRESETS)}")
    return recipe
