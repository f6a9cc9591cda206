"""Untrained networks: the deep image prior's hourglass, and the one that learns corrections."""

from restoration.networks.hourglass import Hourglass, Level

__all__ = ["Hourglass", "Level"]
