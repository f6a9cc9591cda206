"""Networks: the deep image prior's hourglass, the one that corrects, and that of libraries."""

from restoration.networks.hourglass import Hourglass

__all__ = ["Hourglass"]
