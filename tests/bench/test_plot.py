from xml.etree import ElementTree as ET

from bench.figures import alone, compared, watched
from bench.plot import courses, plot


def test_every_ratio_has_its_bar() -> None:
    """What is compared is drawn, in a colour that tells whether it is met; what stands alone is not."""
    met = compared("x.met", [2.0], "per s", peer="p", peers=[1.0], target=">= 1.5")
    missed = compared("x.missed", [1.0], "per s", peer="p", peers=[1.0], target=">= 1.5")
    image = ET.fromstring(plot([met, missed, alone("x.alone", [1.0], "s", "<= 1")]))
    bars = image.findall("{http://www.w3.org/2000/svg}rect")
    assert len({bar.attrib["fill"] for bar in bars}) == len(bars) == 2


def test_a_course_is_a_line() -> None:
    """Of the figures of a run, those that were watched."""
    figures = [
        compared("front.fanout.vs_c", [80.0], "per second", peer="c", peers=[100.0], target=">= 0.8"),
        watched("front.hold.core", [(1.0, 0.5), (2.0, 0.25)], 0.4, "of a core", "<= 1"),
    ]
    image = courses(figures)
    assert "front.fanout" not in image
    assert 'points="400.0,88.0 610.0,119.0"' in image
