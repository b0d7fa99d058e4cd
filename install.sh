#!/bin/sh
# Installs pincrew without a compiler and without root. Run it as often as you like.
#
#   ./install.sh              into a venv of its own, with a link at ~/.local/bin/pincrew
#   ./install.sh uninstall    removes those two, never what pincrew keeps for you
#   ./install.sh demo [...]   a whole crew on this machine, from this folder's .venv
#   ./install.sh test [...]   the tests, from the same .venv (--all adds the long ones; the rest goes to pytest)
#   ./install.sh dev          only makes that .venv, with the development tools
#
# PINCREW_PYTHON names the Python to use (3.11, 3.12 or 3.13). Exit codes: 0 done, 1 failed, 2 something is missing.
# Why not plain pip: docs/adr/0001-installing-without-a-compiler.md.
set -eu

disk_mib_needed=500
wait_s_max=900

say() { printf '%s\n' "$*" >&2; }
missing() { say "install.sh: $*"; exit 2; }
failed() { say "install.sh: $*"; exit 1; }

# ---- what must be there ------------------------------------------------------------------------------------------

check_system() {
    case $(uname -s) in
        Linux | Darwin) ;;
        *) missing "pincrew runs on Linux and macOS; on Windows run this inside WSL." ;;
    esac
    [ -n "${HOME:-}" ] || missing "HOME is not set, so there is no place to install to: set it and run this again."
    # Settings that send packages elsewhere than into our venv, or modules from elsewhere into our Python.
    unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_HASHES PIP_NO_BINARY PIP_EDITABLE PIP_CONSTRAINT \
        PIP_REQUIREMENT PYTHONPATH PYTHONHOME PYTHONSTARTUP __PYVENV_LAUNCHER__ || :
    export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
}

# Prints nothing where "$1" will do, else the sentence that says why not.
python_fault() {
    # shellcheck disable=SC2016 # the backquotes are for the reader
    "$1" -c '
import sys
name = sys.argv[1]
version = "%d.%d" % sys.version_info[:2]
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    print("%s is Python %s, and pincrew needs 3.11, 3.12 or 3.13." % (name, version))
    raise SystemExit
for module, package in [("venv", "venv"), ("ensurepip", "venv"), ("sqlite3", "libsqlite3"), ("ssl", "libssl")]:
    try:
        __import__(module)
    except ImportError:
        print("Python %s (%s) comes without its module `%s`: install it (on Debian and Ubuntu: apt install "
              "python%s-venv) or name another Python in PINCREW_PYTHON." % (version, name, module, version))
        break
' "$1" 2>/dev/null || printf '%s\n' "$1 does not run."
}

# Sets $python to the first that will do.
find_python() {
    if [ -n "${PINCREW_PYTHON:-}" ]; then
        command -v "$PINCREW_PYTHON" >/dev/null 2>&1 ||
            missing "PINCREW_PYTHON is $PINCREW_PYTHON, and there is no such program."
        fault=$(python_fault "$PINCREW_PYTHON")
        [ -z "$fault" ] || missing "PINCREW_PYTHON: $fault"
        python=$(command -v "$PINCREW_PYTHON")
        return
    fi
    first_fault=
    for candidate in python3.13 python3.12 python3.11 python3; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        fault=$(python_fault "$candidate")
        if [ -z "$fault" ]; then
            python=$(command -v "$candidate")
            return
        fi
        case $fault in
            *'does not run.') ;;
            *) [ -n "$first_fault" ] || first_fault=$fault ;;
        esac
    done
    [ -z "$first_fault" ] || missing "$first_fault"
    missing "no Python 3.11, 3.12 or 3.13 was found: install one, or name it in PINCREW_PYTHON."
}

check_disk() { # FOLDER (need not exist yet)
    folder=$1
    while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
    [ -w "$folder" ] || missing "$folder is not writable, and $1 has to go there."
    free_mib=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print int($4 / 1024) }')
    [ -z "$free_mib" ] || [ "$free_mib" -ge "$disk_mib_needed" ] ||
        missing "there are $free_mib MiB free at $folder, and installing takes $disk_mib_needed MiB: make room."
}

# ---- installing into a venv --------------------------------------------------------------------------------------

# What the venv "$1" was, or would be, made from; it changes when anything does that matters for "$2".
fingerprint() { # LOCKS PROJECT-PATHS
    {
        # shellcheck disable=SC2086 # lists of our own file names
        find $1 $2 install.sh -type f ! -name '*.pyc' -exec cksum {} +
        "$venv/bin/python" -c 'import sys; print(sys.version)' 2>/dev/null || echo none
        pwd
    } | LC_ALL=C sort | cksum
}

run_pip() {
    if "$venv/bin/python" -m pip install --quiet --no-deps --prefer-binary --retries 2 "$@" >"$log" 2>&1; then
        return
    fi
    if grep -qE 'NewConnectionError|NameResolutionError|ConnectTimeoutError|ReadTimeoutError|ProxyError|Connection refused|Network is unreachable|Failed to establish|Temporary failure|timed out' "$log"; then
        rm -f "$log" "$venv.installing"
        missing "the Python package index (PyPI, or the one that your pip is set to) cannot be reached: check the network and proxy, then run this again."
    fi
    if grep -qE 'No space left on device|Errno 28' "$log"; then
        rm -f "$log" "$venv.installing"
        missing "the disk became full while installing: make room ($disk_mib_needed MiB), then run this again."
    fi
    tail -n 15 "$log" >&2
    rm -f "$venv.installing" # pip undoes what it could not finish
    failed "pip failed as shown above; its whole output is in $log. Nothing outside $venv was changed."
}

# Another install.sh at work on this venv is waited for; one that died half way leaves a venv that is made anew.
claim_venv() {
    claim=$venv.installing
    mkdir -p "$(dirname "$venv")"
    waited=0
    until (set -C && echo $$ >"$claim") 2>/dev/null; do
        owner=$(cat "$claim" 2>/dev/null || :)
        if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
            say "An earlier installation into $venv was interrupted; making it anew."
            rm -rf "$venv" "$claim"
            continue
        fi
        [ "$waited" -lt "$wait_s_max" ] || failed "process $owner is still installing into $venv (or remove $claim)."
        [ "$waited" -gt 0 ] || say "Waiting for another installation into $venv ..."
        sleep 1
        waited=$((waited + 1))
    done
}

is_current() { # LOCKS PROJECT-PATHS
    [ -f "$venv/.pincrew-stamp" ] && [ -x "$venv/bin/python" ] &&
        [ "$(cat "$venv/.pincrew-stamp")" = "$(fingerprint "$1" "$2")" ]
}

venv_is_usable() {
    "$venv/bin/python" -c 'import pip' 2>/dev/null || return 1
    [ -n "$("$venv/bin/python" -c 'import sys; (3, 11) <= sys.version_info[:2] <= (3, 13) and print(1)')" ] || return 1
    [ -z "${PINCREW_PYTHON:-}" ] || [ "$(python_version "$venv/bin/python")" = "$(python_version "$python")" ]
}

python_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Sets up $venv from the locks "$1", then has function "$3" install the project; nothing to do where $venv is current.
ensure_venv() { # LOCKS PROJECT-PATHS INSTALL-PROJECT
    ! is_current "$1" "$2" || return 0
    find_python
    check_disk "$venv"
    claim_venv
    if is_current "$1" "$2"; then # the one that was waited for did it
        rm -f "$venv.installing"
        return
    fi
    log=$venv.log
    rm -f "$venv/.pincrew-stamp"
    if ! venv_is_usable; then
        "$python" -m venv --clear "$venv" >"$log" 2>&1 || {
            tail -n 5 "$log" >&2
            rm -f "$venv.installing"
            failed "$python could not make a venv at $venv."
        }
    fi
    say "Installing pincrew's libraries into $venv (40 to 90 MB to fetch the first time, then nothing) ..."
    # A pinned pip and setuptools first: an old bundled pip works, and the two libraries that come as
    # pure-Python source, and the project, build without fetching anything more.
    run_pip --require-hashes -r packaging/requirements-build.lock
    for lock in $1; do
        run_pip --require-hashes --no-build-isolation -r "$lock"
    done
    "$3"
    fingerprint "$1" "$2" >"$venv/.pincrew-stamp"
    rm -f "$venv.installing" "$log"
}

install_wheel() { # from a clean copy: setuptools would pack what an earlier build/ folder still holds
    copy=$venv.source
    rm -rf "$copy"
    mkdir "$copy"
    for path in $project; do cp -R "$path" "$copy/"; done
    run_pip --no-build-isolation --force-reinstall "$copy"
    rm -rf "$copy"
}

install_editable() {
    run_pip --no-build-isolation --editable .
}

use_clone_venv() { # for demo, test, dev
    venv=$PWD/.venv
    # Sources are used in place, so that only these decide whether there is something to install.
    ensure_venv "packaging/requirements-build.lock packaging/requirements.lock packaging/requirements-dev.lock" \
        "pyproject.toml" install_editable
}

# mypy cannot follow package-dir: it is shown one folder of links that looks as the package is imported.
link_namespace() {
    rm -rf .ns
    mkdir -p .ns/pincrew
    for path in pincrew/*; do
        case $path in
            */__pycache__) ;;
            *) ln -s "../../$path" ".ns/$path" ;;
        esac
    done
    for role in follow trusted tui; do
        [ ! -d "$role" ] || ln -s "../../$role" ".ns/pincrew/$role"
    done
    # libp2p brings trio-typing, whose outdated `trio-stubs` would hide the types that trio itself has.
    ln -s "$(.venv/bin/python -c 'import pathlib, trio; print(pathlib.Path(trio.__file__).parent)')" .ns/trio
}

# ---- the commands ------------------------------------------------------------------------------------------------

user_paths() {
    venv=${XDG_DATA_HOME:-$HOME/.local/share}/pincrew/venv
    link=$HOME/.local/bin/pincrew
}

link_is_ours() { [ -L "$link" ] && [ "$(readlink "$link")" = "$venv/bin/pincrew" ]; }

install_for_user() {
    user_paths
    [ ! -e "$link" ] && [ ! -L "$link" ] || link_is_ours ||
        missing "$link exists and is not from this script: move it away, then run this again."
    ensure_venv "packaging/requirements-build.lock packaging/requirements.lock" "$project" install_wheel
    mkdir -p "$(dirname "$link")"
    link_is_ours || ln -s "$venv/bin/pincrew" "$link"
    command=pincrew
    case :${PATH:-}: in
        *:"$HOME/.local/bin":*) ;;
        *)
            command=$link
            echo "To type just \`pincrew\`, put this in your shell's profile: export PATH=\"\$HOME/.local/bin:\$PATH\""
            ;;
    esac
    echo "pincrew is installed. Next, join a crew with the address that a curator gave you:"
    echo "    $command follow SOURCE"
    echo "or start one:"
    echo "    $command create NAME"
}

uninstall() {
    user_paths
    # A daemon would go on running from files that are no longer there, and be started from them at the next login.
    if [ -x "$venv/bin/pincrew" ]; then
        "$venv/bin/pincrew" autostart off >/dev/null 2>&1 || :
        "$venv/bin/pincrew" daemon stop >/dev/null 2>&1 || :
    fi
    if link_is_ours; then rm -f "$link"; fi
    rm -rf "$venv" "$venv.log" "$venv.installing" "$venv.source"
    if [ -n "${PINCREW_HOME:-}" ]; then
        state=$PINCREW_HOME
    elif [ "$(uname -s)" = Darwin ] && [ -z "${XDG_DATA_HOME:-}" ]; then
        state=$HOME/Library/Application\ Support/pincrew
    else
        state=$(dirname "$venv")
    fi
    rmdir "$(dirname "$venv")" 2>/dev/null || :
    if [ -d "$state" ]; then
        echo "pincrew is uninstalled. Your clusters and keys are still in $state; remove that folder if you want them gone."
    else
        echo "pincrew is uninstalled."
    fi
}

usage() { sed -n '2,11s/^# \{0,1\}//p' install.sh; }

main() {
    unset CDPATH || :
    cd "$(dirname "$0")"
    project="pyproject.toml README.md LICENSE-MIT LICENSE-APACHE pincrew follow trusted"
    [ ! -d tui ] || project="$project tui"
    verb=${1:-install}
    [ $# -eq 0 ] || shift
    case $verb in
        install)
            [ $# -eq 0 ] || missing "install takes no arguments."
            check_system
            install_for_user
            ;;
        uninstall)
            check_system
            uninstall
            ;;
        demo)
            check_system
            use_clone_venv
            exec .venv/bin/pincrew demo "$@"
            ;;
        dev)
            check_system
            use_clone_venv
            link_namespace
            ;;
        test)
            check_system
            use_clone_venv
            if [ "${PINCREW_REQUIRE_KUBO:-}" = 1 ]; then
                packaging/dev/get-kubo.sh >/dev/null || failed "PINCREW_REQUIRE_KUBO=1 is set, and Kubo was not built."
                packaging/dev/get-npm-client.sh >/dev/null || say "Without the npm client its tests are skipped."
            fi
            # Two at a time, file by file: most tests wait for processes and deadlines, and any two cores will do.
            exec .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
            ;;
        -h | --help | help) usage ;;
        *) usage >&2 && missing "there is no \`$verb\`." ;;
    esac
}

main "$@"
