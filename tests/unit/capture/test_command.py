"""Which file a command line means, and what is said about one that cannot be executed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gotrace.capture.command import locate, refusal, search
from gotrace.capture.tracee import Tracee
from gotrace.errors import CommandError


def program(path: Path, text: str = "#!/bin/sh\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def refused(name: str, path: str = "/usr/bin:/bin") -> CommandError:
    with pytest.raises(CommandError) as error, Tracee.launch([name], env={"PATH": path}) as tracee:
        tracee.release()
    return error.value


def test_the_first_folder_of_path_that_has_it_wins(tmp_path: Path) -> None:
    first, second = program(tmp_path / "a/tool"), program(tmp_path / "b/tool")
    assert locate("tool", {"PATH": f"{first.parent}:{second.parent}"}) == str(first)
    assert locate("tool", {"PATH": f"/no/such:{second.parent}:{first.parent}"}) == str(second)


def test_files_that_may_not_be_executed_are_passed_over(tmp_path: Path) -> None:
    program(tmp_path / "a/tool", mode=0o644)
    (tmp_path / "b/tool").mkdir(parents=True)
    good = program(tmp_path / "c/tool")
    assert locate("tool", {"PATH": f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c"}) == str(good)


def test_without_path_the_systems_own_folders_are_searched() -> None:
    assert locate("true", {}) in ("/bin/true", "/usr/bin/true")


def test_an_empty_element_of_path_is_the_commands_folder(tmp_path: Path) -> None:
    program(tmp_path / "tool")
    assert locate("tool", {"PATH": ":/usr/bin"}, str(tmp_path)) == "./tool"
    assert search("tool", "/usr/bin", str(tmp_path)) is None


def test_a_name_with_a_slash_is_not_searched_for(tmp_path: Path) -> None:
    program(tmp_path / "sub/tool")
    assert locate("sub/tool", {"PATH": "/usr/bin"}, str(tmp_path)) == "sub/tool"
    with pytest.raises(CommandError):
        locate("./true", {"PATH": "/usr/bin:/bin"}, str(tmp_path))


def test_a_command_that_is_nowhere_in_path() -> None:
    error = refused("no-such-command")
    assert (error.exit_code, error.message) == (127, "no-such-command: command not found in PATH")
    assert error.remedy


@pytest.mark.parametrize("name", ["", "./no-such-file", "/etc/passwd/x"])
def test_a_path_that_is_nowhere(name: str) -> None:
    assert refused(name).exit_code == 127


def test_a_folder(tmp_path: Path) -> None:
    error = refused(str(tmp_path))
    assert error.exit_code == 126
    assert error.message == f"{tmp_path}: cannot be executed: it is a directory"


def test_a_file_without_execute_permission(tmp_path: Path) -> None:
    file = program(tmp_path / "my tool", mode=0o644)
    error = refused(str(file))
    assert (error.exit_code, error.remedy) == (126, f"chmod +x '{file}'")
    assert refused("my tool", str(tmp_path)).message == error.message


def test_a_file_of_data_is_not_advised_to_be_made_executable(tmp_path: Path) -> None:
    file = program(tmp_path / "passwd", "root:x:0:0::/root:/bin/sh\n", mode=0o644)
    error = refused(str(file))
    assert (error.exit_code, error.remedy) == (126, f"see whether it is a program: file {file}")


@pytest.mark.parametrize(
    ("text", "cause", "remedy"),
    [
        ("#!/no/such/shell\n", "its interpreter '/no/such/shell' does not exist", "install /no/such/shell"),
        ("#! /bin/sh\r\n", r"its interpreter '/bin/sh\r' does not exist", r"sed -i 's/\r$//'"),
        ("#!/etc/passwd -x\n", "its interpreter '/etc/passwd' may not be executed", "correct the first line"),
        ("echo hello\n", "it is a script without a #! line", "add one, or name the shell: sh "),
        ("", "it is no program", "see what it is: file "),
        ("\x7fELF\2\1\1", "it was built for another machine", "see for which: file "),
    ],
)
def test_a_file_that_the_kernel_refuses(tmp_path: Path, text: str, cause: str, remedy: str) -> None:
    error = refused(str(program(tmp_path / "tool", text)))
    assert error.exit_code == 126
    assert error.message == f"{tmp_path}/tool: cannot be executed: {cause}"
    assert remedy in error.remedy


def test_a_program_whose_loader_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "tool"
    image = bytearray(Path("/bin/true").read_bytes())
    at = image.index(b"/lib64/ld-linux-x86-64.so.2\0")
    image[at : at + 7] = b"/lib99/"
    file.write_bytes(image)
    file.chmod(0o755)
    error = refused(str(file))
    assert "the program loader /lib99/ld-linux-x86-64.so.2 does not exist" in error.message
    assert error.exit_code == 126


def test_a_file_that_somebody_writes(tmp_path: Path) -> None:
    file = tmp_path / "tool"
    file.write_bytes(Path("/bin/true").read_bytes())
    file.chmod(0o755)
    with file.open("r+b"):
        assert "open for writing" in refused(str(file)).message


def test_other_errors_are_named_as_the_system_names_them() -> None:
    assert os.strerror(errno.EIO) in refusal("/bin/true", errno.EIO).message
