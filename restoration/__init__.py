"""Make a badly compressed JPEG better without ever seeing the original.

``restoration.restore("photo.jpg")`` returns the restored image and a report on it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from restoration.public import restore

__all__ = ["restore"]


def __getattr__(name: str) -> Any:
    """Import ``restore`` when it is asked for: torch takes seconds to import."""
    if name == "restore":
        from restoration.public import restore

        return restore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
