"""The command line works where libp2p, pycrdt and trio cannot be imported; only `daemon run`, `serve` and `node run`
need them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.fake_daemon import FakeDaemon
from support.shape_examples import (
    CID,
    CID_2,
    PEER,
    daemon_info,
    followed,
    offer,
    pin_line,
    pin_object,
    pin_status,
    prospect,
)
from support.shell import Shell
from support.stored_pins import store_records

SCRIPT = """
import json, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("libp2p", "pycrdt", "trio", "hypercorn", "starlette"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from pincrew.cli.app import run

print(json.dumps({"codes": [run(line) for line in json.loads(sys.argv[1])]}), file=sys.stderr)
"""

COMMANDS: dict[str, int] = {
    "": 0,
    "--help": 0,
    "version": 0,
    "completion bash": 0,
    "tui": 2,
    "status": 0,
    "pins": 0,
    "peers": 0,
    "errors": 0,
    "events": 0,
    "doctor": 0,
    "doctor --repair": 0,
    "daemon status": 0,
    "daemon start": 0,
    "daemon stop": 0,
    "autostart on": 1,
    "autostart off": 0,
    "autostart status": 0,
    "compat install": 0,
    "follow https://example.org/books.toml --yes": 0,
    "leave --dry-run -c films": 0,
    "retry --all-errors": 0,
    "verify --sample -c books": 0,
    "coverage -c books": 1,
    "limits -c books": 1,
    "pause -c books": 1,
    "resume -c books": 1,
    f"skip {CID} -c books": 1,
    f"next {CID} -c books": 1,
    "removals show -c books": 0,
    "removals accept --yes -c books": 0,
    "removals reject --yes -c books": 0,
    "source show -c films": 0,
    "source diff -c films": 0,
    "source accept --yes -c films": 0,
    "source reject -c films": 0,
    "create other": 0,
    "publish -c books": 0,
    f"pin add {CID} -c books": 0,
    f"pin rm {CID} -c books": 0,
    "pin ls -c books": 0,
    f"pin update {CID} {CID_2} -c books": 0,
    "pin status -c books": 0,
    "state export -c books": 0,
    "state import -c books": 0,
    "state verify /dev/null -c books": 0,
    "state base -c books": 1,
    f"add {__file__} -c books": 1,
    "trust ls -c books": 0,
    f"trust add {PEER} -c books": 1,
    f"trust revoke {PEER} -c books": 1,
    "trust undo -c books": 1,
    f"trust keeper {PEER} -c books": 1,
    "trust sign no-such-file": 1,
    "trust key .": 1,
    "token new -c books": 0,
    "token ls -c books": 0,
    "token revoke no-such -c books": 1,
    "node status": 3,
    "node gc": 1,
    "node switch embedded -c books": 0,
    "demo --ipfs kubo": 1,
    "ctl --host /ip4/127.0.0.1/tcp/1 id": 1,
}
WITHOUT_CLUSTER = {"pins", "peers", "errors", "events", "retry --all-errors"}


@pytest.mark.slow
def test_every_command_but_the_daemons_own(shell: Shell, daemon: FakeDaemon) -> None:
    books, films = shell.curated("books"), shell.followed("films")
    store_records(books.state, [])
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    removals = {"cluster": "books", "state": "none", "pins": 0, "bytes": None, "reason": None, "since": None}
    source = {"cluster": "films", "source": "x", "state": "current", "revision": 1, "fetched": None, "text": None}
    daemon.on("GET", "/daemon", daemon_info(ended.pid))
    daemon.on("POST", "/daemon/stop", {})
    daemon.on("POST", "/offers", offer())
    daemon.on("POST", "/offers/prospect", prospect())
    daemon.on("POST", "/offers/accept", followed())
    daemon.on(
        "POST",
        "/clusters/films/leave",
        {"cluster": "films", "dry_run": True, "pins": 0, "bytes": None, "kept": 0, "removed": [], "rest": None},
    )
    for method in ("GET", "POST"):
        daemon.on(method, "/clusters/books/removals", {**removals, "until": None, "examples": [], "decided": None})
        daemon.on(method, "/clusters/films/source", {**source, "differences": []})
    daemon.on("POST", "/clusters/books/retry", {"pins": 1})
    daemon.on("POST", "/clusters/books/verify", [])
    switched = {"cluster": "books", "node": "embedded", "before": "auto", "was_there": False}
    daemon.on("POST", "/clusters/books/node", switched)
    document = books.config.read_text()
    daemon.on("POST", "/clusters/books/publish", {"document": document, "sha256": "00", "revision": 1})
    daemon.on("POST", "/clusters/books/pins", {"added": 1, "removed": 1, "absent": []})
    for name in ("books", "films"):
        daemon.on("GET", f"/clusters/{name}/pins", [pin_line()])
        daemon.on("GET", f"/clusters/{name}/pinset", [pin_object()])
        daemon.on("GET", f"/clusters/{name}/pins/status", [pin_status()])
        for path in ("peers", "errors", "events", "doctor"):
            daemon.on("GET", f"/clusters/{name}/{path}", [])
    lines = [f"{line} -c books" if line in WITHOUT_CLUSTER else line for line in COMMANDS]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([line.split() for line in lines])],
        env={**os.environ, "PATH": "/nowhere", "PINCREW_KUBO_CACHE": str(films.folder), "PINCREW_IPFS": "127.0.0.1:9"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "blocked" not in done.stderr
    codes = json.loads(done.stderr.splitlines()[-1])["codes"]
    assert dict(zip(lines, codes, strict=True)) == dict(zip(lines, COMMANDS.values(), strict=True)), done.stderr


def test_every_command_is_in_that_list() -> None:
    from support.command_tree import command_lines

    known = {" ".join(word for word in line.split() if word.isalpha()) for line in COMMANDS}
    missing = [line for line in command_lines() if not any(entry.startswith(line) for entry in known)]
    assert sorted(missing) == ["daemon run", "node run", "serve"]
