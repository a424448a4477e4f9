"""All that `gotrace scenario verify` does around the runs: choose, install, set the table, write the documents."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gotrace.cli import outputs, streams
from gotrace.cli.scenarios import backends, chosen, documents, installing, ticker
from gotrace.cli.scenarios.stopping import StoppedBy
from gotrace.cli.scenarios.table import Table
from gotrace.cli.scenarios.verifying import Verification
from gotrace.errors import GotraceError, UsageError
from gotrace.reports.page import colour_wanted, width_of
from gotrace.scenario.model import Scenario
from gotrace.scenario.result import ScenarioResult, Status


@dataclass(frozen=True, slots=True)
class Asked:
    """One `gotrace scenario verify` as asked for; see its --help."""

    words: tuple[str, ...]
    workers: int
    backend: backends.Watching
    sudo: bool
    as_json: bool
    junit: Path | None
    recordings: Path | None
    keep: bool
    install: bool
    yes: bool
    trust: bool
    colour: bool | None

    def run(self) -> int:
        """Do it all; returns the exit code.

        Raises:
            GotraceError: it could not be begun, or what came of it cannot be written.
        """
        self._check()
        scenarios = chosen.to_run(self.words, trust=self.trust)
        watched = backends.wanted(self.backend, sudo=self.sudo)
        if self.install:
            installing.offer(scenarios, yes=self.yes)
        started = time.monotonic()
        with self._staging() as staging:
            verification = self._verification(scenarios, watched, staging)
            results = verification.run()
            if staging is not None:
                self._publish(staging)
        stop = verification.stopped_by
        self._tell(results, scenarios, time.monotonic() - started, stop)
        if stop is not None:
            return stop.exit_code
        return 1 if any(result.status is Status.FAILED for result in results) else 0

    def _check(self) -> None:
        """Refuse, before anything has run, what could not be written afterwards."""
        with _as_invoker():
            if self.junit is not None:
                outputs.check_writable(self.junit)
            if self.recordings is not None:
                try:
                    self.recordings.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    message = f"--save-recordings {self.recordings}: {error.strerror}"
                    raise UsageError(message, "name a folder, or where one can be made") from None

    def _verification(self, scenarios: list[Scenario], watched: dict[str, str], staging: Path | None) -> Verification:
        table = None if self.as_json else self._table(scenarios)
        if table is not None:
            streams.to_stdout(table.head())
        keep = Path(tempfile.mkdtemp(prefix="gotrace-scenarios-")) if self.keep else None
        if keep is not None:
            streams.to_stderr(f"gotrace: work folders: {keep}\n")
        shown = ticker.wanted()
        return Verification(scenarios, watched, self.workers, table, shown, keep, staging, self.sudo)

    def _table(self, scenarios: list[Scenario]) -> Table:
        colour = colour_wanted(sys.stdout) if self.colour is None else self.colour
        return Table((one.id for one in scenarios), width=width_of(sys.stdout), colour=colour)

    def _tell(
        self, results: list[ScenarioResult], scenarios: list[Scenario], seconds: float, stop: StoppedBy | None
    ) -> None:
        if self.junit is not None:
            _write(self.junit, documents.results_as_junit(results).encode())
        if self.as_json:
            streams.to_stdout(documents.results_as_json(results, {one.id: one for one in scenarios}))
        else:
            streams.to_stdout("\n" + self._table(scenarios).summary(results, seconds, stop.signal.name if stop else ""))

    @contextmanager
    def _staging(self) -> Iterator[Path | None]:
        """Where recordings lie until all scenarios have ended: only then may this process act as somebody else."""
        if self.recordings is None:
            yield None
            return
        with tempfile.TemporaryDirectory(prefix="gotrace-recordings-") as folder:
            yield Path(folder)

    def _publish(self, staging: Path) -> None:
        if self.recordings is not None:
            for file in sorted(staging.iterdir()):
                _write(self.recordings / file.name, file.read_bytes())


def _write(path: Path, content: bytes) -> None:
    with _as_invoker():
        try:
            path.write_bytes(content)
        except OSError as error:
            raise GotraceError(f"cannot write {path}: {error.strerror}", "write it elsewhere") from None


@contextmanager
def _as_invoker() -> Iterator[None]:
    """Files are opened with the rights of whoever called sudo."""
    from gotrace.capture import privileges

    with outputs.acting_as(privileges.invoker()):
        yield
