"""Secrets that stand in files and not in the environment, as orchestrators hand them out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

SECRETS = ("DATABASE_URL", "REDIS_URL")
"""Settings that may hold a password; ``DATABASE_URL_FILE`` names the file that holds ``DATABASE_URL``."""


def with_secrets(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Put the content of the files in place of their names.

    Args:
        environment: Usually ``os.environ``.

    Returns:
        The environment with the secrets and without the names of their files, and every fault in one sentence.

    """
    read, faults = dict(environment), []
    for name in SECRETS:
        file = read.pop(f"{name}_FILE", "")
        if not file:
            continue
        if read.get(name):
            faults.append(f"{name} and {name}_FILE are both set; which one counts?")
            continue
        try:
            read[name] = Path(file).read_text(encoding="utf-8").strip()
        except OSError as exc:
            faults.append(f"{name}_FILE {file} cannot be read: {exc.strerror}")
        except UnicodeDecodeError:
            faults.append(f"{name}_FILE {file} holds no text")
    return read, faults
