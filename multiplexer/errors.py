"""Errors of the multiplexer.

- MultiplexerError
    - DatabaseLost: the database cannot be reached, or was lost under way
    - TermEnded: another multiplexer leads
    - BatchFailed: a batch was rolled back as a whole
    - RenderFailed: a store cannot be rendered
    - EngineUnfit: the engine in the database and this multiplexer do not go together
    - SettingsError: the environment does not say what is needed
"""


class MultiplexerError(Exception):
    """Base of all errors of the multiplexer."""


class DatabaseLost(MultiplexerError):
    """The database cannot be reached; what was under way may or may not be committed."""


class TermEnded(MultiplexerError):
    """Another multiplexer leads now: nothing of this one is committed any more."""


class BatchFailed(MultiplexerError):
    """A batch was rolled back as a whole, by a fault that no subtransaction catches.

    Args:
        reason: What Postgres said; for the log.
        transient: Whether the same batch can go well the next time (a lock, a full disk), or something in it
            does not let it (a timeout, above all).

    """

    def __init__(self, reason: str, *, transient: bool) -> None:
        super().__init__(reason)
        self.transient = transient


class RenderFailed(MultiplexerError):
    """A store cannot be rendered.

    Args:
        key: The store key.
        reason: What Postgres said; for the log, never for a client.
        code: What clients are told (docs/protocol.md §6).
        transient: Whether it may well be rendered the next time (a lock, a deploy).

    """

    def __init__(self, key: str, reason: str, *, code: str = "failed", transient: bool = False) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason
        self.code = code
        self.transient = transient


class EngineUnfit(MultiplexerError):
    """The engine in the database and this multiplexer do not go together, or there is no engine."""


class SettingsError(MultiplexerError):
    """The environment does not say what is needed."""
