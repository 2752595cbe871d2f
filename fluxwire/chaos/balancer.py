"""HAProxy in front of the fronts, where it is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from fluxwire.stack.process import Program

NAME = "haproxy"
# A front that stands still is out after two checks, and its clients are sent elsewhere.
CONFIGURATION = """\
defaults
  mode http
  timeout connect 2s
  timeout client 70s
  timeout server 70s
  timeout tunnel 70s
  timeout check 500ms
  option redispatch

frontend clients
  bind {host}:{port}
  default_backend fronts

backend fronts
  balance leastconn
  option httpchk GET /readyz
  default-server check inter 250ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


def program(host: str, port: int, fronts: Mapping[str, int], folder: Path) -> Program | None:
    """Describe HAProxy as a program.

    Args:
        host: Where it listens, and the fronts do.
        port: Where it listens.
        fronts: Where each front is, by name.
        folder: Takes its configuration and its log.

    Returns:
        None if it is not installed.

    """
    found = shutil.which(NAME, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        return None
    servers = "\n".join(f"  server {name} {host}:{at}" for name, at in fronts.items())
    configuration = folder / f"{NAME}.cfg"
    configuration.write_text(CONFIGURATION.format(host=host, port=port, servers=servers))
    return Program(
        name=NAME,
        command=(found, "-db", "-f", str(configuration)),
        environment=dict(os.environ),
        folder=folder,
        log=folder / f"{NAME}.log",
    )
