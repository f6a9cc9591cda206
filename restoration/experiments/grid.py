"""A grid of runs: images x qualities x networks x skips x losses x weights x seeds."""

from __future__ import annotations

import difflib
import glob
import hashlib
import itertools
import json
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from restoration.errors import RestorationError
from restoration.experiments.configurations import Config, has, merged, read_config, read_part
from restoration.run_folder import is_finished
from restoration.support.files import find, safe_name
from restoration.support.usage import plain

# What the labels of runs say, so that no setting over all of them may be something else
OWNED = {
    ("seed_everything",): "seeds",
    ("data", "image"): "images",
    ("data", "quality"): "qualities",
    ("model", "net", "class_path"): "networks",
    ("model", "net", "init_args", "skips"): "skips",
    ("model", "loss", "class_path"): "losses",
    ("model", "loss", "init_args", "weight"): "weights",
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


@dataclass(frozen=True)
class Run:
    """One run of a grid.

    Attributes:
        labels: image, quality, network, skips, loss, weight, reading, seed and steps, for tables,
            and a digest of the settings that all runs of the grid share, but for their steps.
        config: all that the run's YAML says.
        identity: hash of the configuration and of the image's content.
        folder: the run's own.
    """

    labels: dict[str, Any]
    config: Config
    identity: str
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether a result is there that can be read; it is written last."""
        return is_finished(self.folder)


def read_grid(path: str, settings: list[str]) -> Grid:
    """Read a sweep's YAML and set some of its keys anew.

    Args:
        path: of the file, or of one shipped with the package.
        settings: KEY=VALUE, the value in YAML.

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
            content[key] = yaml.safe_load(value)
    except (OSError, UnicodeDecodeError) as error:
        raise RestorationError(f"cannot read {path}: {error}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise RestorationError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    return checked(content, path)


def checked(content: Config, path: str) -> Grid:
    """Build the grid, once its keys and the types of its values are those of ``Grid``.

    Raises:
        RestorationError: they are not, a list is empty, or the runs' settings are no mapping.
    """
    known = [f.name for f in fields(Grid)]
    for key, value in content.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            raise RestorationError(f"{path}: unknown key {key}{hint}")
        if value == [] or (value is None and key != "reading"):
            raise RestorationError(f"{path}: {key} must not be empty")
    for keys, axis in OWNED.items():
        if has(content.get("set"), keys):
            raise RestorationError(f"{path}: set must not hold {'.'.join(keys)}; {axis} is for it")
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
    return grid


def images_of(grid: Grid, root: Path) -> list[Path]:
    """Resolve names and patterns under the data root, sorted by name.

    Raises:
        RestorationError: one matches nothing.
    """
    found: dict[Path, None] = {}
    for name in grid.images:
        paths = [Path(p) for p in sorted(glob.glob(glob.escape(str(root)) + os.sep + name))]
        if not paths and find(name).is_file():
            paths = [find(name)]  # shipped with the package
        if not paths:
            raise RestorationError(f"no image {name} in {root}; --data-root is where images lie")
        found |= dict.fromkeys(paths)
    return list(found)


def contents_of(images: list[Path]) -> list[str]:
    """Hash the images.

    Raises:
        RestorationError: two have one name, by which reports tell them, or one content, by which
            runs do; so that this is known before days of work.
    """
    by_name: dict[str, Path] = {}
    by_content: dict[str, Path] = {}
    for image in images:
        other = by_name.setdefault(image.stem, image)
        if other != image:
            raise RestorationError(f"{other} and {image} have one name; rename one of them")
        content = hashlib.sha256(image.read_bytes()).hexdigest()
        other = by_content.setdefault(content, image)
        if other != image:
            raise RestorationError(f"{other} and {image} are one picture; leave one of them out")
    return list(by_content)


def runs_of(grid: Grid, root: Path, output: Path) -> list[Run]:
    """List the runs of a grid: image by image, so that whole images are done first.

    Raises:
        RestorationError: an image or a configuration is missing, or two images cannot be told
            apart.
    """
    runs = []
    base: Config = {}
    for path in grid.configs:
        base = merged(base, read_config(path))
    settings = digest([base, merged(grid.set, {"trainer": {"max_steps": None}})])  # labels tell it
    networks = {n: read_part("net", n) for n in grid.networks}
    losses = {n: read_part("loss", n) for n in grid.losses}
    reading = read_config(f"configs/reading/{grid.reading}.yaml") if grid.reading else {}
    images = images_of(grid, root)
    for image, content in zip(images, contents_of(images), strict=True):
        axes = (grid.qualities, grid.networks, grid.skips, grid.losses, grid.seeds)
        for quality, network, skips, loss, seed in itertools.product(*axes):
            config = merged(merged(base, networks[network]), losses[loss])
            if not skips:
                there = config["model"]["net"].get("init_args", {}).get("skips")
                if there is None:
                    raise RestorationError(f"the network {network} has no skips to leave out")
                none = [0] * len(there)
                config = merged(config, {"model": {"net": {"init_args": {"skips": none}}}})
            combined = config["model"]["loss"]["class_path"].endswith("WeightedSum")
            if combined:
                config = merged(config, reading)
            for weight in grid.weights if combined else [None]:
                labels = {
                    "image": image.stem,
                    "quality": quality,
                    "network": network,
                    "skips": skips,
                    "loss": loss,
                    "weight": weight,
                    "reading": grid.reading if combined else None,
                    "seed": seed,
                    "settings": settings,
                }
                own: Config = {"seed_everything": seed, "data": {"quality": quality}}
                if weight is not None:
                    own["model"] = {"loss": {"init_args": {"weight": float(weight)}}}
                whole = merged(merged(config, own), grid.set)
                labels["steps"] = (whole.get("trainer") or {}).get("max_steps")
                runs.append(run_of(labels, whole, image, content, output))
    return runs


def run_of(labels: dict[str, Any], config: Config, image: Path, content: str, output: Path) -> Run:
    """Name one run by what it is: the configuration without the image's place, and its content."""
    identity = digest([config, content])
    name = labels["network"] + ("" if labels["skips"] else "-no_skips") + "-" + labels["loss"]
    if labels["weight"] is not None:
        name += f"-{labels['weight']:g}"
    place = safe_name(f"{labels['image']}-q{labels['quality']}")
    folder = output / place / safe_name(f"{name}-{identity}")
    config = merged(config, {"data": {"image": str(image.resolve())}})
    return Run(labels, config, identity, folder)


def digest(content: Any) -> str:
    """Hash what JSON can hold, whatever the order of its keys."""
    canonical = json.dumps(content, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]
