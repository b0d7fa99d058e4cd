"""Every command of the RPC, asked of the embedded node and of a real Kubo: the same shapes, words and bytes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from pincrew.cid import cid_text
from pincrew.kubo_process import KuboProcess
from support.attacked_node import node_process
from support.embedded_process import EmbeddedProcess
from support.http_door import MULTIPART, files

pytestmark = pytest.mark.slow
BYTES, FOLDER, LINK = "application/octet-stream", "application/x-directory", "application/symlink"
Lines = list[dict[str, Any]]


class Asked:
    """A node's RPC, asked in the rawest way."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def post(self, command: str, *parts: tuple[str, str, bytes], **headers: str) -> httpx.Response:
        body = files(*parts) if parts else b""
        sent = {**(MULTIPART if parts else {}), **headers}
        return self._client.post(f"/api/v0/{command}", content=body, headers=sent)

    def lines(self, command: str, *parts: tuple[str, str, bytes]) -> Lines:
        answer = self.post(command, *parts)
        assert answer.status_code == 200, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        return [json.loads(line) for line in answer.text.splitlines()]

    def one(self, command: str, *parts: tuple[str, str, bytes]) -> dict[str, Any]:
        [line] = self.lines(command, *parts)
        return line

    def refusal(self, command: str, *parts: tuple[str, str, bytes]) -> str:
        answer = self.post(command, *parts)
        assert answer.status_code == 500, answer.text
        said = answer.json()
        assert set(said) == {"Message", "Code", "Type"} and (said["Code"], said["Type"]) == (0, "error")
        return str(said["Message"])

    def add(self, *parts: tuple[str, str, bytes]) -> str:
        return str(self.lines("add?cid-version=1&pin=false&progress=false", *parts)[-1]["Hash"])


@pytest.fixture(params=["embedded", pytest.param("kubo", marks=pytest.mark.kubo)])
def asked(request: pytest.FixtureRequest) -> Iterator[Asked]:
    process: KuboProcess | EmbeddedProcess = request.getfixturevalue(request.param)
    url = process.url if process.url.startswith("http") else "http://127.0.0.1"
    socket = None if url == process.url else process.url.removeprefix("unix:")
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=socket), base_url=url, headers={"User-Agent": "test"}, timeout=30
    ) as client:
        yield Asked(client)


def tree() -> tuple[list[tuple[str, str, bytes]], bytes]:
    """A tree that no other test has, and what its big file holds."""
    content = os.urandom(600_000)
    return [
        ("d", FOLDER, b""),
        ("d%2Fa.txt", BYTES, content[:9]),
        ("d%2Fe", FOLDER, b""),
        ("d%2Fe%2Fbig", BYTES, content),
        ("d%2Fs", LINK, b"a.txt"),
    ], content


def absent() -> str:
    return cid_text(b"\x01\x55\x12\x20" + os.urandom(32))


# ---- who it is ------------------------------------------------------------------------------------------------------
def test_id_and_version(asked: Asked) -> None:
    identity = asked.one("id")
    assert list(identity) == ["ID", "PublicKey", "Addresses", "AgentVersion", "Protocols"]
    assert "/ipfs/bitswap/1.2.0" in identity["Protocols"] and identity["PublicKey"].startswith("CAESI")
    version = asked.one("version")
    assert set(version) == {"Version", "Commit", "Repo", "System", "Golang"}
    assert all(isinstance(value, str) for value in version.values())


def test_config_and_bandwidth(asked: Asked) -> None:
    config = asked.one("config/show")
    assert isinstance(config["Addresses"]["Swarm"], list) and "PrivKey" not in str(config)
    bandwidth = asked.one("stats/bw")
    assert list(bandwidth) == ["TotalIn", "TotalOut", "RateIn", "RateOut"]


def test_who_may_call(asked: Asked) -> None:
    for name, value in (("Origin", "http://evil.example"), ("Referer", "http://x/"), ("User-Agent", "Mozilla/5.0")):
        refused = asked.post("version", **{name: value})
        assert (refused.status_code, refused.text) == (403, "403 - Forbidden\n")
    unknown = asked.post("nonexistent")
    assert (unknown.status_code, unknown.text) == (404, "404 page not found\n")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("cat", "ipfs-path"),
        ("ls", "ipfs-path"),
        ("pin/add", "ipfs-path"),
        ("pin/rm", "ipfs-path"),
        ("pin/update?arg=x", "to-path"),
        ("block/get", "cid"),
        ("dag/export", "root"),
        ("refs", "ipfs-path"),
        ("swarm/connect", "address"),
        ("routing/findprovs", "key"),
        ("resolve", "name"),
    ],
)
def test_missing_arguments(asked: Asked, command: str, name: str) -> None:
    answer = asked.post(command)
    assert (answer.status_code, answer.text.strip()) == (400, f'argument "{name}" is required')


@pytest.mark.parametrize("command", ["add", "block/put", "dag/import"])
def test_missing_files(asked: Asked, command: str) -> None:
    answer = asked.post(command)
    assert answer.status_code == 400 and answer.text.startswith("file argument '")


# ---- files ----------------------------------------------------------------------------------------------------------
def test_add(asked: Asked) -> None:
    parts, content = tree()
    lines = asked.lines("add?cid-version=1&pin=false&progress=true", *parts)
    progress = [line for line in lines if "Bytes" in line]
    assert {"Name": "d/e/big", "Bytes": len(content)} in progress
    added = [line for line in lines if "Hash" in line]
    assert all(list(line) == ["Name", "Hash", "Size"] and isinstance(line["Size"], str) for line in added)
    assert {line["Name"] for line in added} == {"d/a.txt", "d/s", "d/e/big", "d/e", "d"} and added[-1]["Name"] == "d"
    wrapped = asked.lines("add?cid-version=1&pin=false&progress=false&wrap-with-directory=true", parts[1])
    assert wrapped[-1]["Name"] == ""
    assert asked.refusal("add?cid-version=9", parts[1]) == "unknown CID version: 9"


def test_only_hash_stores_nothing(asked: Asked) -> None:
    cid = asked.lines("add?cid-version=1&only-hash=true&progress=false", ("x", BYTES, os.urandom(50)))[-1]["Hash"]
    assert "offline" in asked.refusal(f"block/get?arg={cid}&offline=true")


def test_cat(asked: Asked) -> None:
    parts, content = tree()
    cid = asked.add(*parts)
    whole = asked.post(f"cat?arg={cid}/e/big")
    assert whole.content == content and whole.headers["X-Content-Length"] == str(len(content))
    assert whole.headers["Content-Type"] == "text/plain" and whole.headers["X-Stream-Output"] == "1"
    assert asked.post(f"cat?arg=/ipfs/{cid}/e/big&offset=262140&length=9").content == content[262_140:262_149]
    assert asked.post(f"cat?arg={cid}/a.txt&arg={cid}/a.txt").content == content[:9] * 2
    assert asked.post(f"cat?arg={cid}/s").content == b"a.txt"
    assert asked.refusal(f"cat?arg={cid}") == "this dag node is a directory"
    assert asked.refusal(f"cat?arg={cid}/a.txt&offset=-1") == "cannot specify negative offset"


def test_ls(asked: Asked) -> None:
    parts, _ = tree()
    cid = asked.add(*parts)
    [listed] = asked.one(f"ls?arg={cid}")["Objects"]
    assert listed["Hash"] == cid
    assert [list(each.values())[:1] + list(each.values())[2:] for each in listed["Links"]] == [
        ["a.txt", 9, 2, "", 0, "0001-01-01T00:00:00Z"],
        ["e", 0, 1, "", 0, "0001-01-01T00:00:00Z"],
        ["s", 5, 4, "a.txt", 0, "0001-01-01T00:00:00Z"],
    ]
    assert list(listed["Links"][0]) == ["Name", "Hash", "Size", "Type", "Target", "Mode", "ModTime"]
    streamed = asked.lines(f"ls?arg={cid}&stream=true")
    assert streamed == [{"Objects": [{"Hash": cid, "Links": [each]}]} for each in listed["Links"]]
    assert asked.one(f"ls?arg={cid}/a.txt") == {"Objects": [{"Hash": f"{cid}/a.txt", "Links": []}]}
    assert asked.refusal(f"ls?arg={cid}/nix").startswith("no link named")


@pytest.mark.parametrize("leaves", ["raw-leaves=true", "raw-leaves=false"])
def test_ls_of_a_file_lists_its_chunks(asked: Asked, leaves: str) -> None:
    part = ("f", BYTES, bytes(4_096) + bytes(range(256)))
    cid = asked.lines(f"add?{leaves}&chunker=size-4096&pin=false&progress=false", part)[-1]["Hash"]
    chunks = [reference["Ref"] for reference in asked.lines(f"refs?arg={cid}")]
    [listed] = asked.one(f"ls?arg={cid}")["Objects"]
    assert listed["Hash"] == cid
    assert [(each["Name"], each["Hash"], each["Size"], each["Type"]) for each in listed["Links"]] == [
        ("", chunks[0], 4_096, 2),
        ("", chunks[1], 256, 2),
    ]
    assert asked.lines(f"ls?arg={cid}&stream=true") == [
        {"Objects": [{"Hash": cid, "Links": [each]}]} for each in listed["Links"]
    ]
    # Without types only raw leaves have one: it takes no block to know it.
    known = (4_096, 2) if leaves == "raw-leaves=true" else (0, 0)
    [unread] = asked.one(f"ls?arg={cid}&resolve-type=false&size=false")["Objects"]
    assert (unread["Links"][0]["Size"], unread["Links"][0]["Type"]) == known


# ---- pins -----------------------------------------------------------------------------------------------------------
def test_the_life_of_a_pin(asked: Asked) -> None:
    parts, _ = tree()
    cid = asked.add(*parts)
    assert asked.refusal(f"pin/ls?arg={cid}") == f"path '{cid}' is not pinned"
    *_, counts, end = asked.lines(f"pin/add?arg={cid}&progress=true&name=foo")
    assert end == {"Pins": [cid]} and counts["Progress"] == 8 and counts["Bytes"] > 600_000
    named = {"Cid": cid, "Name": "foo", "Type": "recursive"}
    assert named in asked.lines("pin/ls?type=recursive&stream=true&names=true")
    assert {"Cid": cid, "Type": "recursive"} in asked.lines("pin/ls?type=recursive&stream=true")
    assert asked.lines(f"pin/ls?arg={cid}&stream=true&names=true") == [named]
    assert asked.one("pin/ls?type=recursive")["Keys"][cid] == {"Type": "recursive", "Name": ""}
    assert asked.one("pin/ls?names=true&type=recursive")["Keys"][cid] == {"Type": "recursive", "Name": "foo"}
    assert asked.one(f"pin/add?arg={cid}") == {"Pins": [cid]}
    assert asked.refusal(f"pin/rm?arg={cid}&recursive=false") == f"{cid} is pinned recursively"
    assert asked.one(f"pin/rm?arg={cid}") == {"Pins": [cid]}
    assert asked.refusal(f"pin/rm?arg={cid}") == "not pinned or pinned indirectly"


def test_direct_and_indirect_pins(asked: Asked) -> None:
    parts, _ = tree()
    cid = asked.add(*parts)
    leaf = asked.one(f"block/stat?arg={cid}/a.txt")["Key"]
    asked.one(f"pin/add?arg={leaf}&recursive=false&name=q")
    assert asked.lines(f"pin/ls?arg={leaf}&names=true&stream=true") == [{"Cid": leaf, "Name": "q", "Type": "direct"}]
    assert asked.refusal(f"pin/ls?arg={leaf}&type=recursive") == f"path '{leaf}' is not pinned"
    asked.one(f"pin/add?arg={cid}")
    assert {"Cid": leaf, "Type": "direct"} in asked.lines("pin/ls?stream=true")
    asked.one(f"pin/rm?arg={leaf}")
    through = {"Cid": leaf, "Type": f"indirect through {cid}"}
    assert asked.lines(f"pin/ls?arg={leaf}&stream=true") == [through]
    assert {"Cid": leaf, "Type": "indirect"} in asked.lines("pin/ls?type=indirect&stream=true")
    assert asked.refusal(f"pin/add?arg={cid}&recursive=false") == f"pin: {cid} already pinned recursively"
    asked.one(f"pin/rm?arg={cid}")


def test_update(asked: Asked) -> None:
    parts, _ = tree()
    cid = asked.add(*parts)
    below = asked.one(f"block/stat?arg={cid}/e")["Key"]
    assert asked.refusal(f"pin/update?arg={cid}&arg={below}") == "'from' cid was not recursively pinned already"
    asked.one(f"pin/add?arg={cid}&name=foo")
    assert asked.one(f"pin/update?arg={cid}&arg={cid}/e") == {"Pins": [cid, below]}
    assert asked.lines(f"pin/ls?arg={below}&stream=true&names=true") == [
        {"Cid": below, "Name": "foo", "Type": "recursive"}
    ]
    asked.one(f"pin/add?arg={cid}")
    assert asked.refusal(f"pin/update?arg={cid}&arg={below}") == "'to' cid was already recursively pinned"
    asked.one(f"pin/rm?arg={cid}&arg={below}")


def test_what_nobody_has(asked: Asked) -> None:
    cid = absent()
    offline = f"block was not found locally (offline): ipld: could not find {cid}"
    assert asked.refusal(f"pin/add?arg={cid}&offline=true") == f"pin: {offline}"
    assert asked.refusal(f"pin/add?arg={cid}&timeout=300ms") == "pin: context deadline exceeded"
    for command in ("block/get", "block/stat", "cat", "dag/export", "dag/stat"):
        assert asked.refusal(f"{command}?arg={cid}&offline=true") == offline
        assert asked.refusal(f"{command}?arg={cid}&timeout=300ms") == "context deadline exceeded"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("pin/add?arg=nonsense", 'invalid path "nonsense": path does not have enough components'),
        ("pin/ls?arg=nonsense", 'invalid path "nonsense": path does not have enough components'),
        ("pin/ls?type=foo", "invalid type 'foo', must be one of {direct, indirect, recursive, all}"),
        ("block/get?arg=nonsense", 'invalid path "nonsense": path does not have enough components'),
    ],
)
def test_what_makes_no_sense(asked: Asked, command: str, sentence: str) -> None:
    assert asked.refusal(command) == sentence


# ---- blocks and DAGs ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options", ["", "format=v0", "cid-codec=dag-pb", "mhtype=sha2-512", "mhtype=blake3", "mhlen=20", "mhtype=sha3-256"]
)
def test_blocks(asked: Asked, options: str) -> None:
    data = b"\x0a\x00" if "dag-pb" in options or "v0" in options else b"blockdata"
    put = asked.one(f"block/put?{options}", ("x", BYTES, data))
    assert list(put) == ["Key", "Size"] and put["Size"] == len(data)
    got = asked.post(f"block/get?arg={put['Key']}")
    assert got.content == data and got.headers["Content-Type"] == "application/vnd.ipld.raw"
    assert asked.one(f"block/stat?arg={put['Key']}") == put


def test_cids_of_blocks_are_the_same(embedded: EmbeddedProcess) -> None:
    """What Kubo 0.43.1 answers."""
    expected = {
        "": "bafkreif44wtqaobgmfzyc7e4rqbanzdqqp2w6vtdhspqolio46biyxhcm4",
        "cid-codec=dag-cbor&mhtype=sha2-256": "bafyreif44wtqaobgmfzyc7e4rqbanzdqqp2w6vtdhspqolio46biyxhcm4",
    }
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(embedded.socket)), base_url="http://127.0.0.1") as client:
        for options, cid in expected.items():
            assert Asked(client).one(f"block/put?{options}", ("x", BYTES, b"blockdata"))["Key"] == cid


def test_cars(asked: Asked) -> None:
    parts, _ = tree()
    cid = asked.add(*parts)
    exported = asked.post(f"dag/export?arg={cid}")
    assert exported.headers["Content-Type"] == "application/vnd.ipld.car"
    car = exported.content
    root, stats = asked.lines("dag/import?stats=true", ("x", BYTES, car))
    assert root == {"Root": {"Cid": {"/": cid}, "PinErrorMsg": ""}}
    assert stats["Stats"]["BlockCount"] == 8 and stats["Stats"]["BlockBytesCount"] < len(car)
    asked.one(f"pin/rm?arg={cid}")
    assert asked.lines("dag/import?pin-roots=false", ("x", BYTES, car)) == []
    assert asked.refusal("dag/import", ("x", BYTES, car[:-5])).startswith('import failed after block "')
    asked.refusal("dag/import", ("x", BYTES, b"zzz"))


@pytest.mark.kubo
def test_both_write_the_same_car(embedded: EmbeddedProcess, kubo: KuboProcess) -> None:
    parts, _ = tree()
    cars = []
    for url, socket in ((kubo.url, None), ("http://127.0.0.1", str(embedded.socket))):
        with httpx.Client(transport=httpx.HTTPTransport(uds=socket), base_url=url, timeout=30) as client:
            asked = Asked(client)
            cars.append(asked.post(f"dag/export?arg={asked.add(*parts)}").content)
    assert cars[0] == cars[1]


def test_statistics_of_dags(asked: Asked) -> None:
    parts, _ = tree()
    cid = asked.add(*parts)
    stat = asked.one(f"dag/stat?arg={cid}&progress=false")
    one = stat["DagStats"][0]
    assert one == {"Cid": cid, "Size": stat["TotalSize"], "NumBlocks": 8}
    assert {name: stat[name] for name in ("UniqueBlocks", "Ratio")} == {"UniqueBlocks": 8, "Ratio": 1}
    two = asked.one(f"dag/stat?arg={cid}&arg={cid}/e&progress=false")
    assert two["SharedSize"] == two["DagStats"][1]["Size"] and two["Ratio"] > 1
    assert asked.lines(f"dag/stat?arg={cid}")[-1] == stat


def test_references(asked: Asked) -> None:
    parts, _ = tree()
    cid = asked.add(*parts)
    direct = asked.lines(f"refs?arg={cid}")
    assert len(direct) == 3 and all(list(line) == ["Ref", "Err"] and not line["Err"] for line in direct)
    deep = [line["Ref"] for line in asked.lines(f"refs?arg={cid}&recursive=true")]
    assert len(deep) == 7 and deep[:2] == [line["Ref"] for line in direct[:2]] and deep[-1] == direct[2]["Ref"]
    assert asked.lines(f"refs?arg={cid}&recursive=true&max-depth=1") == direct
    assert asked.lines(f"refs?arg={cid}&edges=true")[0]["Ref"] == f"{cid} -> {deep[0]}"
    named = asked.lines(f"refs?arg={cid}&format=<src>-<dst>-<linkname>")[0]["Ref"]
    assert named == f"{cid}-{deep[0]}-a.txt"
    lost = asked.lines(f"refs?arg={cid_text(bytes.fromhex('01701220') + os.urandom(32))}&offline=true")
    assert len(lost) == 1 and lost[0]["Ref"] == "" and lost[0]["Err"].startswith("block was not found locally")


def test_paths_are_resolved(asked: Asked) -> None:
    parts, _ = tree()
    cid = asked.add(*parts)
    leaf = asked.one(f"block/stat?arg={cid}/e/big")["Key"]
    assert asked.one(f"resolve?arg=/ipfs/{cid}") == {"Path": f"/ipfs/{cid}"}
    assert asked.one(f"resolve?arg=/ipfs/{cid}/e/big") == {"Path": f"/ipfs/{leaf}"}
    assert asked.one(f"resolve?arg=/ipfs/{leaf}") == {"Path": f"/ipfs/{leaf}"}
    for below in ("nix", "e/nix"):
        assert "nix" in asked.refusal(f"resolve?arg=/ipfs/{cid}/{below}")
    assert asked.refusal(f"resolve?arg=/ipfs/{cid}/a.txt/nix"), "a file has nothing below it"


# ---- the store and other nodes --------------------------------------------------------------------------------------
def test_the_store(asked: Asked) -> None:
    stat = asked.one("repo/stat")
    assert list(stat) == ["RepoSize", "StorageMax", "NumObjects", "RepoPath", "Version"]
    assert stat["StorageMax"] == 10**10 and stat["RepoPath"]
    small = asked.one("repo/stat?size-only=true")
    assert small["NumObjects"] == 0 and small["RepoPath"] == ""
    cid = asked.add(("x", BYTES, os.urandom(100)))
    assert {"Key": {"/": cid}} in asked.lines("repo/gc")
    assert "offline" in asked.refusal(f"block/get?arg={cid}&offline=true")
    *progress, end = asked.lines("repo/verify")
    assert end == {"Msg": "verify complete, all blocks validated.", "Progress": 0}
    assert all(list(line) == ["Msg", "Progress"] for line in progress)


@pytest.mark.kubo
def test_connections(asked: Asked, other_kubo: KuboProcess) -> None:
    assert set(asked.one("swarm/peers")) == {"Peers"}
    assert asked.refusal("swarm/connect?arg=nonsense").startswith('failed to parse multiaddr "nonsense"')
    assert asked.refusal("swarm/connect?arg=/ip4/127.0.0.1/tcp/1") == "found no ipfs peers at /ip4/127.0.0.1/tcp/1"
    nobody = "12D3KooWMmryrP3X2SqSvhnWhBuYMR4v91geXQqaoA7PuPU9zjFa"
    refused = asked.refusal(f"swarm/connect?arg=/ip4/127.0.0.1/tcp/1/p2p/{nobody}")
    assert refused.startswith(f"connect {nobody} failure: ")
    identity = httpx.post(f"{other_kubo.url}/api/v0/id", timeout=30).json()
    connected = asked.one(f"swarm/connect?arg={identity['Addresses'][0]}")
    assert connected == {"Strings": [f"connect {identity['ID']} success"]}
    [peer] = [each for each in asked.one("swarm/peers")["Peers"] if each["Peer"] == identity["ID"]]
    assert list(peer) == ["Addr", "Peer", "Identify"] and peer["Addr"].startswith("/ip4/127.0.0.1/tcp/")
    [peer] = [each for each in asked.one("swarm/peers?verbose=true")["Peers"] if each["Peer"] == identity["ID"]]
    assert peer["Direction"] == 2


def test_providers_of_what_nobody_has(asked: Asked) -> None:
    assert asked.lines(f"routing/findprovs?arg={absent()}&timeout=10s") == []


def test_shutdown(tmp_path: Path) -> None:
    """Only of the embedded node: a shared Kubo is needed by others."""
    node = EmbeddedProcess(tmp_path)
    node.init()
    node.start()
    try:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(node.socket)), base_url="http://127.0.0.1") as client:
            assert Asked(client).lines("shutdown") == []
        node.wait()
    finally:
        node.kill()


def test_pin_add_names_the_peers_that_sent_blocks(tmp_path: Path) -> None:
    """Beyond what Kubo says: of pincrew's own node the daemon learns who serves."""
    with node_process(tmp_path / "source") as source, node_process(tmp_path / "fetching") as fetching:
        fetching.ask("swarm/connect", arg=source.address)
        added = source.ask("add", data=os.urandom(2_000_000), **{"cid-version": "1"})
        cid = json.loads(added.text.splitlines()[-1])["Hash"]

        def pinned() -> set[str]:
            lines = fetching.ask("pin/add", arg=cid, progress="true").text.splitlines()
            return {peer for line in lines[:-1] for peer in json.loads(line)["Peers"]}

        assert pinned() == {source.address.rpartition("/")[2]}
        assert pinned() == set(), "what is here comes from nobody"
