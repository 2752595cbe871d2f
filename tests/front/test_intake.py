from front.intake import FULL, LEAST, Intake


class Front:
    """A front of which it is known what everything costs."""

    def __init__(self, *, cost: float, base: float, rate: float = 1000.0) -> None:
        self.intake = Intake(rate)
        self._cost, self._base = cost, base
        self._now, self._used, self._clients = 50.0, 3.0, 7

    def work(self, seconds: int, clients: int) -> None:
        """So many clients come in each of so many stretches of two seconds."""
        for _ in range(seconds // 2):
            self.intake.note(self._now, self._used, self._clients)
            self._now += 2.0
            self._clients += clients
            self._used += 2.0 * self._base + clients * self._cost
        self.intake.note(self._now, self._used, self._clients)


def test_before_it_is_known() -> None:
    """An idle front takes what it is told, until something else is measured."""
    assert Intake(1000.0).rate == 1000
    idle = Front(cost=0.0, base=0.0)
    idle.work(60, 0)
    assert round(idle.intake.rate) == 1000


def test_a_cost_is_learnt() -> None:
    """A crowd that comes tells what one costs, beside what there is to do anyway, slow machine or fast."""
    for cost in (0.0001, 0.0005, 0.005):
        front = Front(cost=cost, base=0.1)
        front.work(60, 0)
        front.work(60, 100)
        front.work(10, 0)
        assert 0.9 < front.intake.rate * cost / (FULL - 0.1) < 1.1


def test_a_busy_front_takes_less() -> None:
    """What is left of its core counts; and nobody takes none."""
    half, full = Front(cost=0.001, base=FULL / 2), Front(cost=0.001, base=0.99)
    for front in (half, full):
        front.work(10, 0)
    assert round(half.intake.rate) == 500
    assert full.intake.rate == LEAST


def test_a_trickle_tells_nothing() -> None:
    """A few clients among much else would be taken for dear."""
    front = Front(cost=0.0001, base=0.2)
    front.work(60, 3)
    assert round(front.intake.rate) == round(1000 * (FULL - 0.2 - 0.0001 * 1.5) / FULL)


def test_two_looks_at_once() -> None:
    intake = Intake(100.0)
    for _ in range(3):
        intake.note(1.0, 1.0, 1)
    assert intake.rate == 100
