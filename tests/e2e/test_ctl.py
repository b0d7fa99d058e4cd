"""The same words to ipfs-cluster-ctl 1.1.6 and to ours, of the same peer: the same output and the same exit codes.

Each is played once against ipfs-cluster-service 1.1.6 and once against `pincrew serve`, which have a real Kubo each.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bench.cluster_service import ClusterService
from pincrew.kubo_process import KuboProcess
from support.ipfs_cluster import NO_IPFS_CLUSTER, find_ipfs_cluster
from support.machines import crew_in, free_port, until

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.ipfs_cluster, pytest.mark.kubo]
OURS = [sys.executable, "-P", "-m", "pincrew.ctl"]
TIMEOUT_S = 120
# Nobody has it: pins of it never end.
NOWHERE = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
STRANGER = "12D3KooWGRUTB7hXeHFMdkyGmy1kVrQjxhcwxhkuTCfYyQQLaxj9"
# sharness t0031: each is an `ipfs add` too.
ADDED = {
    "small": "small",
    "-w small": "-w small",
    "--raw-leaves -w small": "--raw-leaves -w small",
    "--raw-leaves small": "--raw-leaves small",
    "big": "big",
    "--layout trickle big": "--trickle big",
    "-w big": "-w big",
    "--raw-leaves -w big": "--raw-leaves -w big",
    "--raw-leaves big": "--raw-leaves big",
    "-r folder": "-r folder",
    "-r -w folder": "-r -w folder",
    "--cid-version 1 -r folder": "--cid-version 1 -r folder",
    "--hash sha3-512 -r folder": "--hash sha3-512 -r folder",
}


@dataclass
class Place:
    """A peer with its node, and the files of the tests."""

    kind: str
    host: str
    kubo: KuboProcess
    folder: Path
    theirs: list[str]

    def say(self, program: list[str], words: str) -> tuple[int, str, str]:
        """Say a command line to the peer; return the exit code and both streams."""
        done = subprocess.run(
            [*program, "--host", self.host, *words.split()],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def ipfs(self, *words: str) -> str:
        """Run a command of the node's own program; names of our files are found."""
        known = {name: str(self.folder / name) for name in ("small", "big", "folder")}
        return self.kubo.ipfs(*(known.get(word, word) for word in words)).decode().rstrip()

    def play(self, program: list[str], lines: list[str]) -> list[tuple[str, int, Any, str]]:
        """Say one line after the other, from an empty list on; return what does not depend on the time."""
        for cid in re.findall(r"^\S+", self.say(program, "pin ls")[1], re.M):
            self.say(program, f"pin rm --no-status {cid}")
        until(lambda: self.say(program, "status --local") == (0, "", ""), "nothing is pinned any more")
        return [(line, *steady(line, self.say(program, line))) for line in lines]

    def compare(self, text: str) -> list[tuple[str, int, Any, str]]:
        """Play lines with both programs; return what both said."""
        lines = [line.strip() for line in text.strip().splitlines()]
        theirs, ours = self.play(self.theirs, lines), self.play(OURS, lines)
        for one, other in zip(ours, theirs, strict=True):
            assert one == other
        return ours


def steady(line: str, said: tuple[int, str, str]) -> tuple[int, Any, str]:
    """Return an exit code, stdout and what stderr says failed, without times, and in order where there is none."""
    code, out, err = said
    out = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "TIME", out)
    out = re.sub(r"\d+ seconds? (from now|ago)|now$", "SOON", out, flags=re.M)
    told = "".join(re.findall(r"^error .*?:|^No help topic.*", err, re.M))
    if line.startswith("--enc") and "graph" not in line and code != 3:
        return code, sorted(objects(out), key=lambda found: json.dumps(found, sort_keys=True)), told
    is_ordered = not re.match(r"pin ls|status|health metrics$", line)
    blocks = out.rstrip() if is_ordered else sorted(re.split(r"\n(?! )", out.rstrip()))
    return code, blocks, told


def objects(out: str) -> list[Any]:
    """Return a stream of JSON values without those that change."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(out.rstrip()):
        value, at = decoder.raw_decode(out, at)
        at += len(out[at:]) - len(out[at:].lstrip())
        found.append(value)
    return found


@pytest.fixture(scope="module")
def theirs() -> Path:
    service = find_ipfs_cluster()
    if service is None or not service.with_name("ipfs-cluster-ctl").exists():
        pytest.skip(NO_IPFS_CLUSTER)
    return service


@pytest.fixture(scope="module", params=["go", "pincrew"])
def place(
    request: pytest.FixtureRequest, theirs: Path, kubo: KuboProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp(request.param)
    some = random.Random(0)
    (folder / "folder" / "sub").mkdir(parents=True)
    (folder / "small").write_bytes(some.randbytes(500))
    (folder / "big").write_bytes(some.randbytes(5_000_000))
    for name, content in {"abc.txt": b"abc\n", "with space": b"x", ".hidden": b"h", "sub/é.txt": b"e"}.items():
        (folder / "folder" / name).write_bytes(content)
    (folder / "folder" / "link").symlink_to("abc.txt")
    with running(request.param, theirs, kubo, folder) as host:
        made = Place(request.param, host, kubo, folder, [str(theirs.with_name("ipfs-cluster-ctl"))])
        until(lambda: made.say(OURS, "health metrics freespace")[1], "it knows how much room its node has")
        yield made


@contextmanager
def running(kind: str, theirs: Path, kubo: KuboProcess, folder: Path) -> Iterator[str]:
    """Run a peer; yield the multiaddress of its REST API."""
    if kind == "go":
        service = ClusterService(theirs, folder / "service", node_port=int(kubo.url.rpartition(":")[2]), batch=0)
        try:
            service.start()
            yield f"/ip4/127.0.0.1/tcp/{service.api_port}"
        finally:
            service.stop()
        return
    with crew_in(folder / "crew") as crew:
        curator = crew.machine("curator")
        curator.create("films", "--peer-name", "curator", node=kubo.url)
        port = free_port()
        curator.serve("films", "--rest", f"127.0.0.1:{port}")
        yield f"/ip4/127.0.0.1/tcp/{port}"


def content(place: Place, name: str) -> str:
    """Add a file of this name alone to the node; return its CID."""
    (place.folder / name).write_text(name)
    return place.ipfs("add", "-Q", str(place.folder / name))


def test_who_is_there(place: Place) -> None:
    said = place.compare("""
        id
        --enc=json id
        peers ls
        --enc json peers ls
        version
        --enc json version
        """)
    assert [code for _, code, _, _ in said] == [0] * 6
    assert said[0][2].startswith(said[1][2][0]["id"])


def test_an_empty_list(place: Place) -> None:
    said = place.compare("""
        status
        --enc json status
        recover
        --enc json recover
        pin ls
        --enc json pin ls
        status --local --filter pinned,error
        """)
    assert all(code == 0 for _, code, _, _ in said)


@pytest.mark.parametrize("words", list(ADDED))
def test_what_is_added_has_the_cids_of_kubo(place: Place, words: str) -> None:
    """Both print what Kubo's own `add` prints."""
    [(_, code, out, _)] = place.compare(f"add {words}")
    assert code == 0
    expected = place.ipfs("add", *ADDED[words].split())
    lines, their_lines = out.splitlines(), expected.splitlines()
    if place.kind == "pincrew":  # tells of a folder when it is complete, the others behind all files
        lines.sort()
        their_lines.sort()
    assert lines == their_lines


def test_adding_otherwise(place: Place) -> None:
    root = place.ipfs("add", "-Q", "-r", "folder")
    with (place.folder / "folder.car").open("wb") as file:
        subprocess.run(
            [str(place.kubo.program), "dag", "export", root],
            env={"IPFS_PATH": str(place.kubo.repository), "PATH": os.environ["PATH"]},
            stdout=file,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    said = place.compare(f"""
        add -q -r folder
        add -Q -r folder
        add -r -H folder
        add --no-stream -r folder
        --enc json add -r folder
        --enc json add -r --no-stream folder
        --enc json add -Q -r --no-stream folder
        add small folder/abc.txt
        add --local --name named --metadata kind=text --metadata a=b=c --rmin 1 --rmax=1 small
        --enc json pin ls {content(place, "x")}
        add --wait --wait-timeout 30s -Q small
        add --format car -Q folder.car
        add --expire-in 36h -q small
        add --no-pin -q folder/abc.txt
        pin ls
        add -r folder/link
        """)
    assert [code for _, code, _, _ in said if code] == [2]  # the one that is not on the list


def test_adding_what_cannot_be(place: Place) -> None:
    said = place.compare("""
        add
        add nowhere
        add folder
        add -w --format car small
        add --nocopy small
        add --layout sideways small
        add --format tar small
        add --chunker none small
        add --expire-in 1x small
        add --metadata kind small
        --enc json add --layout sideways small
        """)
    assert {code for _, code, _, _ in said} == {1, 2}


def test_the_list(place: Place) -> None:
    one, other, third = content(place, "one"), content(place, "other"), content(place, "third")
    said = place.compare(f"""
        pin add --wait --name first --metadata kind=text {one}
        pin ls {one}
        --enc json pin ls {one}
        status {one}
        --enc json status {one}
        pin add --no-status --name again {one}
        pin update --no-status {one} {other}
        pin ls
        --enc json pin ls
        pin ls --filter pin,shard-pin
        pin ls --filter meta-pin
        status --filter pinned
        status {one} {other}
        --enc json status --local {one} {other}
        recover {one}
        --enc json recover --local {one}
        pin add --ns --mode direct {third}
        pin ls {third}
        pin add --ns {third}
        pin add --ns --mode direct {one}
        pin add --wait --wait-timeout 2s --wait-limit 1 {NOWHERE}
        pin rm --no-status {NOWHERE}
        pin rm --wait {one}
        status {one}
        pin ls {one}
        pin rm --ns {one}
        --enc json pin rm --ns {one}
        pin add --ns --expire-in 1h -n timed {one}
        pin add --ns --rmin -1 --rmax -1 {one}
        """)
    codes = {line: code for line, code, _, _ in said}
    assert codes[f"pin add --wait --wait-timeout 2s --wait-limit 1 {NOWHERE}"] == 62
    assert codes[f"pin rm --ns {one}"] == codes[f"pin ls {one}"] == 2


def test_paths(place: Place) -> None:
    folder = place.ipfs("add", "-Q", "-r", "folder")
    said = place.compare(f"""
        pin add --ns /ipfs/{folder}/abc.txt
        pin rm --ns /ipfs/{folder}/abc.txt
        pin add --ns {folder}/sub/../abc.txt
        pin add --ns /ipfs/{folder}/sub/
        pin rm --ns {folder}/sub
        """)
    assert [code for _, code, _, _ in said] == [0] * 5


def test_allocations(place: Place) -> None:
    cid = content(place, "allocated")
    peer = json.loads(place.say(OURS, "--enc json id")[1])["id"]
    said = place.compare(f"""
        pin add --ns --allocations {peer} -r 1 {cid}
        --enc json pin ls {cid}
        pin add --ns --allocs {peer},{STRANGER} --rmin 1 --rmax 1 {cid}
        pin add --allocs nobody {cid}
        pin add --ns -rmin 3 -rmax 2 {cid}
        """)
    assert said[1][2][0]["allocations"] == [peer]


def test_health(place: Place) -> None:
    said = place.compare("""
        health graph
        health graph --all-ipfs-peers
        --enc json health graph
        health alerts
        --enc json health alerts
        health metrics nothing
        --enc json health metrics nothing
        """)
    assert "C0 -> I0" in said[0][2].splitlines()
    peer = json.loads(place.say(OURS, "--enc json id")[1])["id"]
    for program in (place.theirs, OURS):
        for name in ("ping", "freespace", "pinqueue"):
            code, out, _ = place.say(program, f"health metrics {name}")
            assert (code, out.startswith(f"{peer} | {name}: ")) == (0, True)
            assert {"ping", "freespace", "pinqueue"} <= set(place.say(program, "health metrics")[1].split())
        free = place.say(program, "health metrics freespace")[1]
        assert re.search(rf"^{peer} \| freespace: [0-9.]+ [TGMk]B \| Expires in: .* from now$", free, re.M), free
        assert place.say(program, "health bandwidth")[0] == 0


def test_garbage(place: Place) -> None:
    for name, program in (("loose", place.theirs), ("other-loose", OURS)):
        loose_file = place.folder / name
        loose_file.write_text(name)
        loose = place.ipfs("add", "-Q", "--pin=false", str(loose_file))
        code, out, _ = place.say(program, "ipfs gc --local")
        assert code == 0
        lines = out.splitlines()
        assert len(lines[0]) >= 15 and lines[1] == "  > CIDs:"
        forms = [
            place.ipfs("cid", "format", "-v", "1", "-b", "base32", "--mc", kind, loose) for kind in ("raw", "dag-pb")
        ]
        assert {f"    - {cid}" for cid in (loose, *forms)} & set(lines)


def test_what_is_wrong(place: Place) -> None:
    said = place.compare("""
        nothing
        peers add
        peers rm
        peers rm nobody
        status nothing
        pin ls nothing
        pin add
        pin add nothing
        pin add /nothing/x
        pin rm
        pin rm nothing
        pin update
        pin update nothing x
        pin add --expire-in 1x x
        pin add --metadata x x
        recover nothing
        status --filter nothing
        --enc xml id
        --host nothing id
        --host /ip4/nowhere/tcp/9094 id
        help nothing
        """)
    assert {code for _, code, _, _ in said} == {1, 3}
    assert all(not out or out == [""] for _, _, out, _ in said)


def test_usage(place: Place) -> None:
    """What is wrong with a command line: exit code 1 of both; ours is told on stderr."""
    for words in ("--nothing", "id --nothing", "pin add --wait-limit x y", "pin add --rmin 1 --replication-min 2 y"):
        theirs, ours = place.say(place.theirs, words), place.say(OURS, words)
        assert (theirs[0], ours[0], ours[1]) == (1, 1, "")
        assert ours[2].splitlines()[0].partition(" ")[0] == theirs[1].partition(" ")[0] == "Incorrect"


def test_nobody_there(place: Place) -> None:
    for form in ("text", "json"):
        nobody = f"--enc {form} --host /ip4/127.0.0.1/tcp/1"
        theirs, ours = (place.say(program, f"{nobody} id") for program in (place.theirs, OURS))
        assert theirs[0] == ours[0] == 1
        assert re.sub(r"(?m)essage\"?: .*", "", theirs[1]) == re.sub(r"(?m)essage\"?: .*", "", ours[1])
    place.compare(f"""
        --host /ip4/127.0.0.1/tcp/1,{place.host} version
        --timeout 30 version
        """)
