"""What a test could not try is said at the end of the run, in capital letters."""

from __future__ import annotations

import pytest

UNTRIED = "NOT TESTED"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Repeat the reasons of skipped tests that begin with NOT TESTED."""
    reasons = {
        str(r.longrepr[2]).removeprefix("Skipped: ")
        for r in terminalreporter.stats.get("skipped", [])
        if isinstance(r.longrepr, tuple)
    }
    for reason in sorted(r for r in reasons if r.startswith(UNTRIED)):
        terminalreporter.write_sep("!", reason, red=True, bold=True)
