"""The line of progress must leave the terminal exactly as it would be without it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import struct
import sys
import termios
from collections.abc import Callable

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gotrace.cli import progress as module
from gotrace.cli.progress import Progress, progress
from gotrace.events.model import Exec

ROWS, COLUMNS = 8, 50


class Terminal:
    """A small terminal; what is written to `fd` and with `says` appears on it in that order."""

    def __init__(self, before: str = "") -> None:
        self.screen = pyte.HistoryScreen(COLUMNS, ROWS, history=1000)
        self._stream = pyte.Stream(self.screen)
        self._read, self.fd = os.pipe()
        os.set_blocking(self._read, False)
        self.size = os.terminal_size((COLUMNS, ROWS))
        self.foreground = True
        self.drawn = 0
        self.says(before)

    def says(self, text: str) -> None:
        """What the command, a shell or the user's echo writes: the line discipline makes CR LF of LF."""
        self._take_drawings()
        self._stream.feed(text.replace("\n", "\r\n"))

    def resize(self, rows: int) -> None:
        self._take_drawings()
        """As terminals do it with the cursor near the top: rows come and go below; the scrolling region is reset."""
        self.size = os.terminal_size((COLUMNS, rows))
        for gone in range(rows, self.screen.lines):
            self.screen.buffer.pop(gone, None)
        self.screen.lines = rows
        self.screen.set_margins()

    def lines(self) -> list[str]:
        """All there is to read, scrolled off or not."""
        self._take_drawings()
        above = ["".join(row[column].data for column in range(COLUMNS)) for row in self.screen.history.top]
        return "\n".join(line.rstrip() for line in above + self.screen.display).rstrip("\n").split("\n")

    def cursor(self) -> tuple[int, int]:
        """Line (counted from the first that was ever written) and column."""
        self._take_drawings()
        return len(self.screen.history.top) + self.screen.cursor.y, self.screen.cursor.x

    def bottom(self) -> str:
        self._take_drawings()
        return str(self.screen.display[-1]).rstrip()

    def _take_drawings(self) -> None:
        try:
            drawing = os.read(self._read, 65536).decode()
        except BlockingIOError:
            return
        self.drawn += 1
        self._stream.feed(drawing)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


Make = Callable[[str], tuple[Terminal, Clock, Progress]]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Make:
    def make(before: str = "") -> tuple[Terminal, Clock, Progress]:
        screen, clock = Terminal(before), Clock()
        monkeypatch.setattr("gotrace.cli.screen.size_of", lambda _fd, **_least: screen.size)
        monkeypatch.setattr("gotrace.cli.screen.in_foreground", lambda _: screen.foreground)
        line = Progress(screen.fd, clock)
        line.tick(0)  # the command runs
        return screen, clock, line

    return make


def compile_of(package: str, pid: int = 7) -> Exec:
    path = "/usr/lib/go/pkg/tool/linux_amd64/compile"
    return Exec(ts_ns=1, pid=pid, path=path, argv=(path, "-o", "x.a", "-p", package, "x.go"))


def test_it_shows_what_runs_in_the_last_row(terminal: Make) -> None:
    screen, clock, line = terminal("$ gotrace build\n")
    line.live([compile_of("net/http")])
    clock.now += 5
    line.tick(0)
    assert screen.bottom() == "gotrace: 0 packages, 1 running (compile net/http),"[: COLUMNS - 1]
    assert screen.lines()[0] == "$ gotrace build"
    assert screen.cursor() == (1, 0)


def test_it_appears_only_after_half_a_second(terminal: Make) -> None:
    screen, clock, line = terminal("")
    clock.now += 0.49
    line.tick(0)
    assert screen.bottom() == ""
    clock.now += 0.02
    line.tick(0)
    assert screen.bottom().startswith("gotrace: 0 packages")


def test_it_is_drawn_at_most_five_times_a_second(terminal: Make) -> None:
    screen, clock, line = terminal("")
    for _ in range(100):
        clock.now += 0.02
        line.tick(0)
        screen.bottom()
    assert 5 <= screen.drawn <= 10


def test_the_first_write_of_the_command_ends_it_for_good(terminal: Make) -> None:
    screen, clock, line = terminal("$ gotrace build\n")
    clock.now += 1
    line.tick(0)
    screen.says("# example.com/hello\n")
    line.tick(1)
    assert screen.lines() == ["$ gotrace build", "# example.com/hello"]
    clock.now += 60
    line.tick(1)
    assert screen.lines() == ["$ gotrace build", "# example.com/hello"]
    assert screen.screen.margins is None


def test_a_command_that_writes_before_it_appears_never_sees_it(terminal: Make) -> None:
    screen, clock, line = terminal("")
    screen.says("hello\n")
    clock.now += 3
    line.tick(1)
    assert screen.lines() == ["hello"]
    assert screen.drawn == 0


def test_it_is_gone_after_an_exception(terminal: Make) -> None:
    screen, clock, line = terminal("$ gotrace build\n")
    clock.now += 1

    def fails() -> None:
        with line:
            line.tick(0)
            assert screen.bottom().startswith("gotrace: ")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert screen.lines() == ["$ gotrace build"]
    assert screen.screen.margins is None


def test_while_stopped_the_shell_has_the_whole_terminal_and_afterwards_it_comes_back(terminal: Make) -> None:
    screen, clock, line = terminal("$ gotrace build\n")
    clock.now += 1
    line.tick(0)
    line.stopping()
    screen.says("^Z[1]+ Stopped\n$ fg\n")
    assert screen.lines() == ["$ gotrace build", "^Z[1]+ Stopped", "$ fg"]
    clock.now += 1
    line.tick(0)
    assert screen.bottom().startswith("gotrace: ")
    line.ended()
    assert screen.lines() == ["$ gotrace build", "^Z[1]+ Stopped", "$ fg"]


def test_in_the_background_nothing_is_drawn(terminal: Make) -> None:
    screen, clock, line = terminal("")
    screen.foreground = False
    clock.now += 1
    line.tick(0)
    assert screen.drawn == 0


@pytest.mark.parametrize("rows", [6, 12])
def test_a_resize_leaves_no_row_behind(terminal: Make, rows: int) -> None:
    screen, clock, line = terminal("$ gotrace build\n")
    clock.now += 1
    line.tick(0)
    screen.resize(rows)
    clock.now += 1
    line.tick(0)
    assert screen.bottom().startswith("gotrace: 0 packages")
    assert "".join(screen.screen.display).count("gotrace: 0 packages") == 1
    line.ended()
    assert screen.lines() == ["$ gotrace build"]


def test_hostile_names_cannot_leave_the_row(terminal: Make) -> None:
    screen, clock, line = terminal("$ gotrace build\n")
    line.live([compile_of("a\x1b[1;1Hb\nc")])
    clock.now += 1
    line.tick(0)
    assert screen.bottom().startswith("gotrace: 0 packages, 1 running (compile a\\x1b[1;")
    assert screen.lines()[0] == "$ gotrace build"


TEXTS = st.text(alphabet=st.sampled_from("ab \n\tü"), max_size=120)


@given(before=TEXTS, late=TEXTS, after=TEXTS)
def test_the_screen_is_what_it_would_be_without_it(before: str, late: str, after: str) -> None:
    """`late` is what the command writes before gotrace can know, so while the last row is still reserved."""
    bare = Terminal(before)
    bare.says(late)
    wrap_pending = bare.screen.cursor.x == COLUMNS
    bare.says(after)

    screen, clock = Terminal(before), Clock()
    if wrap_pending or screen.screen.cursor.x == COLUMNS:
        return  # a pending wrap: the next letter would go to the next line; no sequence leaves that alone
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gotrace.cli.screen.size_of", lambda _fd, **_least: screen.size)
        patch.setattr("gotrace.cli.screen.in_foreground", lambda _: True)
        line = Progress(screen.fd, clock)
        for _ in range(3):
            line.tick(0)
            clock.now += 1
        assert screen.bottom().startswith("gotrace: ")
        screen.says(late)
        line.tick(1)
        screen.says(after)
    assert screen.lines() == bare.lines()
    assert screen.cursor() == bare.cursor()
    assert screen.screen.margins is None


@pytest.mark.parametrize(
    ("quiet", "environ"),
    [(True, {"TERM": "xterm"}), (False, {"TERM": "dumb"}), (False, {}), (False, {"TERM": "xterm", "CI": "true"})],
)
def test_nobody_looks(terminal: Make, monkeypatch: pytest.MonkeyPatch, quiet: bool, environ: dict[str, str]) -> None:
    terminal("")
    monkeypatch.setattr(module, "_is_pipe", lambda _: False)
    assert progress(quiet=False, environ={"TERM": "xterm"}) is not None
    assert progress(quiet=quiet, environ=environ) is None


def test_what_reads_the_commands_output_may_write_to_the_terminal_itself(
    terminal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal("")
    monkeypatch.setattr(module, "_is_pipe", lambda fd: fd == 1)
    assert progress(quiet=False, environ={"TERM": "xterm"}) is None


ON_A_TERMINAL = """
import sys
from gotrace.cli.progress import progress
line = progress(quiet=False, environ={"TERM": "xterm"})
line._clock = iter(range(100)).__next__
print("$ gotrace build")
for _ in range(3):
    line.tick(0)
print("# example.com/hello")
line.tick(1)
print("bye")
"""


def test_on_a_real_terminal() -> None:
    """A pseudoterminal that is the controlling one of its session, as a shell's is."""
    child, master = pty.fork()
    if child == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execv(sys.executable, [sys.executable, "-c", ON_A_TERMINAL])
    raw = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while part := os.read(master, 65536):
            raw += part
    os.close(master)
    assert os.waitpid(child, 0)[1] == 0
    screen = Terminal(raw.decode().replace("\r\n", "\n"))
    assert b"gotrace: 0 packages, 2 s" in raw
    assert screen.lines() == ["$ gotrace build", "# example.com/hello", "bye"]
    assert screen.screen.margins is None
