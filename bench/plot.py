"""``python -m bench.plot [--courses] < figures.json > plot.svg``: the ratios of a run as bars, or how figures went.

Figures are lines of ``bench --json``.
"""

import sys

import msgspec

from .figures import Figure

ROW, LEFT, WIDTH = 26, 190, 420  # pixels
PANEL = 150  # pixels


def plot(figures: list[Figure]) -> str:
    """Draw the figures that are compared with something.

    Args:
        figures: Of one run.

    Returns:
        An SVG image. A bar is a ratio on its own scale, whose end is twice the target; the line is the target.

    """
    rows = [figure for figure in figures if figure.ratio is not None and figure.target]
    width, height = LEFT + WIDTH + 90, ROW * len(rows) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-size="12">']
    for index, figure in enumerate(rows):
        assert figure.ratio is not None
        assert figure.target is not None
        y = 5 + index * ROW
        target = float(figure.target.split()[1])
        length = min(figure.ratio / target / 2, 1) * WIDTH
        colour = "#3a7d5d" if figure.met else "#b5542f"
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 15}" text-anchor="end">{figure.name}</text>',
            f'<rect x="{LEFT}" y="{y + 3}" width="{length:.0f}" height="{ROW - 10}" fill="{colour}"/>',
            f'<text x="{LEFT + length + 6:.0f}" y="{y + 15}">{figure.ratio:g}</text>',
        ]
    middle = LEFT + WIDTH / 2
    parts.append(f'<line x1="{middle:.0f}" y1="0" x2="{middle:.0f}" y2="{height}" stroke="#444" stroke-dasharray="4"/>')
    return "\n".join([*parts, "</svg>", ""])


def courses(figures: list[Figure]) -> str:
    """Draw how the figures went that were watched, each in a panel from zero to its largest value.

    Args:
        figures: Of one run.

    Returns:
        An SVG image.

    """
    rows = [figure for figure in figures if figure.curves and figure.target]
    width, height = LEFT + WIDTH + 90, (PANEL + ROW) * len(rows) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-size="12">']
    for index, figure in enumerate(rows):
        foot = (PANEL + ROW) * index + PANEL
        assert figure.target is not None
        course = figure.curves[0].points
        last = course[-1][0]
        # Of what grows, the bound is as interesting as the course.
        top = max(*(value for _, value in course), float(figure.target.split()[1]))
        points = " ".join(
            f"{LEFT + seconds / last * WIDTH:.1f},{foot - max(value, 0) / top * (PANEL - ROW):.1f}"
            for seconds, value in course
        )
        parts += [
            f'<text x="{LEFT - 8}" y="{foot - PANEL // 2}" text-anchor="end">{figure.name}</text>',
            f'<text x="{LEFT - 8}" y="{foot - PANEL // 2 + 16}" text-anchor="end">{figure.unit}</text>',
            f'<text x="{LEFT - 8}" y="{foot}" text-anchor="end">0</text>',
            f'<text x="{LEFT - 8}" y="{foot - PANEL + ROW + 4}" text-anchor="end">{top:g}</text>',
            f'<text x="{LEFT + WIDTH}" y="{foot + 15}" text-anchor="end">{last:.0f} s</text>',
            f'<path d="M{LEFT},{foot - PANEL + ROW} V{foot} H{LEFT + WIDTH}" fill="none" stroke="#444"/>',
            f'<polyline points="{points}" fill="none" stroke="#3a7d5d" stroke-width="1.5"/>',
        ]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    decoder = msgspec.json.Decoder(Figure)
    read = [decoder.decode(line) for line in sys.stdin if line.strip()]
    sys.stdout.write(courses(read) if "--courses" in sys.argv else plot(read))
