"""HAProxy in front of the fronts, where it is installed, with the configuration that Fluxwire ships."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from fluxwire.stack.folder import CHECKOUT
from fluxwire.stack.process import Program

NAME = "haproxy"
CONFIGURATION = CHECKOUT / "docker" / "haproxy" / "haproxy.cfg"
SERVERS = re.compile(r"(?:^  server .*\n)+", re.MULTILINE)
# All clients have one address here, and a front that stands still is out after two checks.
HERE = {
    "FLUXWIRE_HAPROXY_ADDRESS_RATE": "1000000",
    "FLUXWIRE_HAPROXY_ADDRESS_CONNECTIONS": "1000000",
    "FLUXWIRE_HAPROXY_CHECK_EVERY": "250ms",
    "FLUXWIRE_HAPROXY_CHECK_WITHIN": "500ms",
}


def program(
    host: str, port: int, fronts: Mapping[str, int], folder: Path, settings: Mapping[str, str] | None = None
) -> Program | None:
    """Describe HAProxy as a program.

    Args:
        host: Where it listens, and the fronts do.
        port: Where it listens.
        fronts: Where each front is, by name.
        folder: Takes its configuration and its log.
        settings: Variables of its configuration beside, or instead of, those for a machine of its own.

    Returns:
        None if it is not installed.

    """
    found = shutil.which(NAME, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        return None
    servers = "".join(f"  server {name} {host}:{at} cookie {name}\n" for name, at in fronts.items())
    configuration = folder / f"{NAME}.cfg"
    configuration.write_text(SERVERS.sub(servers, CONFIGURATION.read_text(encoding="utf-8")))
    return Program(
        name=NAME,
        command=(found, "-db", "-f", str(configuration)),
        environment={**os.environ, **HERE, "FLUXWIRE_HAPROXY_BIND": f"{host}:{port}", **(settings or {})},
        folder=folder,
        log=folder / f"{NAME}.log",
    )
