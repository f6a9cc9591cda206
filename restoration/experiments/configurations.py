"""The configurations that the runs of a grid are made of, laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from restoration.errors import RestorationError
from restoration.support.files import find

Config = dict[str, Any]


def merged(under: Config, over: Config) -> Config:
    """Lay one configuration over another, key by key; lists are replaced."""
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def read_config(path: str) -> Config:
    """Read one of the package's or the user's configurations.

    Raises:
        RestorationError: there is none, or it is no mapping in YAML.
    """
    try:
        content = yaml.safe_load(find(path).read_text())
    except OSError as error:
        raise RestorationError(f"there is no configuration {path}") from error
    except UnicodeDecodeError as error:
        raise RestorationError(f"{path} is no text in UTF-8: {error}") from error
    except yaml.YAMLError as error:
        raise RestorationError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict | None):
        raise RestorationError(f"{path} is no mapping of settings")
    return long_form(content or {}, path)


def long_form(config: Any, path: str) -> Any:
    """Write out the classes of a configuration that are written the short way.

    Raises:
        RestorationError: its model is no mapping.
    """
    model = config.get("model") if isinstance(config, dict) else None
    if model is None:
        return config
    if not isinstance(model, dict):
        raise RestorationError(f"{path}: model must hold settings, not {model!r}")
    parts = {
        part: {"class_path": model[part]}
        for part in ("net", "loss")
        if isinstance(model.get(part), str)
    }
    return config | {"model": model | parts}


def read_part(part: str, name: str) -> Config:
    """Read the configuration of a network or loss.

    Raises:
        RestorationError: there is none, or it names no class.
    """
    path = f"configs/{part}/{name}.yaml"
    config = read_config(path)
    if not has(config, ("model", part, "class_path")):
        raise RestorationError(f"{path} names no class for model.{part}")
    return config


def has(settings: Any, keys: Sequence[str]) -> bool:
    """Whether settings hold something at a place, given by the keys that lead there."""
    for key in keys:
        if not isinstance(settings, dict) or key not in settings:
            return False
        settings = settings[key]
    return True
