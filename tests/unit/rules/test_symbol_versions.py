"""Since when a symbol is there, and where: data that was generated from the libraries' own lists."""

from __future__ import annotations

import pytest

from gotrace.rules import symbol_versions
from gotrace.rules.symbol_versions import Introduced


@pytest.mark.parametrize(
    ("name", "version", "library"),
    [
        ("__isoc23_strtol", "GLIBC_2.38", "glibc 2.38"),
        ("__libc_single_threaded", "GLIBC_2.32", "glibc 2.32"),
        ("arc4random", "GLIBC_2.36", "glibc 2.36"),
        ("std::__throw_bad_array_new_length()", "GLIBCXX_3.4.29", "the libstdc++ of GCC 11.1"),
        ("__cxa_call_terminate", "CXXABI_1.3.15", "the libstdc++ of GCC 14.1"),
    ],
)
def test_the_release_that_brought_a_name(name: str, version: str, library: str) -> None:
    introduced = symbol_versions.since(name)

    assert introduced is not None
    assert (introduced.version, introduced.library) == (version, library)


@pytest.mark.parametrize(
    "name",
    [
        "pthread_create",  # got a new version in 2.34, but the name is as old as glibc
        "strtol",
        "sqlite3_open",
        "std::cout",
        "std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >::c_str() const",
        "",
        "GLIBC_2.34",
    ],
)
def test_names_that_are_old_or_of_another_library(name: str) -> None:
    assert symbol_versions.since(name) is None


@pytest.mark.parametrize(
    "version", ["GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_PRIVATE", "GLIBCXX_3.4.21", "OPENSSL_3.0.0", ""]
)
def test_versions_that_say_nothing_about_age(version: str) -> None:
    assert symbol_versions.of_version(version) is None


def test_releases_are_ordered_by_number() -> None:
    old, new = Introduced("GLIBC_2.9", "2.9"), Introduced("GLIBC_2.34", "2.34")
    assert old.order < new.order


@pytest.mark.parametrize(
    ("versions", "distributions"),
    [
        (["GLIBC_2.31"], ["Debian 11", "Ubuntu 20.04"]),
        (["GLIBC_2.34"], ["Debian 12", "Ubuntu 22.04"]),
        (["GLIBCXX_3.4.28"], ["Debian 11", "Ubuntu 20.04"]),
        (["GLIBCXX_3.4.30"], ["Debian 12", "Ubuntu 22.04"]),
        (["GLIBC_2.36", "GLIBCXX_3.4.29"], ["Debian 12", "Ubuntu 24.04"]),
        (["GLIBC_2.38", "CXXABI_1.3.15"], ["Debian 13", "Ubuntu 24.04"]),
        (["GLIBC_2.43"], ["Ubuntu 26.04"]),
    ],
)
def test_distributions_that_are_new_enough(versions: list[str], distributions: list[str]) -> None:
    needed = [one for version in versions if (one := symbol_versions.of_version(version)) is not None]
    assert len(needed) == len(versions)
    assert symbol_versions.distributions_with(*needed) == distributions
