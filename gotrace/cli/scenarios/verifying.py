"""The course of `gotrace scenario verify`: each scenario under each backend, some at a time, a row as each ends."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from gotrace.cli.scenarios import recordings
from gotrace.cli.scenarios.backends import SEEING_ENOUGH
from gotrace.cli.scenarios.required import judged
from gotrace.cli.scenarios.stopping import StoppedError, interrupt_children, like_interrupts
from gotrace.cli.scenarios.table import Table
from gotrace.cli.scenarios.ticker import Ticker
from gotrace.cli.streams import to_stdout
from gotrace.errors import GotraceError
from gotrace.scenario import runner
from gotrace.scenario.model import Act, Scenario
from gotrace.scenario.page import environments_of
from gotrace.scenario.result import ScenarioResult, Status


@dataclass(slots=True)
class Verification:
    """What is to be verified, and how."""

    scenarios: Sequence[Scenario]
    backends: Mapping[str, str]
    """Each with why it cannot be used here; empty: it can."""
    workers: int
    table: Table | None
    """None: no row is printed."""
    shown: bool
    """Whether a line of progress is drawn."""
    keep: Path | None = None
    """Where all work folders are left."""
    staging: Path | None = None
    """Where recordings are written to."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[ScenarioResult]:
        """Run them all; the results in the order of the scenarios.

        Raises:
            ReaderGoneError: nobody reads the table any more.
            KeyboardInterrupt: the user has had enough. What ran was stopped and cleared up.
        """
        jobs = [(scenario, backend) for scenario in self.scenarios for backend in self.backends]
        done: dict[tuple[str, str], ScenarioResult] = {}
        pool = ThreadPoolExecutor(self.workers, "scenario")
        with like_interrupts(), Ticker(len(jobs), shown=self.shown) as ticker:
            try:
                futures = {pool.submit(self._job, scenario, backend, ticker) for scenario, backend in jobs}
                for future in as_completed(futures):
                    result = future.result()
                    done[result.id, result.backend] = result
                    self._tell(result, ticker)
            except BaseException:
                self._stop.set()
                interrupt_children()
                raise
            finally:
                pool.shutdown(cancel_futures=True)
        return [done[scenario.id, backend] for scenario, backend in jobs]

    def _tell(self, result: ScenarioResult, ticker: Ticker) -> None:
        row = "" if self.table is None else self.table.row(result)
        ticker.ended(_name(result.id, result.backend), lambda: to_stdout(row))

    def _job(self, scenario: Scenario, backend: str, ticker: Ticker) -> ScenarioResult:
        obstacle = self.backends[backend]
        if obstacle:
            skipped = ScenarioResult(scenario.id, backend, Status.SKIPPED, environments_of(scenario), why=obstacle)
            return judged(scenario, skipped)
        started = time.monotonic()
        try:
            result = self._perform(scenario, backend, ticker)
        except StoppedError:
            raise
        except Exception as error:  # one broken scenario, or runner, says nothing about the others
            why = error.message if isinstance(error, GotraceError) else f"{type(error).__name__}: {error}"
            took = time.monotonic() - started
            result = ScenarioResult(scenario.id, backend, Status.FAILED, environments_of(scenario), took, why=why)
        return judged(scenario, result)

    def _perform(self, scenario: Scenario, backend: str, ticker: Ticker) -> ScenarioResult:
        def progress(_: Scenario, act: Act) -> None:
            if self._stop.is_set():
                raise StoppedError
            ticker.runs(_name(scenario.id, backend), act.name)

        saves = self.staging is not None and backend == self._saved_backend()
        if self.keep is None and not saves:
            return runner.run(scenario, backend, progress=progress)
        with tempfile.TemporaryDirectory(prefix="gotrace-kept-", ignore_cleanup_errors=True) as temporary:
            kept = self.keep or Path(temporary)
            result = runner.run(scenario, backend, keep=kept, progress=progress)
            if saves and self.staging is not None:
                recordings.save(result, kept, self.staging)
            return result

    def _saved_backend(self) -> str:
        """Of several backends the one that sees most has its recordings saved."""
        return next(name for name in SEEING_ENOUGH if self.backends.get(name) == "")


def _name(scenario: str, backend: str) -> str:
    return f"{scenario} by {backend}"
