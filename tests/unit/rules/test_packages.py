"""Which Debian package holds what, by the data that ships with gotrace."""

from __future__ import annotations

import datetime
from importlib.resources import files

import pytest

from gotrace.rules import packages, registry
from gotrace.rules.registry import explanation


def names(found: tuple[packages.Package, ...]) -> list[str]:
    return [package.name for package in found]


def test_the_data_says_where_it_comes_from() -> None:
    provenance = packages.provenance()

    assert provenance.source.startswith("Debian 12")
    assert datetime.date.fromisoformat(provenance.date) > datetime.date(2023, 6, 10)


@pytest.mark.parametrize("rule", ["missing-header", "missing-library"])
def test_the_page_of_a_rule_says_of_when_the_data_is(rule: str) -> None:
    assert f"index of {packages.provenance().date}" in " ".join(str(explanation(registry.rule(rule))).split())


def test_the_packages_of_compilers_are_of_the_same_day() -> None:
    """A fix that names one of either tells one date for both."""
    text = files("gotrace.rules").joinpath("data/targets.toml").read_text()
    assert f"\n# date: {packages.provenance().date}\n" in text


@pytest.mark.parametrize(
    ("header", "package"),
    [
        ("sqlite3.h", "libsqlite3-dev"),
        ("zlib.h", "zlib1g-dev"),
        ("stdlib.h", "libc6-dev"),
        ("bits/wordsize.h", "libc6-dev"),
        ("asm/unistd.h", "linux-libc-dev"),
        ("X11/extensions/Xrandr.h", "libxrandr-dev"),
    ],
)
def test_a_header_on_the_usual_path(header: str, package: str) -> None:
    (holder,) = packages.holders_of_header(header)

    assert names(holder.packages) == [package]
    assert holder.searched


def test_alternatives_hold_the_same_header() -> None:
    (holder,) = packages.holders_of_header("curl/curl.h")

    assert "libcurl4-openssl-dev" in names(holder.packages)
    assert len(holder.packages) == 3


def test_a_header_in_a_folder_of_its_own() -> None:
    (holder,) = packages.holders_of_header("glib.h")

    assert (names(holder.packages), holder.folder, holder.searched) == (["libglib2.0-dev"], "include/glib-2.0", False)


@pytest.mark.parametrize(
    "header", ["no/such.h", "sqlite3", "", "/usr/include/sqlite3.h", "a b.h", "qlite3.h", "sqlite3.h\tH", "ütf.h", "H"]
)
def test_what_it_does_not_know_has_no_package(header: str) -> None:
    assert packages.holders_of_header(header) == []


def test_headers_of_libc() -> None:
    assert packages.is_libc_header("errno.h")
    assert packages.is_libc_header("linux/perf_event.h")
    assert not packages.is_libc_header("sqlite3.h")
    assert not packages.is_libc_header("no/such.h")


def test_libraries_and_archives() -> None:
    assert names(packages.packages_of_library("sqlite3")) == ["libsqlite3-dev"]
    assert names(packages.packages_of_library("vips")) == ["libvips-dev"]
    assert packages.packages_of_library("vips", archive=True) == (), "Debian has no libvips.a"
    assert packages.packages_of_library("foo") == ()
    assert packages.packages_of_library("sqlite3\tx") == ()


def test_pkg_config_files() -> None:
    assert names(packages.packages_of_pkg_config("gtk+-3.0")) == ["libgtk-3-dev"]
    assert packages.packages_of_pkg_config("no-such") == ()


def test_packages_of_all_architectures_are_marked() -> None:
    (holder,) = packages.holders_of_header("boost/any.hpp")

    assert not holder.packages[0].everywhere
    (holder,) = packages.holders_of_header("CImg.h")
    assert holder.packages[0].everywhere


@pytest.mark.parametrize(
    "header",
    ["local.h", "config.h", "types.h", "common.h", "utils.h", "core.h", "version.h", "lib.h", "glib.h", "jni.h"],
)
def test_a_header_in_quotes_is_the_projects_own_unless_one_library_has_it_at_the_root(header: str) -> None:
    assert packages.libraries_with_header(header, quoted=True) == []


def test_a_header_of_one_library_may_be_in_quotes() -> None:
    (holder,) = packages.libraries_with_header("sqlite3.h", quoted=True)
    assert names(holder.packages) == ["libsqlite3-dev"]


@pytest.mark.parametrize("header", ["cuda.h", "jni.h", "windows.h", "common.h", "lua.h"])
def test_a_file_of_that_name_in_another_librarys_folder_is_no_holder(header: str) -> None:
    assert packages.libraries_with_header(header) == []


@pytest.mark.parametrize(
    ("header", "library"),
    [("glib.h", "libglib2.0-dev"), ("libxml/parser.h", "libxml2-dev"), ("event.h", "libevent-dev")],
)
def test_a_library_that_needs_an_option_or_is_one_of_two_is_named(header: str, library: str) -> None:
    holders = packages.libraries_with_header(header)
    assert library in [name for holder in holders for name in names(holder.packages)]


@pytest.mark.parametrize(
    ("folder", "header", "root"),
    [
        ("/opt/foo/include", "foo/foo.h", True),
        ("/usr/include/glib-2.0", "glib.h", True),
        ("/usr/include/libpng16", "png.h", True),
        ("/usr/include/libxml2", "libxml/parser.h", True),
        ("/usr/include/valgrind", "config.h", False),
        ("/usr/include/node/cppgc", "common.h", False),
        ("/usr/include/linux", "cuda.h", False),
        ("/usr/include/hwloc", "cuda.h", False),
        ("/usr/include/x86_64-linux-gnu/bits", "stdlib.h", False),
    ],
)
def test_which_folders_are_meant_to_be_searched(folder: str, header: str, root: bool) -> None:
    assert packages.is_include_root(folder, header) is root
