"""All settings of a front, read from the environment once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.errors import BadAddress
from broker.redis_bus import MAX_PARCELS
from broker.redis_connection import check_address

from .drain import Pace
from .gates import SHORTEST_KEY

DEFAULT_PACE = Pace(rate=1000.0, seconds=20.0)


class BadSettings(Exception):
    """The environment does not make a front; the text names every fault, one a line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a front needs to know."""

    redis_url: str
    """Where the buses are, see ``broker.redis_connection``; REDIS_URL."""
    key: bytes
    """The secret that signs tokens; the content of FLUXWIRE_KEY_FILE."""
    namespace: str = "fluxwire"
    """Prefix of every Redis key; FLUXWIRE_NAMESPACE."""
    host: str = "127.0.0.1"
    """Where to listen; FLUXWIRE_HOST."""
    port: int = 8000
    """Shared with other fronts of this machine; FLUXWIRE_PORT."""
    web: Path | None = None
    """Folder of the built web client, served at ``/``; FLUXWIRE_WEB."""
    pace: Pace = DEFAULT_PACE
    """How fast clients are sent to other fronts at the end; FLUXWIRE_DRAIN_RATE, FLUXWIRE_DRAIN_SECONDS."""
    most_parcels: int = MAX_PARCELS
    """Parcels on the action bus from which on clients are told to wait; FLUXWIRE_BUS_PARCELS."""
    guests: bool = False
    """Whether ``POST /guest`` hands out tokens to anybody; FLUXWIRE_GUESTS=1."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environment: Usually ``os.environ``.

    Raises:
        BadSettings: Something is missing or makes no sense.

    """
    faults: list[str] = []

    redis_url = environment.get("REDIS_URL", "")
    try:
        check_address(redis_url)
    except BadAddress as exc:
        faults.append(f"REDIS_URL is no address of a Redis: {exc}")

    key = b""
    key_file = environment.get("FLUXWIRE_KEY_FILE", "")
    if not key_file:
        faults.append("FLUXWIRE_KEY_FILE must name the file with the secret that signs tokens")
    else:
        try:
            key = Path(key_file).read_bytes().strip()
        except OSError as exc:
            faults.append(f"FLUXWIRE_KEY_FILE {key_file} cannot be read: {exc.strerror}")
        else:
            if len(key) < SHORTEST_KEY:
                faults.append(f"FLUXWIRE_KEY_FILE {key_file} holds {len(key)} bytes, a key needs {SHORTEST_KEY}")

    # 0 lets the system choose.
    port = _number(environment, "FLUXWIRE_PORT", 8000, range(65_536), faults)
    most_parcels = _number(environment, "FLUXWIRE_BUS_PARCELS", MAX_PARCELS, range(1, 10**9), faults)

    web_text = environment.get("FLUXWIRE_WEB", "")
    web = Path(web_text) if web_text else None
    if web is not None and not web.is_dir():
        faults.append(f"FLUXWIRE_WEB {web_text} is no folder")

    guests = environment.get("FLUXWIRE_GUESTS", "0")
    if guests not in {"0", "1", ""}:
        faults.append(f"FLUXWIRE_GUESTS must be 0 or 1, not {guests!r}")

    pace = Pace(
        rate=_above_zero(environment, "FLUXWIRE_DRAIN_RATE", DEFAULT_PACE.rate, faults),
        seconds=_above_zero(environment, "FLUXWIRE_DRAIN_SECONDS", DEFAULT_PACE.seconds, faults),
    )

    if faults:
        raise BadSettings("\n".join(faults))
    return Settings(
        redis_url=redis_url,
        key=key,
        namespace=environment.get("FLUXWIRE_NAMESPACE") or "fluxwire",
        host=environment.get("FLUXWIRE_HOST") or "127.0.0.1",
        port=port,
        web=web,
        most_parcels=most_parcels,
        guests=guests == "1",
        pace=pace,
    )


def _above_zero(environment: Mapping[str, str], name: str, default: float, faults: list[str]) -> float:
    text = environment.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        faults.append(f"{name} must be a number above 0, not {text!r}")
    return number


def _number(environment: Mapping[str, str], name: str, default: int, allowed: range, faults: list[str]) -> int:
    text = environment.get(name) or str(default)
    number = int(text) if text.isascii() and text.isdigit() else -1
    if number not in allowed:
        faults.append(f"{name} must be a number from {allowed.start} to {allowed.stop - 1}, not {text!r}")
    return number
