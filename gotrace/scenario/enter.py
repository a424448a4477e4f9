"""Becomes a program inside a scenario's environment: `python -m gotrace.scenario.enter PLAN -- PROGRAM [ARGUMENT...]`.

PLAN is a `gotrace.scenario.plan.Plan` as JSON. Nothing stays behind when the program and all it started have ended,
however they end: mounts, network and limits belong to their namespaces and processes, and the kernel takes them away.
The program runs as the user who calls, with no more rights than that user had before.
"""

from __future__ import annotations

import glob
import os
import re
import resource
import shutil
import signal
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec

from gotrace.errors import GotraceError
from gotrace.scenario import mounts, namespaces, overlays, refuse, roots
from gotrace.scenario.plan import SET_UP_FAILED, Overlay, Plan, Root

_VARIABLE = re.compile(r"\$(\w+)")
_UNLIMITED = -1


class _SetUpError(Exception):
    """The environment cannot be set up; the text is the reason."""


def main(words: Sequence[str]) -> NoReturn:
    """Set the environment up and become the program; ends with 125, 126 or 127 where that cannot be done."""
    if len(words) < 3 or words[1] != "--":
        sys.exit("usage: python -m gotrace.scenario.enter PLAN -- PROGRAM [ARGUMENT...]")
    try:
        plan = msgspec.json.decode(words[0], type=Plan)
    except msgspec.MsgspecError as error:
        _give_up(error)
    set_up_or_exit(plan)
    become(words[2:])


def become(program: Sequence[str]) -> NoReturn:
    """Execute a program, found on PATH, in place of this one."""
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        os.execvp(program[0], [*program])
    except OSError as error:
        print(f"gotrace: {program[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


def set_up_or_exit(plan: Plan) -> None:
    """As `set_up`; what stands in its way is said, and ends this process with `SET_UP_FAILED`."""
    try:
        set_up(plan)
    except (_SetUpError, GotraceError, OSError) as error:
        _give_up(error)


def by_itself(plan: Plan) -> bool:
    """Whether a process that has other work to do may go in by `set_up`, and go on with it.

    Not where the new namespaces take a user namespace: only an execve(2) in there takes the rights over it away. Not
    below limits, which a program that is loaded already meets in another way than one that has yet to load.
    """
    namespaced = plan.mount or plan.network or plan.join
    return not plan.limits and not plan.user and (not namespaced or namespaces.permitted())


def set_up(plan: Plan) -> None:
    """Do all that the plan says, for this process and what it starts.

    Raises:
        OSError: the kernel refuses a step, or a file is not there.
    """
    cwd = str(Path.cwd())
    if plan.with_parent:
        namespaces.die_with_parent()
    os.environ.update({name: _expanded(text, plan) for name, text in plan.variables.items()})
    os.environ.update({name: text for name, text in plan.defaults.items() if not os.environ.get(name)})
    if plan.join:
        namespaces.join_mounts(plan.join)
        os.chdir(cwd)
    namespaces.unshare(mounts=plan.mount, network=plan.network)
    if plan.network and plan.loopback:
        namespaces.bring_up_loopback()
    if plan.mount:
        mounts.keep_to_ourselves()
        if plan.overlay is not None:
            _go_into(plan.overlay, plan)
        else:
            _change_folders(plan)
        _restrict(plan)
        os.chdir(cwd)  # into what is mounted there now
    if plan.root is not None:
        roots.change_root(_expanded_root(plan.root, plan), cwd)
    for name, limit in plan.limits.items():
        most = resource.RLIM_INFINITY if limit == _UNLIMITED else limit
        resource.setrlimit(getattr(resource, f"RLIMIT_{name.upper()}"), (most, most))
    if plan.refuse:
        refuse.refuse(plan.refuse)
    if plan.user:
        _become_user(plan.user)


def _become_user(name: str) -> None:
    from gotrace.capture import privileges

    privileges.become(privileges.user(name))


def _go_into(overlay: Overlay, plan: Plan) -> None:
    """Into the overlay, and change files there for real: nothing else than the overlay has them afterwards."""
    outside = Path("/").stat().st_dev
    expanded = [_expanded(each, plan) for each in overlay.keep]
    kept = [os.path.realpath(folder) for folder in expanded if folder.startswith("/")]
    work = os.path.realpath(plan.work)
    overlays.change_root(kept, overlay.bind)
    if Path("/").stat().st_dev == outside:
        raise _SetUpError("the root folder is still the real one")
    real = [*overlays.KERNEL, *overlay.bind, *(folder for folder in kept if folder != work)]
    for one in plan.hide:
        for path in _to_hide(one, plan):
            if any(overlays.is_below(str(path), folder) for folder in real):
                raise _SetUpError(f"{path} is the real one also in an overlay, and is not removed")
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, text in plan.texts.items():
        path = Path(_expanded(name, plan))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755 if text.startswith("#!") else 0o644)


def _change_folders(plan: Plan) -> None:
    hidden: dict[str, list[str]] = defaultdict(list)
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    for one in plan.hide:
        for path in _to_hide(one, plan):
            hidden[str(path.parent)].append(path.name)
    for name, text in plan.texts.items():
        path = _place(Path(_expanded(name, plan)))
        texts[str(path.parent)][path.name] = text
    if "/" in hidden or "/" in texts:
        raise _SetUpError("what lies in / itself can be neither hidden nor changed")
    # The innermost first: each is mounted over what was there, and stays when a folder above it is changed.
    for folder in sorted(hidden.keys() | texts.keys(), key=lambda path: (-path.count("/"), path)):
        mounts.change(folder, hide=hidden[folder], texts=texts[folder])


def _to_hide(one: str, plan: Plan) -> set[Path]:
    pattern = _expanded(one, plan)
    if "/" in pattern:
        found = {_place(Path(path)) for path in glob.glob(pattern)}  # noqa: PTH207  (pathlib's passes over dangling links)
    else:
        folders = map(Path, os.environ.get("PATH", os.defpath).split(os.pathsep))
        found = {_place(path) for folder in folders if os.path.lexists(path := folder / pattern)}
    if not found:
        raise _SetUpError(f"there is no {one} that could be hidden")
    return found


def _place(path: Path) -> Path:
    """Where the name itself stands, which may be a link."""
    return path.parent.resolve() / path.name


def _restrict(plan: Plan) -> None:
    for path in plan.readonly:
        mounts.restrict(_existing(path, plan), mounts.READ_ONLY)
    for path in plan.noexec:
        mounts.restrict(_existing(path, plan), mounts.NO_EXEC)
    for path, size in plan.tmpfs.items():
        mounts.small(_existing(path, plan), size)


def _existing(path: str, plan: Plan) -> str:
    """The real path; a folder below $WORK is made where there is none."""
    whole = Path(_expanded(path, plan))
    if plan.work and whole.is_relative_to(plan.work) and not whole.exists():
        whole.mkdir(parents=True)
    return str(whole.resolve(strict=True))


def _expanded_root(root: Root, plan: Plan) -> Root:
    return msgspec.structs.replace(
        root,
        folder=_expanded(root.folder, plan),
        files={inside: _expanded(outside, plan) for inside, outside in root.files.items()},
        bind=[folder for each in root.bind if (folder := _expanded(each, plan)).startswith("/")],
    )


def _expanded(text: str, plan: Plan) -> str:
    values = {**os.environ, **({"WORK": plan.work} if plan.work else {})}
    return _VARIABLE.sub(lambda found: values.get(found[1], ""), text)


def _give_up(error: Exception) -> NoReturn:
    print(f"gotrace: this environment cannot be set up: {_reason(error)}", file=sys.stderr)
    sys.exit(SET_UP_FAILED)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


if __name__ == "__main__":
    main(sys.argv[1:])
