"""The same functions as the readable network, faster on a CPU."""
