"""Which Debian package holds what, by the data that ships with gotrace."""

from __future__ import annotations

import datetime

import pytest

from gotrace.rules import packages


def names(found: tuple[packages.Package, ...]) -> list[str]:
    return [package.name for package in found]


def test_the_data_says_where_it_comes_from() -> None:
    provenance = packages.provenance()

    assert provenance.source.startswith("Debian 12")
    assert datetime.date.fromisoformat(provenance.date) > datetime.date(2023, 6, 10)


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
