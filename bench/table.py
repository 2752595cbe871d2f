"""Figures for people: lines on a terminal."""

from .figures import Figure


def line(figure: Figure) -> str:
    """A figure on a line."""
    low, high = figure.spread
    compared = "" if figure.ratio is None else f"  {figure.ratio:g} x {figure.against}"
    judged = "" if figure.met is None else f"  {figure.target} {'met' if figure.met else 'MISSED'}"
    spread = f"  [{low:g} to {high:g}, {figure.runs} runs]"
    return f"{figure.name:<34} {figure.value:>10g} {figure.unit:<26}{compared}{spread}{judged}"
