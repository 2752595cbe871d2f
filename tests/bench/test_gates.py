import pytest

from bench.gates import run
from bench.harness import Options


@pytest.mark.parametrize("kind", ["hs256", "es256"])
def test_what_gates_add(kind: str) -> None:
    """Everybody is let in on either way, and each figure asked for is there."""
    figures = list(run(Options((f"gates.{kind}_us", f"gates.{kind}_first_us"), quick=True)))
    assert {figure.unit for figure in figures} == {"us"}
    assert {figure.name.startswith(f"gates.{kind}_") for figure in figures} == {True}
