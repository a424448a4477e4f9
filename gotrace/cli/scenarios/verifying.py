"""The course of `gotrace scenario verify`: each scenario under each backend, some at a time, a row as each ends."""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gotrace.cli.scenarios import recordings
from gotrace.cli.scenarios.backends import SEEING_ENOUGH
from gotrace.cli.scenarios.order import spread
from gotrace.cli.scenarios.required import judged
from gotrace.cli.scenarios.stopping import StoppedBy, StoppedError, end_children, stoppable
from gotrace.cli.scenarios.table import INTERRUPTED, WHILE_IT_RAN, Table
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
    sudo: bool = False
    stopped_by: StoppedBy | None = None
    """Who had enough before all had run."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> list[ScenarioResult]:
        """Run them all; the results in the order of the scenarios.

        When the user has had enough, what runs is stopped and cleared up, and is skipped as all that did not begin.

        Raises:
            ReaderGoneError: nobody reads the table any more.
            KeyboardInterrupt: the user cannot even wait for the clearing up.
        """
        jobs = [(scenario, backend) for scenario in self.scenarios for backend in self.backends]
        pool = ThreadPoolExecutor(self.workers, "scenario")
        with stoppable() as stopping, Ticker(len(jobs), shown=self.shown) as ticker:
            order = spread(range(len(jobs)), lambda at: self.workers > 1 and _changes_packages(jobs[at][0]))
            begun = {at: pool.submit(self._job, *jobs[at], ticker) for at in order}
            futures = [begun[at] for at in range(len(jobs))]
            told: set[Future[ScenarioResult]] = set()
            try:
                ended = as_completed(futures)
                while (future := stopping.wait_for(partial(next, ended, None))) is not None:
                    told.add(future)
                    self._tell(future.result(), ticker)
            except StoppedBy as stop:
                self.stopped_by = stop
                self._end(pool, futures, stop.signal)
                for future in futures:
                    if future not in told and _succeeded(future):
                        self._tell(future.result(), ticker)
            except BaseException:
                self._end(pool, futures, signal.SIGTERM)
                raise
        return [self._result(future, *job) for future, job in zip(futures, jobs, strict=True)]

    def _end(self, pool: ThreadPoolExecutor, futures: Collection[Future[ScenarioResult]], number: int) -> None:
        self._stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
        left = [future for future in futures if not future.done()]  # of the others some are cancelled
        end_children(number, lambda seconds: not wait(left, seconds).not_done)
        pool.shutdown()

    def _result(self, future: Future[ScenarioResult], scenario: Scenario, backend: str) -> ScenarioResult:
        if _succeeded(future) or self.stopped_by is None:
            return future.result()
        when = "before it began" if future.cancelled() else WHILE_IT_RAN
        why = f"{INTERRUPTED} by {self.stopped_by.signal.name} {when}"
        return ScenarioResult(scenario.id, backend, Status.SKIPPED, environments_of(scenario), why=why)

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
        if self._stop.is_set() and result.status is Status.FAILED:
            raise StoppedError  # what it fell short of says nothing
        return judged(scenario, result)

    def _perform(self, scenario: Scenario, backend: str, ticker: Ticker) -> ScenarioResult:
        def progress(_: Scenario, act: Act) -> None:
            if self._stop.is_set():
                raise StoppedError
            ticker.runs(_name(scenario.id, backend), act.name)

        saves = self.staging is not None and backend == self._saved_backend()
        if self.keep is None and not saves:
            return runner.run(scenario, backend, sudo=self.sudo, progress=progress)
        with tempfile.TemporaryDirectory(prefix="gotrace-kept-", ignore_cleanup_errors=True) as temporary:
            kept = self.keep or Path(temporary)
            result = runner.run(scenario, backend, sudo=self.sudo, keep=kept, progress=progress)
            if saves and self.staging is not None:
                recordings.save(result, kept, self.staging)
            return result

    def _saved_backend(self) -> str:
        """Of several backends the one that sees most has its recordings saved."""
        return next(name for name in SEEING_ENOUGH if self.backends.get(name) == "")


def _changes_packages(scenario: Scenario) -> bool:
    """It waits for all others that do: one at a time may (`gotrace.scenario.apt`)."""
    overlays = (one.environment.settings for one in scenario.acts if one.environment.kind == "overlay")
    return any("remove" in settings or "install" in settings for settings in overlays)


def _succeeded(future: Future[ScenarioResult]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


def _name(scenario: str, backend: str) -> str:
    return f"{scenario} by {backend}"
