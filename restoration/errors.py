"""The exceptions that a user is meant to read."""


class RestorationError(ValueError):
    """What is wrong with the user's input and what to do about it, in one line.

    The command line prints the message on stderr, without a traceback, and exits with 1.
    """


class UsageError(RestorationError):
    """Options that contradict each other; the command line exits with 2."""


class DivergenceError(RestorationError):
    """An optimisation whose loss is no longer a number."""


class Interrupted(Exception):  # noqa: N818 - not an error
    """The user stopped a run; the message says what there is and how to go on."""
