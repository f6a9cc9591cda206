"""What a sweep's YAML says: images x qualities x networks x skips x losses x weights x seeds."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, fields, replace

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from restoration.errors import RestorationError
from restoration.experiments.configurations import Config, has, long_form, merged
from restoration.support.files import find
from restoration.support.usage import plain

# What the labels of runs say, so that no setting over all of them may be something else
OWNED = {
    ("seed_everything",): "seeds",
    ("data", "image"): "images",
    ("data", "quality"): "qualities",
    ("model", "net", "class_path"): "networks",
    ("model", "net", "init_args", "skips"): "skips",
    ("model", "loss", "class_path"): "losses",
}


@dataclass(frozen=True)
class Grid:
    """What a sweep's YAML says.

    Attributes:
        images: names or patterns of lossless images under the data root.
        qualities: JPEG qualities.
        networks: names of files in configs/net/, without suffix.
        losses: names of files in configs/loss/.
        weights: lambda of the combined losses; of no meaning to the others, which run once.
        skips: whether the networks have skip connections: true, false or both.
        seeds: of all randomness.
        reading: of the combined losses, a name in configs/reading/; null is the default reading.
        configs: configurations under all runs, in order.
        set: settings over all runs, as in the YAML of a run.
    """

    images: list[str]
    qualities: list[int]
    networks: list[str]
    losses: list[str]
    weights: list[float] = field(default_factory=lambda: [10.0, 100.0])
    skips: list[bool] = field(default_factory=lambda: [True])
    seeds: list[int] = field(default_factory=lambda: [0])
    reading: str | None = None
    configs: list[str] = field(default_factory=lambda: ["configs/base.yaml", "configs/rules.yaml"])
    set: Config = field(default_factory=dict)


def read_grid(path: str, settings: list[str]) -> Grid:
    """Read a sweep's YAML and set some of its keys anew.

    Args:
        path: of the file, or of one shipped with the package.
        settings: KEY=VALUE, the value in YAML; set.trainer.max_steps=400 sets one number of many.

    Raises:
        RestorationError: the file cannot be read, or a key or value is wrong.
    """
    try:
        content = yaml.safe_load(find(path).read_text())
        content = content if isinstance(content, dict) else {}
        for setting in settings:
            key, equals, value = setting.partition("=")
            if not equals:
                raise RestorationError(f"--set {setting}: KEY=VALUE is wanted")
            whole, *inner = key.split(".")
            if "" in inner:
                raise RestorationError(f"--set {setting}: a part of {key} is empty")
            new = yaml.safe_load(value)
            for name in reversed(inner):
                new = {name: new}
            content = merged(content, {whole: new}) if inner else content | {whole: new}
    except (OSError, UnicodeDecodeError) as error:
        raise RestorationError(f"cannot read {path}: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise RestorationError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return checked(content, path)


def checked(content: Config, path: str) -> Grid:
    """Build the grid, once its keys and the types of its values are those of ``Grid``.

    Raises:
        RestorationError: they are not, a list is empty, a quality is none, or the runs' settings
            are no mapping or contradict what their labels say.
    """
    known = [f.name for f in fields(Grid)]
    for key, value in content.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise RestorationError(f"{path}: unknown key {key}{hint}")
        if value == [] or (value is None and key != "reading"):
            raise RestorationError(f"{path}: {key} must not be empty")
    needed = {f.name for f in fields(Grid) if f.default_factory is f.default}  # both are missing
    if missing := sorted(needed - content.keys()):
        raise RestorationError(f"{path}: missing {', '.join(missing)}")
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Grid)
    try:
        # not instantiated: classes that ``set`` names are made by each run
        grid: Grid = Grid(**parser.parse_object(content).as_dict())
    except (ArgumentError, TypeError, ValueError, RecursionError) as error:
        raise RestorationError(f"{path}: {plain(str(error), ())}") from error
    grid = replace(grid, set=long_form(grid.set, path))
    for keys, axis in OWNED.items():
        if has(grid.set, keys):
            raise RestorationError(f"{path}: set must not hold {'.'.join(keys)}; {axis} is for it")
    for quality in grid.qualities:
        if not 1 <= quality <= 100:
            raise RestorationError(f"{path}: a JPEG quality lies within 1 to 100, not {quality}")
    return grid
