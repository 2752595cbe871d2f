"""All settings of a front, read from the environment once."""

import importlib.util
import ipaddress
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from broker.errors import BadAddress
from broker.redis_bus import MAX_PARCELS
from broker.redis_connection import check_address
from broker.secret_files import with_secrets
from broker.watching import Watching, read_watching

from .drain import DEFAULT_PACE, Pace
from .gates import AUDIENCE, SHORTEST_KEY
from .limits import Limits
from .origins import ANY
from .proxies import Network


class BadSettings(Exception):
    """The environment does not make a front; the text names every fault, one a line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a front needs to know."""

    redis_url: str
    """Where the buses are, see ``broker.redis_connection``; REDIS_URL."""
    key: bytes | None
    """The secret that signs tokens; the content of FLUXWIRE_KEY_FILE. None if only an issuer signs them."""
    namespace: str = "fluxwire"
    """Prefix of every Redis key; FLUXWIRE_NAMESPACE."""
    host: str = "127.0.0.1"
    """Where to listen; FLUXWIRE_HOST."""
    port: int = 8000
    """0 lets the system choose; FLUXWIRE_PORT."""
    web: Path | None = None
    """Folder of the built web client, served at ``/``; FLUXWIRE_WEB."""
    pace: Pace = DEFAULT_PACE
    """How fast clients are sent to other fronts at the end; FLUXWIRE_DRAIN_RATE, FLUXWIRE_DRAIN_SECONDS,
    FLUXWIRE_NOTICE_SECONDS."""
    tick: float = 0.004
    """How far apart parcels are at least, and writes to many clients, in seconds; FLUXWIRE_TICK_MS."""
    most_parcels: int = MAX_PARCELS
    """Parcels on the action bus from which on clients are told to wait; FLUXWIRE_BUS_PARCELS."""
    guests: bool = False
    """Whether ``POST /guest`` hands out tokens to anybody; FLUXWIRE_GUESTS=1."""
    origins: tuple[str, ...] = ()
    """Web pages that are let in beside those of the same host; FLUXWIRE_ORIGINS."""
    cookie: str = ""
    """Name of the cookie that may hold a token; FLUXWIRE_COOKIE."""
    proxies: tuple[Network, ...] = ()
    """Whose word about addresses is believed; FLUXWIRE_TRUSTED_PROXIES."""
    limits: Limits = field(default_factory=Limits)
    jwks_url: str = ""
    """Where the keys of an issuer are whose tokens are good; FLUXWIRE_JWKS_URL."""
    audience: str = AUDIENCE
    """Whom that issuer's tokens are for; FLUXWIRE_AUDIENCE."""
    issuer: str = ""
    """What that issuer calls itself; FLUXWIRE_ISSUER."""
    metrics: bool = False
    """Whether ``/metrics`` answers; FLUXWIRE_METRICS=1."""
    watching: Watching = field(default_factory=Watching)
    shared: bool = False
    """Whether other fronts of this machine listen there as well; FLUXWIRE_SHARED_PORT=1."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environment: Usually ``os.environ``.

    Raises:
        BadSettings: Something is missing or makes no sense.

    """
    reader = _Reader(*with_secrets(environment))
    settings = _settings(reader)
    if reader.faults:
        raise BadSettings("\n".join(reader.faults))
    return settings


def names() -> frozenset[str]:
    """The names of all settings but those of ``broker.watching``."""
    reader = _Reader({}, [])
    _settings(reader)
    return frozenset(reader.names)


def _settings(reader: "_Reader") -> Settings:
    redis_url = reader.redis("REDIS_URL")
    jwks_url = reader.jwks("FLUXWIRE_JWKS_URL")
    key = reader.key("FLUXWIRE_KEY_FILE", needed=not jwks_url)
    port = reader.number("FLUXWIRE_PORT", 8000, range(65_536))
    shared = reader.switch("FLUXWIRE_SHARED_PORT")
    tick = reader.number("FLUXWIRE_TICK_MS", 4, range(1001)) / 1000
    most_parcels = reader.number("FLUXWIRE_BUS_PARCELS", MAX_PARCELS, range(1, 10**9))
    web = reader.folder("FLUXWIRE_WEB")
    guests = reader.switch("FLUXWIRE_GUESTS")
    metrics = reader.switch("FLUXWIRE_METRICS")
    if guests and key is None and jwks_url:
        reader.faults.append("FLUXWIRE_GUESTS needs FLUXWIRE_KEY_FILE: their tokens are signed here")
    pace = Pace(
        rate=reader.above_zero("FLUXWIRE_DRAIN_RATE", DEFAULT_PACE.rate),
        seconds=reader.above_zero("FLUXWIRE_DRAIN_SECONDS", DEFAULT_PACE.seconds),
        notice=reader.number("FLUXWIRE_NOTICE_SECONDS", round(DEFAULT_PACE.notice), range(3600)),
    )
    origins = reader.origins("FLUXWIRE_ORIGINS")
    cookie = reader.cookie("FLUXWIRE_COOKIE")
    if cookie and ANY in origins:
        reader.faults.append("FLUXWIRE_COOKIE does not go with FLUXWIRE_ORIGINS=*: every page would be its visitor")
    proxies = reader.networks("FLUXWIRE_TRUSTED_PROXIES")
    most = Limits()  # 0 is no limit
    limits = Limits(
        address_connections=reader.number("FLUXWIRE_ADDRESS_CONNECTIONS", most.address_connections),
        address_rate=reader.number("FLUXWIRE_ADDRESS_RATE", most.address_rate),
        actor_connections=reader.number("FLUXWIRE_ACTOR_CONNECTIONS", most.actor_connections),
        actor_actions=reader.number("FLUXWIRE_ACTOR_ACTIONS", most.actor_actions),
        actor_openings=reader.number("FLUXWIRE_ACTOR_OPENINGS", most.actor_openings),
        frames=reader.number("FLUXWIRE_FRAMES", most.frames),
        subscriptions=reader.number("FLUXWIRE_SUBSCRIPTIONS", most.subscriptions),
    )
    watching, faults = read_watching(reader.environment)
    reader.faults += faults
    return Settings(
        redis_url=redis_url,
        key=key,
        namespace=reader.text("FLUXWIRE_NAMESPACE") or "fluxwire",
        host=reader.text("FLUXWIRE_HOST") or "127.0.0.1",
        port=port,
        shared=shared,
        web=web,
        pace=pace,
        metrics=metrics,
        watching=watching,
        tick=tick,
        most_parcels=most_parcels,
        guests=guests,
        origins=origins,
        cookie=cookie,
        proxies=proxies,
        limits=limits,
        jwks_url=jwks_url,
        audience=reader.text("FLUXWIRE_AUDIENCE") or AUDIENCE,
        issuer=reader.text("FLUXWIRE_ISSUER"),
    )


_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@*]+", re.IGNORECASE)
_COOKIE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 §5.6.2
_JWKS = re.compile(r"(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])[^\s#]+")


class _Reader:
    """Reads one kind of setting a method, and goes on after a fault."""

    def __init__(self, environment: Mapping[str, str], faults: list[str]) -> None:
        self.environment = environment
        self.faults = faults
        self.names: set[str] = set()

    def text(self, name: str) -> str:
        self.names.add(name)
        return self.environment.get(name, "")

    def redis(self, name: str) -> str:
        address = self.text(name)
        try:
            check_address(address)
        except BadAddress as exc:
            self.faults.append(f"{name} is no address of a Redis: {exc}" if address else f"{name} is not set")
        return address

    def jwks(self, name: str) -> str:
        url = self.text(name)
        if url and not _JWKS.fullmatch(url):
            self.faults.append(f"{name} must be an address that begins with https://, not {url!r}")
        if url and importlib.util.find_spec("cryptography") is None:
            self.faults.append(f"{name} needs the extra jwks: pip install 'fluxwire[jwks]'")
        return url

    def key(self, name: str, *, needed: bool) -> bytes | None:
        file = self.text(name)
        if not file:
            if needed:
                self.faults.append(f"{name} must name the file with the secret that signs tokens")
            return None
        try:
            key = Path(file).read_bytes().strip()
        except OSError as exc:
            self.faults.append(f"{name} {file} cannot be read: {exc.strerror}")
            return None
        if len(key) < SHORTEST_KEY:
            self.faults.append(f"{name} {file} holds {len(key)} bytes, a key needs {SHORTEST_KEY}")
        return key

    def folder(self, name: str) -> Path | None:
        text = self.text(name)
        folder = Path(text) if text else None
        if folder is not None and not folder.is_dir():
            self.faults.append(f"{name} {text} is no folder")
        return folder

    def switch(self, name: str) -> bool:
        text = self.text(name)
        if text not in {"0", "1", ""}:
            self.faults.append(f"{name} must be 0 or 1, not {text!r}")
        return text == "1"

    def number(self, name: str, default: int, allowed: range = range(10**9)) -> int:
        text = self.text(name) or str(default)
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number not in allowed:
            self.faults.append(f"{name} must be a number from {allowed.start} to {allowed.stop - 1}, not {text!r}")
        return number

    def above_zero(self, name: str, default: float) -> float:
        text = self.text(name) or str(default)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            self.faults.append(f"{name} must be a number above 0, not {text!r}")
        return number

    def origins(self, name: str) -> tuple[str, ...]:
        origins = tuple(self._words(name))
        self.faults += [
            f"{name} names {origin!r}; an origin is https://host or https://host:port"
            for origin in origins
            if origin != ANY and not _ORIGIN.fullmatch(origin)
        ]
        return origins

    def cookie(self, name: str) -> str:
        cookie = self.text(name)
        if cookie and not _COOKIE.fullmatch(cookie):
            self.faults.append(f"{name} must be the name of a cookie, not {cookie!r}")
        return cookie

    def networks(self, name: str) -> tuple[Network, ...]:
        networks = []
        for word in self._words(name):
            try:
                networks.append(ipaddress.ip_network(word))
            except ValueError as exc:
                self.faults.append(f"{name} lists what is no network: {exc}")
        return tuple(networks)

    def _words(self, name: str) -> list[str]:
        """With spaces or commas between them."""
        return self.text(name).replace(",", " ").split()
