"""Facts: what the capture layer asks from the tools and the disk once the command has ended.

The questions run as the user, with the environment and in the folder of the command, at the same time and with a
common time limit; none of them downloads or builds anything. What stays unanswered is a fact too (`probe_failed`).
Where tools ran below another root (a chroot, a container), files are looked at there, and no program of it is asked.
The sorts of facts are listed in docs/architecture.md ("Facts").
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from gotrace.capture.facts.archives import archive_facts
from gotrace.capture.facts.asker import Asker, NoAnswerError
from gotrace.capture.facts.builds import GoBuild, go_builds
from gotrace.capture.facts.cgosources import ask_cgo_sources, asks_for_c
from gotrace.capture.facts.compilers import Driver, ask_compiler, executed_drivers, named_driver
from gotrace.capture.facts.compilers import question as compiler_question
from gotrace.capture.facts.errno_texts import errno_text_facts
from gotrace.capture.facts.found import Found, real, unanswered
from gotrace.capture.facts.goenv import ask_go_env
from gotrace.capture.facts.goenv import question as go_env_question
from gotrace.capture.facts.gopackages import ask_packages, matters
from gotrace.capture.facts.gopackages import question as packages_question
from gotrace.capture.facts.headers import header_facts
from gotrace.capture.facts.inside import facts_inside
from gotrace.capture.facts.libraries import library_facts
from gotrace.capture.facts.pkgconfig import answer_facts, pkgconfig_facts
from gotrace.capture.facts.places import place_facts
from gotrace.capture.facts.preambles import preamble_facts
from gotrace.capture.facts.processes import Processes
from gotrace.capture.facts.programs import program_facts
from gotrace.capture.facts.runs import facts_of_run
from gotrace.capture.facts.syscall_names import syscall_name_facts
from gotrace.capture.facts.toolchain import toolchain_fact
from gotrace.capture.facts.vcs import vcs_facts
from gotrace.capture.roots import OURS, Namespaces, Root
from gotrace.events.model import Fact, KnownEvent
from gotrace.events.quoted import split_quoted
from gotrace.events.recording import Header
from gotrace.events.tools import Role
from gotrace.host.distribution import host_facts

_SECONDS = 2.0
_MOST_BUILDS = 8
_MOST_DRIVERS = 16
_MOST_ROOTS = 4
"""Bazel gives every compile a mount namespace; those of failures count."""
_WORKERS = 6


def gather(
    header: Header,
    events: Sequence[KnownEvent],
    *,
    failed: bool,
    env: Mapping[str, str],
    cwd: str,
    now_ns: Callable[[], int],
    seconds: float = _SECONDS,
    namespaces: Namespaces | None = None,
) -> list[Fact]:
    """The facts of a capture whose command has ended.

    `env` is the whole environment that the command was given (it is used, never recorded) and `cwd` its folder.
    `failed`: the command did not end with status 0; only then missing headers and libraries, full or forbidden folders,
    a refusal of git and the lines that ask for C are looked into.
    Takes at most about `seconds`, and as long again where tools ran below other roots; `namespaces` are those that were
    kept for it while the command ran.
    """
    processes = Processes(events)
    inside: list[Found] = []
    asker = Asker(seconds)
    if header.running:
        inside += facts_of_run(processes, events, namespaces or Namespaces(), seconds)
    for root in processes.other_roots()[:_MOST_ROOTS]:  # before there are threads: each of them makes a process
        other = _Inquiry(processes, root, env, cwd, asker)
        inside += other.look_inside(namespaces or Namespaces(), failed)
    ours = _Inquiry(processes, OURS, env, cwd, Asker(seconds))
    found = [Found("host", "", dict(header.host) or host_facts()), *_asked(ours, failed), *inside]
    return [Fact(ts_ns=now_ns(), pid=one.pid, name=one.name, subject=one.subject, data=one.data) for one in found]


def _asked(inquiry: _Inquiry, failed: bool) -> list[Found]:
    """What tools and files say; where no thread can be started (a limit, a filter), that they were not asked."""
    try:
        return list(inquiry.ask(failed))
    except RuntimeError as error:
        return [unanswered("goenv", [], NoAnswerError(str(error)))]


class _Inquiry:
    """All questions about what ran below one root."""

    def __init__(self, processes: Processes, root: Root, env: Mapping[str, str], cwd: str, asker: Asker) -> None:
        self._everywhere, self._processes = processes, processes.within(root)
        self._root = root
        self._env = env
        self._cwd = cwd or "/"
        self._asker = asker

    def look_inside(self, namespaces: Namespaces, failed: bool) -> Iterator[Found]:
        """Of another root than ours: what its files say after a failure, and which programs were not asked."""
        refusal = NoAnswerError(f"it ran in {self._root.kind}, where gotrace starts no program")
        builds = list(go_builds(self._processes, self._env, self._cwd))
        for build in builds[:_MOST_BUILDS]:
            yield unanswered("goenv", go_env_question(build), refusal, build.pid)
        for driver, image in list(executed_drivers(self._processes, self._env).items())[:_MOST_DRIVERS]:
            yield unanswered("compiler", compiler_question(driver), refusal, image.process.pid)
        if failed:
            try:
                yield from facts_inside(self._root, namespaces, self._processes, builds, self._asker.seconds_left)
            except (NoAnswerError, OSError) as error:
                reason = NoAnswerError(f"the tools ran in {self._root.kind}: {_reason(error)}")
                yield unanswered("root", [real(self._root.folder)] if self._root.folder else [], reason)

    def ask(self, failed: bool) -> Iterator[Found]:
        """Of our own root: all that tools and files say."""
        drivers = dict(list(executed_drivers(self._processes, self._env).items())[:_MOST_DRIVERS])
        builds = list(go_builds(self._processes, self._env, self._cwd))
        # Compilers are asked in an empty folder: one that takes a question for an order leaves its output there.
        with tempfile.TemporaryDirectory(prefix="gotrace-") as self._empty, ThreadPoolExecutor(_WORKERS) as pool:
            answers: list[Future[list[Found]]] = []
            for group in _same_question(builds)[:_MOST_BUILDS]:
                answers.append(pool.submit(self._about_build, group, drivers, failed))
            for driver, image in drivers.items():
                answers.append(pool.submit(self._about_driver, driver, image.process.pid, self._env))
            if failed:
                of_files = (library_facts, header_facts, pkgconfig_facts, archive_facts)
                answers += [pool.submit(ask, self._processes) for ask in of_files]
                answers.append(pool.submit(lambda: list(preamble_facts(self._processes))))
                answers.append(pool.submit(lambda: list(errno_text_facts(self._processes, self._env))))
                answers.append(pool.submit(lambda: list(vcs_facts(self._processes, self._asker, self._env))))
                answers.append(pool.submit(lambda: list(answer_facts(self._processes, self._asker, self._env))))
        found = [fact for answer in answers for fact in answer.result()]
        yield from found
        yield from _not_asked(builds)
        yield from program_facts(self._processes, builds)
        if failed or any(fact.name == "goenv" and fact.data["values"].get("CGO_ENABLED") == "0" for fact in found):
            yield from self._toolchain(builds)

    def _toolchain(self, builds: Sequence[GoBuild]) -> Iterator[Found]:
        """Which compilers there are for the builds here; nobody asks if they all ran below other roots."""
        if builds or not any(self._everywhere.images(Role.GO)):
            yield toolchain_fact(builds[0].env if builds else self._env, (build.env for build in builds))

    def _about_build(self, group: Sequence[GoBuild], drivers: Mapping[Driver, object], failed: bool) -> list[Found]:
        build = group[0]
        try:
            goenv = ask_go_env(self._asker, build)
        except NoAnswerError as error:
            return [unanswered("goenv", go_env_question(build), error, build.pid)]
        facts = [Found("goenv", goenv.subject, {**goenv.data, "pid": one.pid}, one.pid) for one in group]
        for one in (one for one in group if failed and one.failed):
            facts += place_facts(one, goenv.data["values"])
            facts += syscall_name_facts(one, goenv.data["values"])
        if matters(build, goenv):
            facts += self._about_packages(build, goenv)
        if failed and asks_for_c(build, goenv):
            facts += ask_cgo_sources(self._asker, build, goenv)
        driver = self._named_driver(build, goenv)
        if driver and not any((driver.path, driver.selection) == (one.path, one.selection) for one in drivers):
            facts += self._about_driver(driver, build.pid, build.env)
        return facts

    def _about_packages(self, build: GoBuild, goenv: Found) -> list[Found]:
        try:
            return ask_packages(self._asker, build, goenv)
        except NoAnswerError as error:
            return [unanswered("gopackage", packages_question(build, goenv), error, build.pid)]

    def _named_driver(self, build: GoBuild, goenv: Found) -> Driver | None:
        """The compiler that go was told to use. Without cgo it is of no interest, and nobody ran it."""
        values = goenv.data["values"]
        if values.get("CGO_ENABLED") != "1":
            return None
        return named_driver([real(word) for word in split_quoted(values.get("CC", ""))], build.env.get("PATH"))

    def _about_driver(self, driver: Driver, pid: int, env: Mapping[str, str]) -> list[Found]:
        try:
            return [ask_compiler(self._asker, driver, env, self._empty, pid)]
        except NoAnswerError as error:
            return [unanswered("compiler", compiler_question(driver), error, pid)]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _same_question(builds: Sequence[GoBuild]) -> list[list[GoBuild]]:
    """Builds that would get the same answers: a script may call the same go command many times."""
    groups: dict[object, list[GoBuild]] = {}
    for build in builds:
        key = (build.path, build.folder, build.command, tuple(sorted(build.env.items())))
        groups.setdefault(key, []).append(build)
    return list(groups.values())


def _not_asked(builds: Sequence[GoBuild]) -> Iterator[Found]:
    for group in _same_question(builds)[_MOST_BUILDS:]:
        reason = NoAnswerError(f"not asked: more than {_MOST_BUILDS} different builds")
        yield unanswered("goenv", go_env_question(group[0]), reason, group[0].pid)
