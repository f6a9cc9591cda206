"""Make a badly compressed JPEG better without ever seeing the original.

A file in, a better picture and a report out:

```python
import restoration

image, report = restoration.restore("photo.jpg", preset="fast")
image.save("photo.png", icc_profile=image.info.get("icc_profile"), exif=image.info.get("exif"))
```

Many files, with the processes of one pool:

```python
for path, image, report in restoration.restore_many(["a.jpg", "b.jpg"]):
    print(path, report)  # the error where image is None
```

What a user can get wrong is a `RestorationError`, a `ValueError` whose message is one line. To fit
the paper's network from Python see `restoration.task.DeepImagePrior`; for losses, networks, rules
and inputs of your own `restoration.losses`, `restoration.networks`, `restoration.callbacks` and
`restoration.inputs`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from restoration.errors import RestorationError
from restoration.support.cpu_settings import set_waiting

if TYPE_CHECKING:
    from restoration.many import restore_many
    from restoration.public import restore
    from restoration.restoring import Restored
    from restoration.settings import Report

    __version__: str

__all__ = ["Report", "RestorationError", "Restored", "__version__", "restore", "restore_many"]
PLACES = {
    "restore": "public",
    "restore_many": "many",
    "Restored": "restoring",
    "Report": "settings",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for, then: torch takes seconds to import."""
    value: Any
    if name in PLACES:
        set_waiting()  # beside other work it is several times as fast; torch reads it at its import
        value = getattr(import_module(f"restoration.{PLACES[name]}"), name)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("restoration")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value  # from now on it is found without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
