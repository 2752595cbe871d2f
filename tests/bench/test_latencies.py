import json
import math
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.latencies import Latencies
from bench.processes import HERE

COUNT = """
#include "histogram.h"
int main(void) {
  unsigned long long value;
  while (scanf("%llu", &value) == 1) note(value);
  print_histogram();
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_every_number_is_in_a_bin_that_holds_it(tmp_path: Path) -> None:
    """Bins are adjacent, no wider than 1/64 of where they begin, and nothing is lost."""
    counter = tmp_path / "count"
    native = HERE / "native"
    subprocess.run(["cc", "-x", "c", f"-I{native}", "-o", counter, "-"], input=COUNT.encode(), check=True)
    numbers = [0, 1, 63, 64, 127, 128, 129, 130, 255, 256, 10**6, 10**6 + 1, 59_999_999, 2**40 - 1, 2**40, 2**62]
    numbers += range(300)
    said = subprocess.run([counter], input=" ".join(map(str, numbers)), check=True, capture_output=True, text=True)
    bins = json.loads(said.stdout)
    assert sum(many for _, _, many in bins) == len(numbers)
    for begins, ends, many in bins:
        assert many == sum(begins <= number < ends for number in numbers)
        assert ends - begins <= max(1, begins / 64)


def test_a_quantile_is_never_too_small() -> None:
    """It is the end of the bin it falls into; what never came took for ever."""
    latencies = Latencies.read([(1000, 1010, 98), (90_000, 91_000, 1)], missing=1)
    assert latencies.quantile(0.5) == latencies.quantile(0.98) == 1.01
    assert latencies.quantile(0.99) == 91
    assert latencies.quantile(0.995) == math.inf
    assert Latencies().quantile(0.99) == math.inf


def test_rounds_add_up() -> None:
    """Bins of several rounds, and what never came in any."""
    together = Latencies()
    together.add(Latencies.read([(1000, 1010, 2)], missing=1))
    together.add(Latencies.read([(1000, 1010, 3), (4000, 4064, 1)], missing=0))
    assert together.missing == 1
    assert together.bins == {(1000, 1010): 5, (4000, 4064): 1}


def test_what_is_drawn_has_all_of_it() -> None:
    """From the first bin to the end of the last, empty ones between, each where its deliveries are."""
    points = list(Latencies.read([(1000, 1010, 5), (4000, 4064, 1)], missing=0).points())
    counts = [many for _, many in points]
    assert counts == [5, *[0] * 15, 1, 0]
    assert [points[place][0] for place in (0, -2, -1)] == pytest.approx([1.0, 4.0, 4.36], abs=0.01)


def test_of_nothing_nothing_is_drawn() -> None:
    """Not even a bin."""
    assert not list(Latencies().points())
