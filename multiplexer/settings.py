"""What a multiplexer can be told from outside."""

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.errors import BadAddress
from broker.redis_connection import check_address
from broker.secret_files import with_secrets
from broker.watching import Watching, read_watching

from .errors import SettingsError

MAX_PORT = 65_535
BATCH = 60
"""More than 64 writing subtransactions in one transaction overflow a backend's cache."""
DATABASE_SCHEMES = ("postgresql://", "postgres://")

NAMES = frozenset({"DATABASE_URL", "REDIS_URL", "FLUXWIRE_NAMESPACE", "FLUXWIRE_HOST", "FLUXWIRE_STATUS_PORT"})
"""The names of all settings but those of ``broker.watching``."""


def _own_name() -> str:
    # The process number for whoever looks for it; the rest because numbers are used again.
    return f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one multiplexer; all durations are in seconds."""

    database_url: str
    redis_url: str
    namespace: str = "fluxwire"
    """Prefix of every key on the buses."""
    host: str = "127.0.0.1"
    """Where to tell how it is; FLUXWIRE_HOST."""
    status_port: int | None = None
    """The port for that; None: nowhere. FLUXWIRE_STATUS_PORT."""
    watching: Watching = field(default_factory=Watching)
    name: str = field(default_factory=_own_name)
    """Unique among all multiplexers that ever lived."""
    batch: int = BATCH
    """Most actions in one transaction."""
    action_timeout: float = 5.0
    """How long a batch may run; an action that takes longer alone is refused."""
    render_timeout: float = 5.0
    """How long rendering and opening may take, for each query."""
    most_bytes: int = 4 * 1024 * 1024
    """Most bytes of a document as JSON; one that is larger is ``store_too_large``."""
    heartbeat: float = 0.4
    """How often a leader gives a sign of life, and a standby looks for it."""
    follow: float = 5.0
    """How often it is looked whether partitions of watched tables have come or gone."""
    patience: float = 1.5
    """After how long a silence a standby takes the lead."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings, once.

        Raises:
            SettingsError: Something is missing or makes no sense; the text names every fault, one a line.

        """
        environment, faults = with_secrets(environment)
        database_url, redis_url = environment.get("DATABASE_URL", ""), environment.get("REDIS_URL", "")
        if not database_url.startswith(DATABASE_SCHEMES):
            said = "is not set" if not database_url else "is no DSN: it begins with postgresql://"
            faults.append(f"DATABASE_URL {said}")
        try:
            check_address(redis_url)
        except BadAddress as exc:
            faults.append(f"REDIS_URL is no address of a Redis: {exc}" if redis_url else "REDIS_URL is not set")
        port = environment.get("FLUXWIRE_STATUS_PORT", "")
        if port and not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
            faults.append(f"FLUXWIRE_STATUS_PORT must be a number from 0 to {MAX_PORT}, not {port!r}")
        watching, unfit = read_watching(environment)
        faults += unfit
        if faults:
            raise SettingsError("\n".join(faults))
        return cls(
            database_url=database_url,
            redis_url=redis_url,
            namespace=environment.get("FLUXWIRE_NAMESPACE") or "fluxwire",
            host=environment.get("FLUXWIRE_HOST") or "127.0.0.1",
            status_port=int(port) if port else None,
            watching=watching,
        )
