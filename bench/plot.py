"""Images of what is kept: for each group its ratios beside their targets, and the curves of its figures; PNG and SVG.

Drawn by matplotlib, which is installed when the first image is wanted. Colours are those that can be read on a light
page and on a dark one; there is no background.
"""

import importlib
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from fluxwire.stack import wheels

from .figures import Curve, Figure
from .table import TIMES

LOCK = Path(__file__).parent / "requirements.lock"
GREY, MET, MISSED = "#7d8590", "#2f9e6e", "#d9652b"
COLOURS = ("#2f9e6e", "#3d8bd4", "#d9652b", "#a371d6", "#c2973a", "#cf5b8c")
WIDTH, ROW, PANEL = 8.0, 0.3, 2.7  # inches
FEW = 20
"""Points of a line that are drawn one by one."""

STYLE = {
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": GREY,
    "axes.labelsize": 9,
    "axes.prop_cycle": None,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.size": 9,
    "grid.alpha": 0.25,
    "grid.color": GREY,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "legend.labelcolor": GREY,
    "savefig.dpi": 110,
    "savefig.transparent": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "fluxwire",
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
}


def draw(figures: Sequence[Figure], *, group: str, folder: Path) -> list[Path]:
    """Draw what there is to draw of a group.

    Args:
        figures: All that is kept of it.
        group: The first part of their names.
        folder: For the images: ``<group>.svg`` has the ratios, ``<group>.<part>.svg`` the curves of the figures whose
            names begin so; and the same as PNG.

    Returns:
        The images.

    Raises:
        StackError: matplotlib cannot be installed.

    """
    plots = _matplotlib()
    drawn = []
    rows = [figure for figure in figures if figure.ratio is not None and figure.target is not None]
    if rows:
        drawn += _save(_ratios(plots, rows), folder / group)
    for part, those in groupby(sorted(figures, key=_part), key=_part):
        if panels := _panels([curve for figure in those for curve in figure.curves]):
            drawn += _save(_curves(plots, panels), folder / part)
    plots.close("all")
    return drawn


def _part(figure: Figure) -> str:
    """The beginning of a figure's name that all have in common that are drawn together."""
    return ".".join(figure.name.split(".")[:2])


def _matplotlib() -> Any:  # noqa: ANN401 - it is not among what is always installed
    folder = Path(sys.prefix) / "bench"
    wheels.install(LOCK, folder)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    library = importlib.import_module("matplotlib")
    library.use("agg")
    plots = importlib.import_module("matplotlib.pyplot")
    library.rcParams.update({**STYLE, "axes.prop_cycle": plots.cycler(color=COLOURS)})
    return plots


def _ratios(plots: Any, rows: Sequence[Figure]) -> Any:  # noqa: ANN401
    """A row each: how far right of the line its median is, and how far its rounds lay apart."""
    image, axes = plots.subplots(figsize=(WIDTH, 0.9 + ROW * len(rows)), layout="constrained")
    for place, figure in enumerate(reversed(rows)):
        assert figure.ratio is not None
        colour = MET if figure.met else MISSED
        ends = sorted(reach(bound, figure) for bound in figure.spread)
        axes.plot(ends, [place, place], color=colour, linewidth=2, alpha=0.45, solid_capstyle="round")
        axes.plot([reach(figure.ratio, figure)], [place], "o", color=colour, markersize=6)
    axes.axvline(1, color=GREY, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda number, _: f"{number:g} {TIMES}")
    axes.xaxis.set_minor_formatter(lambda number, _: f"{number:g} {TIMES}" if f"{number:e}"[0] in "25" else "")
    axes.set_yticks(range(len(rows)), [f"{figure.name}  {figure.target}" for figure in reversed(rows)])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("times its target: median, smallest and largest of the rounds")
    return image


def reach(number: float, figure: Figure) -> float:
    """How often a number has reached a figure's target: more than 1 is beyond it."""
    assert figure.target is not None
    relation, _, bound = figure.target.partition(" ")
    return number / float(bound) if relation == ">=" else float(bound) / number


def _panels(curves: Sequence[Curve]) -> list[list[Curve]]:
    """Curves that have their axes in common, together."""
    panels: dict[tuple[str, str, str], list[Curve]] = {}
    for curve in curves:
        panels.setdefault((curve.x, curve.y, curve.log), []).append(curve)
    return list(panels.values())


def _curves(plots: Any, panels: Sequence[Sequence[Curve]]) -> Any:  # noqa: ANN401
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    image, grid = plots.subplots(rows, columns, figsize=(WIDTH, PANEL * rows), layout="constrained", squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    for axes, panel in zip(grid.flat, panels, strict=False):
        for curve in panel:
            _curve(axes, curve)
        first = panel[0]
        for axis, scale in ((axes.xaxis, axes.set_xscale), (axes.yaxis, axes.set_yscale)):
            if axis.axis_name in first.log:
                scale("log")
                axis.set_major_formatter(lambda number, _: f"{number:g}")
        if "y" not in first.log:
            # Of what is zero or more, half an axis makes mountains of noise.
            axes.set_ylim(bottom=min(0.0, *(y for curve in panel for _, y in curve.points)))
        axes.set_xlabel(first.x)
        axes.set_ylabel(first.y)
        if len(panel) > 1:
            axes.legend()
        else:
            axes.set_title(first.name)
    return image


def _curve(axes: Any, curve: Curve) -> None:  # noqa: ANN401
    xs, ys = zip(*curve.points, strict=True)
    if curve.drawn == "histogram":
        axes.stairs(ys[:-1], xs, fill=True, alpha=0.5, label=curve.name)
    elif curve.drawn == "points":
        axes.plot(xs, ys, "o", markersize=4, label=curve.name)
    else:
        axes.plot(xs, ys, marker="o" if len(xs) <= FEW else "", markersize=3.5, linewidth=1.6, label=curve.name)


def _save(image: Any, path: Path) -> list[Path]:  # noqa: ANN401
    # A name may have dots: with_suffix would take a part of it.
    paths = [path.parent / f"{path.name}.{kind}" for kind in ("svg", "png")]
    for each in paths:
        metadata = {"Date": None} if each.suffix == ".svg" else {"Software": None}
        image.savefig(each, metadata=metadata)
    image.clear()
    return paths
