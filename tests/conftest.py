"""What all tests share: where Go is found, and that no test is skipped where everything should be there."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

UNIT = Path(__file__).resolve().parent / "unit"
REQUIRE_ALL = os.environ.get("GOTRACE_REQUIRE") == "all"
"""Set by .ci/run: a skip for a missing tool or privilege is then a failure."""

# Set-up puts Go into the virtual environment where the system has none; the system's own comes first.
os.environ["PATH"] += os.pathsep + str(Path(sys.prefix) / "bin")

# Whoever starts the tests in the background (a shell without job control, nohup) may have them, and all that they
# start, ignore what a terminal sends.
for number, usual in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

os.environ.pop("COLUMNS", None)  # reports are as wide as it says, and pytest-xdist sets it

settings.register_profile("gotrace", deadline=None)  # how long an example takes says how busy the machine is
settings.load_profile("gotrace")


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: skipped, but GOTRACE_REQUIRE=all allows no skip. {reason}"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what only root can do, and say what that is."""
    marker = item.get_closest_marker("root")
    if marker is not None and os.geteuid() != 0:
        pytest.skip(f"not root: {marker.args[0]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one where everything is required."""
    report = yield
    _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that is skipped as a whole."""
    report = yield
    _fail_if_skipped(report)
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Scenarios first: some take a minute, and with the small ones last no worker waits long for the other."""
    items.sort(key=lambda item: (item.path.name != "test_scenarios.py", item.path.is_relative_to(UNIT)))
