#!/usr/bin/env bash
# Shows gotrace on a real failure: an arm64 cross-compile of a cgo program that takes the machine's own C compiler.
# Then it runs the fix that gotrace printed. Fails where the first build is not diagnosed or the second does not pass.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

root=$PWD
gotrace=$root/.venv/bin/gotrace
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch" && rm -rf "$scratch"' EXIT

privileged=()
((EUID == 0)) || privileged=(--sudo)

# An empty build cache, so that everything is really compiled and a cached result cannot hide the failure.
export GOCACHE=$scratch/cache GOTOOLCHAIN=local
# The two settings of a cross-compile, as a user would export them.
export GOARCH=arm64 CGO_ENABLED=1
unset CC CXX GOOS GOFLAGS

report_says() { "$root/.venv/bin/python" "$root/tools/report_says.py" "$@"; }

title() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
show() { # a command as it could be typed
    printf '$'
    printf ' %q' "$@"
    printf '\n'
}

cd examples/cross-cgo
title "1. An arm64 build of a cgo program fails. gotrace says why:"
show cd examples/cross-cgo
show export GOARCH=arm64 CGO_ENABLED=1
show gotrace build "${privileged[@]}" -- go build -o /dev/null .
status=0
"$gotrace" build "${privileged[@]}" --report "json:$scratch/failed.json" -- go build -o /dev/null . || status=$?
((status != 0)) || { echo "demo: the cross-compile with the machine's own gcc passed, it should have failed" >&2; exit 1; }
report_says diagnosed "$scratch/failed.json" wrong-target-compiler

mapfile -d '' -t fix < <(report_says fix "$scratch/failed.json")
((${#fix[@]})) || { echo "demo: the report names no command that fixes it" >&2; exit 1; }
title "2. The command that gotrace printed, traced as well:"
show gotrace build "${privileged[@]}" -- "${fix[@]}"
"$gotrace" build "${privileged[@]}" --report "json:$scratch/fixed.json" -- "${fix[@]}"
report_says clean "$scratch/fixed.json"
title "The first build was diagnosed, the printed fix passes."
