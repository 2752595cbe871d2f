"""Where in which file an error of the database comes from, and what the database says about it."""

import re
from collections.abc import Sequence

import asyncpg  # noqa: TID251 - for its errors

from fluxwire.scripts import Script
from fluxwire.statements import Statement

INLINE = re.compile(r"inline_code_block line (\d+)")


def position(error: asyncpg.PostgresError) -> int:
    """Return the index of the character that an error points at, 0 if it points at none."""
    return int(getattr(error, "position", None) or 1) - 1


def place(script: Script, statement: Statement, error: asyncpg.PostgresError) -> str:
    """Say where in a file a statement went wrong.

    Args:
        script: The file.
        statement: The statement that failed.
        error: How.

    Returns:
        ``path:line``: of the character the error points at, of the line of the ``do`` block that ran, or else of the
        statement's beginning.

    """
    inline = INLINE.findall(getattr(error, "context", None) or "")
    line = statement.line_at(position(error))
    if inline and not position(error):
        line = statement.body_line() + int(inline[-1]) - 1
    return f"{script.path}:{line}"


def place_in_body(found: Sequence[Script], name: str, body: str, index: int) -> str:
    """Say where in a file a function's body went wrong.

    Args:
        found: The files it may be in.
        name: The function's name.
        body: Its body as the database has it.
        index: Which character of the body.

    Returns:
        ``path:line``, or nothing if it is in none of the files, letter by letter.

    """
    for script in found:
        # Two functions may have one body: the one behind the name.
        named = re.search(rf"\b{re.escape(name)}\b", script.text)
        start = script.text.find(body, named.end()) if named else -1
        if start >= 0:
            return f"{script.path}:{script.text.count(chr(10), 0, start + max(index, 0)) + 1}"
    return ""


def explain(where: str, error: asyncpg.PostgresError) -> str:
    """Put an error in words: where, the database's message, its detail, its hint, and the function it was raised in."""
    lines = [": ".join(filter(None, [where, error.message if hasattr(error, "message") else str(error)]))]
    lines += [f"  {word}: {said}" for word in ("detail", "hint") if (said := getattr(error, word, None))]
    innermost = (getattr(error, "context", None) or "").partition("\n")[0]
    if "function" in innermost and "inline_code_block" not in innermost:
        lines.append(f"  in: {innermost}")
    return "\n".join(lines)
