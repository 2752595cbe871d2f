"""Figures for people: on a terminal, and as tables of a page."""

from collections.abc import Sequence

from .figures import Figure

TIMES = "\N{MULTIPLICATION SIGN}"


def lines(figures: Sequence[Figure]) -> str:
    """Figures for a terminal, a line each, and how many targets are met."""
    judged = [figure.met for figure in figures if figure.met is not None]
    return "\n".join([*map(line, figures), f"{judged.count(True)} of {len(judged)} targets met"])


def line(figure: Figure) -> str:
    """A figure on a line of a terminal."""
    compared = "" if figure.ratio is None else f"  {figure.ratio:g} x {figure.against}"
    judged = "" if figure.met is None else f"  {figure.target} {'met' if figure.met else 'MISSED'}"
    low, high = figure.spread
    spread = f"  [{low:g} to {high:g}, {figure.runs} runs]"
    return f"{figure.name:<36} {figure.value:>10g} {figure.unit:<26}{compared}{spread}{judged}"


def measured(figures: Sequence[Figure]) -> str:
    """What was measured, as a table of a page."""
    rows = [
        (
            f"`{figure.name}`",
            f"{number(figure.value)} {figure.unit}",
            "" if figure.ratio is None else f"{number(figure.ratio)} {TIMES} {figure.against}",
            f"{number(figure.spread[0])} to {number(figure.spread[1])}, {figure.runs}",
        )
        for figure in figures
    ]
    return _table(("figure", "value", "ratio", "spread, rounds"), rows)


def targets(figures: Sequence[Figure]) -> str:
    """What was to be reached, and how far it was, as a table of a page."""
    rows = [
        (f"`{figure.name}`", number(reached(figure)), _target(figure), verdict(figure))
        for figure in figures
        if figure.target is not None
    ]
    return _table(("figure", "reached", "target", ""), rows)


def verdict(figure: Figure) -> str:
    """Whether a figure's target is met, and by how much."""
    bound = _bound(figure)
    if not bound:  # of nothing there is no multiple
        return "met" if figure.met else "**missed**"
    times = reached(figure) / bound
    # What is twice as much and more is told in times, and what is the target itself not at all.
    by = f", {number(times)} times as much" if times >= 2 else f" by {abs(times - 1):.0%}".replace("%", " %")  # noqa: PLR2004
    return ("met" if figure.met else "**missed**") + (by if reached(figure) != bound else "")


def _target(figure: Figure) -> str:
    """A figure's target as a page has it."""
    assert figure.target is not None
    return ("≥ " if figure.target.startswith(">=") else "≤ ") + number(_bound(figure))


def _bound(figure: Figure) -> float:
    assert figure.target is not None
    return float(figure.target.split()[1])


def reached(figure: Figure) -> float:
    """What a figure's target is about."""
    return figure.value if figure.ratio is None else figure.ratio


def number(value: float) -> str:
    """A number as a page has it: three digits, and more only before the point."""
    whole = abs(value) >= 100  # noqa: PLR2004 - what has three digits before the point needs none after it
    return f"{round(value):,}" if whole else f"{float(f'{value:.3g}'):g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
