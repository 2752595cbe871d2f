"""The environment: whether it makes a front and a multiplexer, and whether anything in it is misspelt."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from broker import watching
from broker.secret_files import SECRETS
from front.settings import BadSettings, names, read_settings
from multiplexer.errors import SettingsError
from multiplexer.settings import NAMES, Settings

from .findings import Finding, fault, warning

OURS = "FLUXWIRE_"
OF_HAPROXY = "FLUXWIRE_HAPROXY_"
READ: Mapping[str, Callable[[Mapping[str, str]], object]] = {
    "front": read_settings,
    "multiplexer": Settings.from_environment,
}
PAGE = "docs/operations.md, Settings, has all of them."


def examine(environment: Mapping[str, str], roles: Collection[str]) -> Iterator[Finding]:
    """Look at the settings.

    Args:
        environment: What fronts and multiplexers would be started with.
        roles: Which of them are.

    """
    faults: list[str] = []
    for role in roles:
        try:
            READ[role](environment)
        except (BadSettings, SettingsError) as exc:
            faults += [line for line in str(exc).splitlines() if line not in faults]
    yield from (fault("settings", line, PAGE) for line in faults)
    if not faults:
        yield Finding("settings", f"The settings make a {' and a '.join(roles)}.")
    yield from _misspelt(environment)
    yield from _key(environment.get("FLUXWIRE_KEY_FILE", ""))


def _misspelt(environment: Mapping[str, str]) -> Iterator[Finding]:
    known = names() | NAMES | watching.NAMES | {f"{name}_FILE" for name in SECRETS}
    for name in sorted(environment):
        if name.startswith(OURS) and not name.startswith(OF_HAPROXY) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            yield fault(
                "misspelt", f"{name} is no setting, and nobody reads it.", f"Is {near[0]} meant?" if near else PAGE
            )


def _key(file: str) -> Iterator[Finding]:
    try:
        mode = Path(file).stat().st_mode if file else 0
    except OSError:
        return  # said above
    if mode & 0o007:
        yield warning("key", f"Everybody on this machine may read {file}, and so sign tokens.", f"chmod o-rwx {file}")
