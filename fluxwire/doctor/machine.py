"""This machine: open files, the queue of new connections, the port, the disk."""

from __future__ import annotations

import http.client
import resource
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from front.listener import BACKLOG

from .findings import Finding, fault, warning

FEW_FILES, MANY_FILES = 4_096, 65_536
SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
LEAST_DISK = 1 << 30
"""Bytes that should be free."""
GIB = 1 << 30


def of_fronts(host: str, port: int) -> Iterator[Finding]:
    """Look at what fronts need.

    Args:
        host: Where a front is to listen.
        port: Where a front is to listen.

    """
    yield _files()
    if SOMAXCONN.exists():
        yield _queue(int(SOMAXCONN.read_text()))
    yield _port(host, port)


def _files() -> Finding:
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"A process may have {limit} files open, and a front needs one for each client."
    hint = f"Under systemd LimitNOFILE={MANY_FILES}, in a shell: ulimit -n {min(most, MANY_FILES)}"
    if limit < FEW_FILES:
        return fault("files", text, hint)
    return warning("files", text, hint) if limit < MANY_FILES else Finding("files", text)


def _queue(most: int) -> Finding:
    text = f"The system keeps {most} new connections waiting for a front."
    if most < BACKLOG:
        return warning("queue", text, f"A crowd that comes back comes at once: sysctl -w net.core.somaxconn={BACKLOG}")
    return Finding("queue", text)


def _port(host: str, port: int) -> Finding:
    connection = http.client.HTTPConnection(host, port, timeout=2.0)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        if answer.status == http.HTTPStatus.OK and answer.read(16) == b"ok\n":
            return Finding("port", f"A front is at {host}:{port}.")
    except ConnectionRefusedError:
        return _free(host, port)
    except (OSError, http.client.HTTPException):
        pass  # somebody is there
    finally:
        connection.close()
    return fault("port", f"Something that is no front is at {host}:{port}.", "Stop it, or see FLUXWIRE_PORT.")


def _free(host: str, port: int) -> Finding:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as exc:
        return fault("port", f"A front cannot listen at {host}:{port}: {exc.strerror}.", "See FLUXWIRE_HOST and _PORT.")
    return Finding("port", f"{host}:{port} is free for a front.")


def free_space(folder: Path) -> Iterator[Finding]:
    """Whether there is room on the disk of a folder, if it is one of this machine."""
    if not folder.is_dir():
        return
    free = shutil.disk_usage(folder).free
    text = f"{free / GIB:.1f} GiB are free on the disk of {folder}."
    if free < LEAST_DISK:
        yield fault(
            "disk", text, "Postgres commits nothing on a full disk. Old months of the log go by fluxwire log trim."
        )
    else:
        yield Finding("disk", text)
