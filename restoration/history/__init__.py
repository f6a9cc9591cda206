"""What a picture went through before it was saved last: earlier compressions, found and undone."""

from restoration.history.history import History, find_history

__all__ = ["History", "find_history"]
