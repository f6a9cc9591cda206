"""Networks: the deep image prior's hourglass, the one that corrects, and that of libraries."""

from restoration.networks.hourglass import Hourglass, Level

__all__ = ["Hourglass", "Level"]
