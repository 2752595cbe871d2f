"""What `run.py test` says at its end."""

from pathlib import Path

import pytest

from tests.__main__ import Report, skips

RESULTS = """<testsuites><testsuite>
<testcase name="a"><skipped type="pytest.skip" message="There is no Chromium."/></testcase>
<testcase name="b"><skipped type="pytest.skip" message="There is no Chromium."/></testcase>
<testcase name="c"><skipped type="pytest.xfail" message="known"/></testcase>
<testcase name="d"/>
</testsuite></testsuites>"""


def test_skips_are_told_with_their_reason(tmp_path: Path) -> None:
    """Each reason comes once with its number of tests; an expected failure is no skip."""
    results = tmp_path / "results.xml"
    results.write_text(RESULTS)
    assert skips(results) == ["2 tests: There is no Chromium."]


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_skip_fails_where_nothing_may_be_skipped(
    ci: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With CI=true a skip is a failure; elsewhere it is said loudly."""
    monkeypatch.setenv("CI", ci)
    report = Report(skipped=["2 tests: There is no Chromium."])
    assert report.finish() == code
    assert "SKIPPED" in capsys.readouterr().out


def test_steps_go_on_after_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    """A failing step is named at the end, and those after it run all the same."""
    done: list[str] = []
    report = Report()
    report.step("first", lambda: "broken")
    report.step("second", lambda: done.append("second"))
    assert done == ["second"]
    assert report.finish() == 1
    assert "FAILED: first" in capsys.readouterr().out
