"""The secret that signs tokens, and tokens for the person at the terminal."""

import argparse
import contextlib
import os
import secrets
import time
from pathlib import Path

import jwt

from fluxwire.stack import account
from fluxwire.stack.errors import StackError
from fluxwire.stack.folder import choose

AUDIENCE = "fluxwire"
ALGORITHM = "HS256"
# RFC 7518 §3.2: a key of at least the hash's length.
KEY_BYTES = 32
DAY = 86400


def make_key(path: Path) -> None:
    """Write a fresh secret, readable by us alone, unless there is one."""
    with contextlib.suppress(FileExistsError):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "w") as file:  # noqa: PTH123 - made with its mode above
            file.write(secrets.token_hex(KEY_BYTES))


def read_key(path: Path) -> str:
    """Read the secret.

    Raises:
        StackError: There is none.

    """
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise StackError(f"There is no key at {path}.", "The first start makes it: python3 run.py") from None


def sign(key: str, name: str, *, lifetime: float, now: float) -> str:
    """Sign a token.

    Args:
        key: The secret.
        name: The actor.
        lifetime: How long it is good, in seconds.
        now: Seconds since 1970.

    Returns:
        A JSON Web Token as docs/protocol.md describes it.

    """
    claims = {"sub": name, "aud": AUDIENCE, "iat": int(now), "exp": int(now + lifetime)}
    return jwt.encode(claims, key, algorithm=ALGORITHM)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `fluxwire token` takes."""
    parser.add_argument("name", help="who the token is for, e.g. ada")
    parser.add_argument("--days", type=float, default=30.0, help="how long it is good (default: 30)")


def run(args: argparse.Namespace) -> int:
    """Print a token."""
    key_file = os.environ.get("FLUXWIRE_KEY_FILE")
    path = Path(key_file) if key_file else choose(args.data, account.for_postgres()).key
    print(sign(read_key(path), args.name, lifetime=args.days * DAY, now=time.time()))
    return 0
