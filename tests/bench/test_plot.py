from xml.etree import ElementTree as ET

from bench.harness import alone, compared
from bench.plot import plot


def test_every_ratio_has_its_bar() -> None:
    """What is compared is drawn, in a colour that tells whether it is met; what stands alone is not."""
    met = compared("x.met", [2.0], "per s", peer="p", peers=[1.0], target=">= 1.5")
    missed = compared("x.missed", [1.0], "per s", peer="p", peers=[1.0], target=">= 1.5")
    image = ET.fromstring(plot([met, missed, alone("x.alone", [1.0], "s", "<= 1")]))
    bars = image.findall("{http://www.w3.org/2000/svg}rect")
    assert len({bar.attrib["fill"] for bar in bars}) == len(bars) == 2
