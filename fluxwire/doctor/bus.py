"""Redis: whether it answers, may be used as the buses use it, and keeps what it is given."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from broker.errors import BusLost
from broker.redis_connection import Connection
from broker.redis_line import Command

from .findings import Finding, fault, warning

OLDEST = (6, 2)
NEARLY_FULL = 0.9
ACCOUNT = "~{namespace}:* -@all +@stream +@set +@connection +del +expire +pexpire +rename +multi +exec"


async def examine(url: str, namespace: str) -> list[Finding]:
    """Look at it, and leave nothing behind.

    Args:
        url: Its address.
        namespace: Prefix of every key.

    """
    connection = Connection(url)
    try:
        try:
            await connection.run("PING")
        except BusLost as exc:
            return [_unreached(str(exc))]
        findings = [Finding("redis", "Redis answers.")]
        try:
            findings += _information(await connection.run("INFO"))
        except BusLost:
            # The account of docs/operations.md may not ask; what counts is below.
            findings.append(Finding("information", "Redis does not tell this account about itself."))
        findings.append(await _rights(connection, namespace))
        return findings
    finally:
        await connection.close()


def _unreached(said: str) -> Finding:
    if any(word in said for word in ("WRONGPASS", "NOAUTH", "Authentication", "invalid username")):
        return fault("redis", f"Redis does not let us in: {said}", "See the user and password in REDIS_URL.")
    return fault("redis", f"Redis does not answer: {said}", "Is it up, and is REDIS_URL its address?")


def _information(about: dict[str, Any]) -> Iterator[Finding]:
    version = str(about["redis_version"])
    name = f"{about.get('server_name', 'redis')} {about.get('valkey_version', version)}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        yield fault("redis_version", f"{name} is too old.", "Valkey, or Redis 6.2 and later, have what is needed.")
    if about.get("redis_mode") == "cluster":
        yield fault("redis_mode", "It is a Redis Cluster.", "The buses need one server, or Sentinels.")
    most, used = int(about.get("maxmemory", 0)), int(about.get("used_memory", 0))
    policy = str(about.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        yield fault(
            "eviction",
            f"When it is full, {name} throws away what waits there ({policy}).",
            "config set maxmemory-policy noeviction",
        )
    if most and used > NEARLY_FULL * most:
        yield fault(
            "memory",
            f"{used >> 20} of {most >> 20} MiB are in use.",
            "Raise maxmemory: a full Redis is as one that is away.",
        )
    elif not most:
        yield warning(
            "memory",
            f"{name} has no bound to its memory; {used >> 20} MiB are in use.",
            "config set maxmemory 2gb; docs/operations.md, Bounds, tells what it may hold.",
        )
    else:
        yield Finding("memory", f"{name} uses {used >> 20} of {most >> 20} MiB.")


async def _rights(connection: Connection, namespace: str) -> Finding:
    """Do all that the buses do, with keys of our own."""
    stream, kept, other = (f"{namespace}:doctor:{secrets.token_hex(8)}:{name}" for name in "abc")
    commands: list[Command] = [
        ("XGROUP CREATE", stream, "doctor", "0", "MKSTREAM"),
        ("XADD", stream, "*", "d", "x"),
        ("XLEN", stream),
        ("XINFO STREAM", stream),
        ("XREAD", "COUNT", 1, "STREAMS", stream, "0"),
        ("XREADGROUP", "GROUP", "doctor", "doctor", "COUNT", 1, "STREAMS", stream, ">"),
        ("XPENDING", stream, "doctor"),
        ("XAUTOCLAIM", stream, "doctor", "doctor", 0, "0-0"),
        ("XACK", stream, "doctor", "0-1"),
        ("XDEL", stream, "0-1"),
        ("EXPIRE", stream, 10),
        ("SADD", kept, "x"),
        ("SCARD", kept),
        ("SMEMBERS", kept),
        ("SMISMEMBER", kept, "x"),
        ("SREM", kept, "y"),
        ("PEXPIRE", kept, 10_000),
        ("RENAME", kept, other),
        ("DEL", kept),
        ("MULTI",),
        ("EXEC",),
    ]
    try:
        return await _try(connection, commands, namespace) or Finding(
            "redis_rights", f"Redis lets us do all that the buses do, in {namespace}:*."
        )
    finally:
        with suppress(BusLost):
            await connection.run("DEL", stream, kept, other)


async def _try(connection: Connection, commands: Sequence[Command], namespace: str) -> Finding | None:
    for command in commands:
        try:
            await connection.run(*command)
        except BusLost as exc:
            said, word = str(exc), str(command[0])
            if "NOPERM" in said or "no permissions" in said:
                hint = f"acl setuser NAME {ACCOUNT.format(namespace=namespace)}"
                return fault("redis_rights", f"Redis does not let us use {word}: {said}", hint)
            if "OOM" in said or "maxmemory" in said:
                return fault("redis_rights", f"Redis is full: {said}", "Raise maxmemory, or see who else fills it.")
            if "READONLY" in said or "read only" in said:
                return fault("redis_rights", f"It is a replica: {said}", "Name the primary, or its Sentinels.")
            return fault("redis_rights", f"Redis fails at {word}: {said}", "See its log.")
    return None
