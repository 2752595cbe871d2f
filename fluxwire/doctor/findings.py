"""What was found, and how it is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

INDENT = 9


class Verdict(Enum):
    """How bad it is."""

    FINE = "ok"
    WARNING = "warning"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        what: A word for it, the same whatever the verdict.
        text: What was found, in a sentence.
        verdict: Whether that is as it should be.
        hint: What to do about it.

    """

    what: str
    text: str
    verdict: Verdict = Verdict.FINE
    hint: str = ""


def fault(what: str, text: str, hint: str) -> Finding:
    """Something does not work, or will not."""
    return Finding(what, text, Verdict.FAULT, hint)


def warning(what: str, text: str, hint: str) -> Finding:
    """Something works, and will be regretted."""
    return Finding(what, text, Verdict.WARNING, hint)


def report(findings: Sequence[Finding]) -> str:
    """Write all of it down, the verdict at the end."""
    lines = []
    for finding in findings:
        lines.append(f"{finding.verdict.value:<{INDENT}}{finding.text}")
        lines += [f"{'':<{INDENT}}{line}" for line in finding.hint.splitlines()]
    counts = {verdict: sum(finding.verdict is verdict for finding in findings) for verdict in Verdict}
    said = [
        f"{count} {word}{'s' if count > 1 else ''}"
        for word, count in (("fault", counts[Verdict.FAULT]), ("warning", counts[Verdict.WARNING]))
        if count
    ]
    return "\n".join([*lines, "", (", ".join(said) or "Nothing is wrong") + "."])
