"""Restoration without a network: what a file tells of its own errors is filtered away."""
