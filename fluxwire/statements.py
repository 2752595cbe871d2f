"""SQL text taken apart into statements, where the server divides it: an error then has a line to stand on.

The rules are psql's: a semicolon ends a statement unless it is quoted, in a comment, in parentheses or in a body
that stands between ``begin atomic`` and ``end``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<dollar>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<quoted>[eE]'(?:[^'\\]|\\.|'')*'|'[^']*(?:''[^']*)*'|"[^"]*(?:""[^"]*)*")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
COMMENT_EDGE = re.compile(r"/\*|\*/")
ROUTINE = re.compile(r"create (or replace )?(function|procedure)\b")
TRANSACTION = re.compile(
    r"(begin|start\s+transaction|commit|end|rollback|abort|prepare\s+transaction)\b", re.IGNORECASE
)
OPENING_WORDS = 4
"""As many words tell whether a statement makes a routine."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement.

    Args:
        text: Its text, from the first word to the semicolon.
        line: The line of the file on which it begins, from 1.

    """

    text: str
    line: int

    @property
    def ends_transaction(self) -> bool:
        """Whether it begins or ends a transaction."""
        return TRANSACTION.match(self.text) is not None

    def line_at(self, index: int) -> int:
        """Return the line of the file for an index into the text."""
        return self.line + self.text.count("\n", 0, index)

    def body_line(self) -> int:
        """Return the line on which its first dollar-quoted body opens; that of its beginning if it has none."""
        body = next((token for token in _tokens(self.text) if token.lastgroup == "dollar"), None)
        return self.line_at(body.start()) if body else self.line


class _Nesting:
    """How deep within a statement a token stands."""

    def __init__(self) -> None:
        self._opening: list[str] = []
        self._parentheses = 0
        self._bodies = 0

    def ends_at(self, token: re.Match[str]) -> bool:
        """Take the next token, and tell whether the statement ends with it."""
        word = token.group().lower()
        if token.lastgroup == "word":
            if len(self._opening) < OPENING_WORDS:
                self._opening.append(word)
            if word == "end" and self._bodies:
                self._bodies -= 1
            elif (word == "begin" and ROUTINE.match(" ".join(self._opening))) or (word == "case" and self._bodies):
                self._bodies += 1
        elif word in {"(", ")"}:
            self._parentheses += 1 if word == "(" else -1
        return word == ";" and self._parentheses <= 0 and not self._bodies


def statements(text: str) -> Iterator[Statement]:
    """Go through the statements of a script; what comes after the last semicolon is one, if it is not blank."""
    start, nesting = 0, None
    for token in _tokens(text):
        if token.lastgroup == "space":
            continue
        if nesting is None:
            start, nesting = token.start(), _Nesting()
        if nesting.ends_at(token):
            yield Statement(text[start : token.end()], text.count("\n", 0, start) + 1)
            nesting = None
    if nesting is not None:
        yield Statement(text[start:], text.count("\n", 0, start) + 1)


def _tokens(text: str) -> Iterator[re.Match[str]]:
    index = 0
    while token := TOKEN.match(text, index):
        index = token.end()
        if token.lastgroup != "comment":
            yield token
            continue
        # Comments nest. One without an end is for the server to complain of.
        depth = 1
        while depth and (edge := COMMENT_EDGE.search(text, index)):
            depth += 1 if edge.group() == "/*" else -1
            index = edge.end()
        if depth:
            yield token


def blank(text: str, *, texts: bool) -> str:
    """Put blanks in place of comments, and of quoted texts, too, if asked; everything else stays where it is."""
    kept = [sign if sign == "\n" else " " for sign in text]
    for token in _tokens(text):
        if token.lastgroup in ("word", "other") or (not texts and token.lastgroup in ("quoted", "dollar")):
            kept[token.start() : token.end()] = token.group()
    return "".join(kept)
