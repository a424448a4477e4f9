"""Names of errors and signals."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from gotrace.events.errno import ERRORS, NUMBERS, errno_name, errno_text
from gotrace.events.signals import SIGNALS, signal_name


def test_every_error_that_python_knows_has_its_name() -> None:
    aliases = {"EWOULDBLOCK": "EAGAIN", "EDEADLOCK": "EDEADLK", "ENOTSUP": "EOPNOTSUPP"}
    known = {number: aliases.get(name, name) for number, name in errno.errorcode.items()}
    assert {number: errno_name(number) for number in known} == known


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.E2BIG, errno.EMFILE])
def test_texts_are_those_of_the_c_library(number: int) -> None:
    assert errno_text(number) == os.strerror(number)  # Python runs in the C locale's messages here


def test_names_lead_back_to_numbers() -> None:
    assert all(ERRORS[number][0] == name for name, number in NUMBERS.items())
    assert len(NUMBERS) == len(ERRORS)


def test_an_unknown_error_is_its_number() -> None:
    assert errno_name(4000) == "4000"
    assert errno_text(4000) == "Unknown error 4000"


def test_every_signal_that_python_knows_has_its_name() -> None:
    aliases = {"SIGIOT": "SIGABRT", "SIGCLD": "SIGCHLD", "SIGPOLL": "SIGIO"}
    real_time = {"SIGRTMIN", "SIGRTMAX"}
    known = {int(s): aliases.get(s.name, s.name) for s in signal.Signals if s.name not in real_time}
    assert {number: signal_name(number) for number in known} == known
    assert SIGNALS.keys() == known.keys()


@pytest.mark.parametrize(("number", "name"), [(32, "SIGRT_0"), (64, "SIGRT_32"), (65, "65"), (0, "0")])
def test_other_numbers(number: int, name: str) -> None:
    assert signal_name(number) == name
