#!/bin/sh
# Installs the npm client of ipfs-cluster's REST API for the tests and prints the folder of its package. Only developers
# and CI need it; users never need Node.
#
# PINCREW_KUBO_CACHE names the folder to keep it in, as in get-kubo.sh. Done once: later runs only print. npm installs
# exactly what npm/package-lock.json pins, and runs none of its scripts. Exit codes: 0 done, 1 it failed, 2 Node or npm is
# missing.
set -eu

version=5.0.1
package=node_modules/@nftstorage/ipfs-cluster

say() { printf 'get-npm-client.sh: %s\n' "$*" >&2; }

main() {
    unset CDPATH || :
    here=$(cd "$(dirname "$0")" && pwd)
    cache=${PINCREW_KUBO_CACHE:-${HOME:?HOME is not set}/.cache/pincrew-dev}
    mkdir -p "$cache"
    cache=$(cd "$cache" && pwd)
    folder=$cache/npm-client-$version
    if [ -f "$folder/$package/package.json" ]; then
        printf '%s\n' "$folder/$package"
        return
    fi
    if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
        say "Node and npm are not installed: install Node 20 or later."
        return 2
    fi
    scratch=$(mktemp -d "$cache/installing.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 1' HUP INT TERM
    cp "$here/npm/package.json" "$here/npm/package-lock.json" "$scratch"
    (cd "$scratch" && npm ci --ignore-scripts --no-audit --no-fund) >&2 || return 1
    rm -rf "$folder"
    mv "$scratch" "$folder"
    printf '%s\n' "$folder/$package"
}

main "$@"
