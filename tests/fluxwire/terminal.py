"""The command line as at a terminal, without a process of its own."""

import asyncio
import io
import os
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest import mock

from fluxwire.__main__ import main


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str


async def fluxwire(url: str, *words: str) -> Said:
    """Run a command on a database to its end; in a thread, for it has a loop of its own."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, DATABASE_URL=url), redirect_stdout(out), redirect_stderr(err):
        code = await asyncio.to_thread(main, words)
    return Said(code, out.getvalue(), err.getvalue())
