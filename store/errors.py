"""The errors Loupe raises on purpose: each says what was expected, what came, and what to do."""


class LoupeError(Exception):
    """Any problem a person can act on; its text is shown as it is, without a traceback."""


class BadInput(LoupeError, ValueError):
    """A recipe, file, upload or address does not hold what it must."""


class Missing(LoupeError, FileNotFoundError):
    """Something asked for by name is not there."""


class Corrupt(LoupeError, OSError):
    """A stored shard is marked finished but is missing, short or different."""


class Busy(LoupeError, RuntimeError):
    """Another process is doing this already."""


class NoSpace(LoupeError, OSError):
    """The disk or bucket takes no more; what was finished is safe."""


class Unanswered(LoupeError, ConnectionError):
    """The store does not answer, or not as it should; what was finished is safe."""


class Forbidden(LoupeError, PermissionError):
    """This person may not do that here."""
