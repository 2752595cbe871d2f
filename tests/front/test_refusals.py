from front.refusals import EVERY, Refusals


def test_a_flood_is_one_line() -> None:
    """However many are refused, the log has one line in ten seconds, and it says how many."""
    refusals, lines = Refusals(), []
    for tick in range(1_000):
        for _ in range(100):
            refusals.note(4101)
        refusals.note(429)
        lines.append(refusals.line(tick * EVERY / 100))
    said = [line for line in lines if line is not None]
    assert len(said) == 10
    assert said[:2] == ["refused: 1 with 429, 100 with 4101", "refused: 100 with 429, 10000 with 4101"]
    assert refusals.counts == {4101: 100_000, 429: 1_000}


def test_silence() -> None:
    """Nothing new, no line."""
    refusals = Refusals()
    assert refusals.line(0.0) is None
    refusals.note(403)
    assert refusals.line(1.0) == "refused: 1 with 403"
    assert refusals.line(100.0) is None
