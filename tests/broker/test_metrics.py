import re

from broker.metrics import MOST_CODES, OTHER, Codes, Histogram, Page, by

SAMPLE = re.compile(r'([a-z_]+)((?:\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\})?) (\S+)')


def read(page: str) -> dict[str, float]:
    """The samples of a page, each of which has to be one, under a header of its own metric."""
    samples: dict[str, float] = {}
    metric = ""
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            metric = line.split()[2]
        elif not line.startswith("# HELP "):
            found = SAMPLE.fullmatch(line)
            assert found, line
            assert found[1].startswith(metric)
            samples[found[1] + found[2]] = float(found[3])
    return samples


def test_a_histogram() -> None:
    """Buckets are cumulative, and a bound belongs to its own."""
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        histogram.observe(value)
    assert [(suffix, dict(labels), value) for suffix, labels, value in histogram.samples()] == [
        ("_bucket", {"le": "1.0"}, 2),
        ("_bucket", {"le": "2.0"}, 3),
        ("_bucket", {"le": "+Inf"}, 4),
        ("_sum", {}, 10.0),
        ("_count", {}, 4),
    ]


def test_codes_are_bounded_and_escaped() -> None:
    """An application makes its own codes; not even one that makes them up at random fills the memory."""
    codes = Codes()
    codes.note('a"b\\c\nd')
    for number in range(2 * MOST_CODES):
        codes.note(f"code_{number}")
    assert len(codes) == MOST_CODES + 1
    assert codes[OTHER] == MOST_CODES + 1
    page = Page()
    page.add("codes_total", "counter", "Codes.", by("code", codes))
    samples = read(page.text())
    assert samples[r'fluxwire_codes_total{code="a\"b\\c\nd"}'] == 1


def test_what_every_process_tells() -> None:
    """Memory, files and time of the process, by the usual names."""
    samples = read(Page().text())
    assert samples["process_cpu_seconds_total"] > 0
    assert 10**6 < samples["process_resident_memory_bytes"] < 10**11
    assert 3 <= samples["process_open_fds"] < samples["process_max_fds"]
    assert samples["process_start_time_seconds"] > 1.7e9
