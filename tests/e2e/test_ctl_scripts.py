"""A script written for ipfs-cluster-ctl, with the program that `compat install` writes, against a peer of ours.

It is ipfs-cluster's own sharness suite in short (t0010, t0025, t0030 to t0032), with the words that scripts look for.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pincrew.kubo_process import KuboProcess
from support.machines import Crew, Said, free_port, until

pytestmark = [pytest.mark.slow, pytest.mark.kubo]


def test_a_script_goes_on(crew: Crew, kubo: KuboProcess) -> None:
    curator = crew.machine("curator")
    curator.run("compat", "install", str(crew.folder / "bin"))
    curator.create("films", node=kubo.url)
    port = free_port()
    curator.serve("films", "--rest", f"127.0.0.1:{port}")
    program = str(crew.folder / "bin" / "ipfs-cluster-ctl")

    def at(host: str) -> Callable[..., Said]:
        def ctl(line: str, code: int = 0) -> Said:
            words = [program, "--host", host, *line.split()]
            done = subprocess.run(
                words, env=curator.environment, cwd=crew.folder, capture_output=True, text=True, timeout=60, check=False
            )
            said = Said(line, done.returncode, done.stdout, done.stderr)
            assert said.code == code and "Traceback" not in said.err, said
            return said

        return ctl

    ctl = at(f"/ip4/127.0.0.1/tcp/{port}")
    assert "ipfs-cluster-ctl pin add" in ctl("commands").out
    assert "GLOBAL OPTIONS" in ctl("--help").out
    _information(ctl)
    _pins(ctl, kubo, crew.folder)
    _adding(ctl, kubo, crew.folder)
    socket = at(f"/unix{curator.home.cluster('films').api_socket(curator.environment)}")
    assert socket("id").out == ctl("id").out


def _information(ctl: Callable[..., Said]) -> None:
    peer = json.loads(ctl("--enc=json id").out)["id"]
    assert ctl("peers ls").out.startswith(f"{peer} | ")
    assert len(re.findall(r"^\{$", ctl("--enc=json peers ls").out, re.M)) == 1
    for line in ("status", "recover", "pin ls", "health alerts", "health metrics ping", "health metrics"):
        ctl(line)
    for line in ("peers rm", "peers rm XXXinvalid-peerXXX", "status XXXinvalid-CIDXXX", "pin ls XXXinvalid-CIDXXX"):
        ctl(line, code=1)
    ctl("peers add", code=3)
    assert "C0 -> I0" in ctl("health graph").out
    free = rf"^{peer} \| freespace: [0-9.]+ (T|G|M|k)B \| Expires in: \d+ (seconds?|minutes?) from now$"
    until(lambda: re.search(free, ctl("health metrics freespace").out, re.M), "the node's room is known")


def _pins(ctl: Callable[..., Said], kubo: KuboProcess, folder: Path) -> None:
    def added(text: str) -> str:
        (folder / "content").write_text(text)
        return kubo.ipfs("add", "-Q", "--pin=false", str(folder / "content")).decode().strip()

    cid, other = added("scripts"), added("scripts too")
    assert "PINNED" in ctl(f"pin add --wait --wait-timeout 30s --metadata kind=text {cid}").out
    assert cid in ctl(f"pin ls {cid}").out and "Metadata: yes" in ctl(f"pin ls {cid}").out
    assert json.loads(ctl(f"--enc=json pin ls {cid}").out)["metadata"] == {"kind": "text"}
    ctl(f"pin update {cid} {other}")
    assert other in ctl(f"pin ls {other}").out
    assert "UNPINNED" in ctl(f"pin rm --wait {cid}").out
    assert "pin is not part of the pinset" in ctl(f"pin ls {cid}", code=2).out
    assert "UNPINNED" in ctl(f"status {cid}").out
    direct = added("scripts direct")
    ctl(f"pin add --wait --mode direct {direct}")
    assert "PIN-DIRECT" in ctl(f"pin ls {direct}").out
    assert json.loads(ctl(f"--enc=json pin ls {direct}").out)["mode"] == "direct"
    assert kubo.ipfs("pin", "ls", "--type", "direct", direct).decode().split() == [direct, "direct"]


def _adding(ctl: Callable[..., Said], kubo: KuboProcess, folder: Path) -> None:
    (folder / "testFolder" / "subfolder").mkdir(parents=True)
    (folder / "testFolder" / "abc.txt").write_text("abc\n")
    (folder / "testFolder" / "subfolder" / "big.bin").write_bytes(bytes(range(256)) * 4_000)
    expected = kubo.ipfs("add", "--pin=false", "-r", str(folder / "testFolder")).decode()
    assert ctl("add -r testFolder").out == expected
    wrapped = ctl("add --quieter -w testFolder/abc.txt").out
    (folder / "alone").mkdir()
    (folder / "alone" / "abc.txt").write_text("abc\n")
    assert ctl("add --quieter -r alone").out == wrapped
    assert wrapped.strip() in ctl("pin ls").out
