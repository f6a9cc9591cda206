"""The runs of a grid: what each is, and which are one."""

from __future__ import annotations

import glob
import hashlib
import itertools
import json
import os
import re
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from restoration.errors import RestorationError
from restoration.experiments.configurations import Config, has, merged, read_config, read_part
from restoration.experiments.grid import Grid
from restoration.run_folder import is_finished
from restoration.support.files import find, safe_name

WEIGHT = ("model", "loss", "init_args", "weight")
DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")  # a name such as mine.Charbonnier
INSTALLED = {  # where code lies that is not looked at
    Path(place).resolve()
    for name, place in sysconfig.get_paths().items()
    if name in ("stdlib", "platstdlib", "purelib", "platlib")
}


@dataclass(frozen=True)
class Run:
    """One run of a grid.

    Attributes:
        labels: image, quality, network, skips, loss, weight, reading, seed and steps, for tables,
            and a digest of the settings that all runs of the grid share, but for their steps.
        config: all that the run's YAML says.
        identity: hash of the configuration, of the image's content, and of own code.
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
        RestorationError: an image or a configuration is missing, two images or two runs cannot be
            told apart, or a lambda is set that ``weights`` tells.
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
    code = cache(own_code)  # the same files for many runs
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
                if has(grid.set, WEIGHT):
                    raise RestorationError(
                        f"set must not hold {'.'.join(WEIGHT)}; weights is for it"
                    )
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
                runs.append(run_of(labels, whole, image, content, output, code))
    refuse_equal(runs)
    return runs


def refuse_equal(runs: Sequence[Run]) -> None:
    """Refuse runs that are one but for their labels: one of them would be left out in silence.

    Raises:
        RestorationError: there are two.
    """
    known: dict[str, Run] = {}
    for run in runs:
        other = known.setdefault(run.identity, run)
        if other.labels != run.labels:
            names = " and ".join(
                f"{key} {other.labels[key]}, {value}"
                for key, value in run.labels.items()
                if other.labels[key] != value
            )
            raise RestorationError(f"{names}: both are the same run; leave one of them out")


def run_of(
    labels: dict[str, Any],
    config: Config,
    image: Path,
    content: str,
    output: Path,
    code: Callable[[str], list[str]],
) -> Run:
    """Name one run by what it is: configuration without the image's place, own code, and content.

    A loss whose code was changed is another.

    Args:
        labels: of the run.
        config: all that its YAML says but the image.
        image: the file.
        content: its hash.
        output: the folder of all runs.
        code: see ``own_code``.
    """
    hashes = {part for name in set(packages(config)) for part in code(name)}
    identity = digest([config, content, *sorted(hashes)])
    name = labels["network"] + ("" if labels["skips"] else "-no_skips") + "-" + labels["loss"]
    if labels["weight"] is not None:
        name += f"-{labels['weight']:g}"
    place = safe_name(f"{labels['image']}-q{labels['quality']}")
    folder = output / place / safe_name(f"{name}-{identity}")
    config = merged(config, {"data": {"image": str(image.resolve())}})
    return Run(labels, config, identity, folder)


def digest(content: Any) -> str:
    """Hash what JSON can hold, whatever the order of its keys."""
    canonical = json.dumps(content, sort_keys=True, default=str)  # YAML has dates, too
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def packages(config: Any) -> Iterator[str]:
    """Yield the first parts of all dotted names in a configuration, but for this package's."""
    if isinstance(config, str) and DOTTED.fullmatch(config):
        if (name := config.partition(".")[0]) != "restoration":
            yield name
    elif isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from packages(part)


def own_code(name: str) -> list[str]:
    """Hash the files of a module or package; none of one that is installed or not there.

    Of a package all files count, whatever names it gives on; nothing is imported.
    """
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # the run will tell
        return []
    if spec is None:
        return []
    folders = spec.submodule_search_locations
    paths = [Path(p) for p in folders or filter(None, [spec.origin])]
    if any(path.resolve().is_relative_to(place) for path in paths for place in INSTALLED):
        return []
    files = [file for p in paths for file in (p.rglob("*.py") if folders else [p])]
    return [hashlib.sha256(f.read_bytes()).hexdigest() for f in files if f.is_file()]
