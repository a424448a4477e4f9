"""The table that `gotrace scenario verify` prints: a row as each scenario ends, then what came of them all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from rich.text import Text

from gotrace.reports.escape import safe_line
from gotrace.reports.page import Page
from gotrace.scenario.result import ScenarioResult, Status

_MARKS = {Status.PASSED: "passed", Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}
_STYLES = {Status.PASSED: "green", Status.FAILED: "bold red", Status.SKIPPED: "yellow"}
_ANSWERS = {True: "yes", False: "NO", None: "-"}
_MARK_WIDTH = 9
_MOST = 12
"""So many that were not done are named."""
INTERRUPTED, WHILE_IT_RAN = "interrupted", "while it ran"
"""How the `why` of a result begins that a signal stopped, and ends where it had begun."""
_COLUMNS = ("reproduced", "diagnosed", "fixed", "verdict", "seconds")


class Table:
    """Rows as wide as the longest id needs; what fell short follows its row, wrapped at `width`."""

    def __init__(self, ids: Iterable[str], *, width: int, colour: bool) -> None:
        self._id_width = max([len("scenario"), *map(len, ids)])
        self._width = width
        self._colour = colour

    def head(self) -> str:
        """Names of the columns."""
        return self._line(
            Text(f"{'':{_MARK_WIDTH}}{'scenario':{self._id_width}}  {'backend':7}  {'  '.join(_COLUMNS)}")
        )

    def row(self, result: ScenarioResult) -> str:
        """One scenario under one backend."""
        answers = (result.reproduced, result.diagnosed, result.fixed)
        cells = [f"{_ANSWERS[answer]:{len(name)}}" for name, answer in zip(_COLUMNS, answers, strict=False)]
        cells += [f"{result.verdict or '-':7}", f"{result.seconds:7.1f}"]
        row = Text(f"{_MARKS[result.status]:{_MARK_WIDTH}}", style=_STYLES[result.status])
        row += Text(f"{safe_line(result.id):{self._id_width}}  {result.backend:7}  ")
        row += Text("" if result.status is Status.SKIPPED else "  ".join(cells))
        row.rstrip()
        return self._line(row, _shortfalls(result))

    def summary(self, results: Sequence[ScenarioResult], seconds: float, stopped_by: str = "") -> str:
        """How many of each, how long it took, what was found of the claims; where a signal stopped it, what is left."""
        left = [result for result in results if stopped_by and result.why.startswith(INTERRUPTED)]
        counts = Counter(result.status for result in results if result not in left)
        told = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
        lines = f"{told or 'nothing was run'} in {seconds:.0f} s\n"
        if left:
            said = f"interrupted by {stopped_by}: {len(left)} of {len(results)} not done"
            lines += self._line(Text(said), _names(left))
        verdicts = Counter({result.id: result.verdict for result in results if result.verdict}.values())
        if verdicts:
            lines += f"claims: {', '.join(f'{number} {verdict}' for verdict, number in verdicts.most_common())}\n"
        return lines

    def _line(self, row: Text, below: Iterable[str] = ()) -> str:
        page = Page(self._width)
        page.verbatim(row)
        for text in below:
            page.paragraph(safe_line(text), indent=_MARK_WIDTH)
        return page.render(colour=self._colour)


def _names(left: Sequence[ScenarioResult]) -> Iterator[str]:
    """In one line, which: those that the signal stopped first."""
    begun = sorted(left, key=lambda result: not result.why.endswith(WHILE_IT_RAN))
    names = [f"{result.id} by {result.backend}" for result in begun]
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    yield f"{', '.join(names[:_MOST])}{more}"


def _shortfalls(result: ScenarioResult) -> Iterator[str]:
    """All that fell short, act by act; of what was not run, why."""
    if result.status is Status.PASSED:
        return
    told = [f"{act.name}: {why}" for act in result.acts for why in act.why]
    yield from told or ([result.why] if result.why else [])
