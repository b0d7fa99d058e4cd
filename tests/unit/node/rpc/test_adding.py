"""`add`: the lines it answers with. Its CIDs are the business of test_importing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pincrew.cid import parse_cid
from support.http_door import MULTIPART, Rpc, files, with_rpc

BYTES, FOLDER, LINK = "application/octet-stream", "application/x-directory", "application/symlink"
LEAF = "bafkreibmrmenuxhgaomod4m26ds5ztdujxzhjobgvpsyl2v2ndcskq2iay"


def test_a_tree_with_its_root_last_and_pinned_by_name() -> None:
    async def test(rpc: Rpc) -> None:
        body = files(
            ("d", FOLDER, b""), ("d%2F%C3%A4+b", BYTES, b"one\n"), ("d%2Fs", LINK, b"a"), ("d%2Fe", FOLDER, b"")
        )
        lines = await rpc.lines("add?cid-version=1&pin-name=x", body)
        assert sorted(line["Name"] for line in lines[:-1]) == ["d/e", "d/s", "d/ä b"]
        assert lines[0] == {"Name": "d/ä b", "Hash": LEAF, "Size": "4"}
        assert lines[-1]["Name"] == "d" and rpc.node.kept[parse_cid(lines[-1]["Hash"])].name == "x"

    with_rpc(test)


def test_progress_wrapping_and_nothing_but_hashes() -> None:
    async def test(rpc: Rpc) -> None:
        body = files(("a.txt", BYTES, b"one\n"))
        assert (await rpc.lines("add?progress=true&cid-version=1", body))[0] == {"Name": "a.txt", "Bytes": 4}
        assert await rpc.lines("add?cid-version=1&wrap-with-directory=true&pin=false", body) == [
            {"Name": "a.txt", "Hash": LEAF, "Size": "4"},
            {"Name": "", "Hash": "bafybeihi2wjbvv5ssanvop27z3mxlyfsd2dt6ma5zbpjluvawselryprvm", "Size": "57"},
        ]
        rpc.node.blocks.clear()
        assert (await rpc.lines("add?cid-version=1&only-hash=true", body))[0]["Hash"] == LEAF
        assert not rpc.node.blocks
        unnamed = "QmapoNeQhJxjMDWstx27etyxMNLU4MtkDk8BMfyHRao8P8"
        assert await rpc.one("add", files(("", BYTES, b"two\n"))) == {"Name": unnamed, "Hash": unnamed, "Size": "12"}

    with_rpc(test)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("cid-version=9", "unknown CID version: 9"),
        ("chunker=fastcdc", "unrecognized chunker option: fastcdc"),
        ("chunker=size-99999999", "chunk"),
        ("chunker=rabin-15-64-128", "Rabin chunks of 15, 64 and 128 bytes cannot be"),
        ("hash=md5", "unrecognized hash function: 'md5'"),
        ("hash=blake3&cid-version=0", "CIDv0 only supports sha2-256"),
    ],
)
def test_options_that_cannot_be_had(options: str, sentence: str) -> None:
    async def test(rpc: Rpc) -> None:
        assert sentence in await rpc.refusal(f"add?{options}", files(("a", BYTES, b"x")))
        assert not rpc.node.blocks

    with_rpc(test)


def test_nothing_to_add() -> None:
    async def test(rpc: Rpc) -> None:
        assert await rpc.refusal("add", files()) == "expected a file argument"
        assert (await rpc.post("add")).text == "file argument 'path' is required\n"
        assert (await rpc.post("add?nocopy=true", files(("a", BYTES, b"x")))).status_code == 400
        assert (await rpc.post("add?inline=true", files(("a", BYTES, b"x")))).status_code == 400

    with_rpc(test)


@pytest.mark.parametrize(
    ("options", "cid"),
    [
        # What Kubo 0.43.1 says of 100,000 zeros; another hash function than sha2-256 implies version 1.
        ("trickle=true", "QmXCP4HrAHxbNuwm92VTbqdRnn59Ht1jUKD6fum2Z7AW9b"),
        ("t=true&raw-leaves=true", "QmWZ7cerWdKvsy8qH6UsBiaXXsnHW8VZnT47cDUnp665tA"),
        ("chunker=rabin-512-1024-2048&cid-version=1", "bafybeid52pehkw4tjv24crraxnn5cqo22qiftc7vpqpchb4gta6j2tmyei"),
        ("chunker=buzhash", "QmYgKa25YqEGpQmmZtPPFMNK3kpqqneHk6nMSEUYryEX1C"),
        (
            "hash=sha3-512",
            "bafkriqbyttdmytj7kba47dfpgmtuoshfxq3fufaseaovk2ivxm4mh7h7wdujgkd72oblagu7psg2dm7q3r3fquxr6djuusv3wvitxqt25ywq2",
        ),
        ("hash=Blake3&raw-leaves=false", "bafyb4iekanpxnoobzrurhqmoh5j35f4noiz4bma4audvncaf4zkikyifj4"),
    ],
)
def test_layouts_chunkers_and_hash_functions(options: str, cid: str) -> None:
    async def test(rpc: Rpc) -> None:
        assert (await rpc.one(f"add?{options}", files(("a", BYTES, bytes(100_000)))))["Hash"] == cid

    with_rpc(test)


@pytest.mark.slow
def test_a_client_that_reads_only_when_all_is_sent() -> None:
    """More lines than the socket holds: they wait in the node."""

    async def test(rpc: Rpc) -> None:
        body = files(*((f"d%2F{index:05}", BYTES, b"") for index in range(6_000)))
        assert len(await rpc.lines("add?cid-version=1&progress=true", body)) == 12_001

    with_rpc(test)


def test_a_large_body_that_is_refused_is_still_told_why() -> None:
    async def test(rpc: Rpc) -> None:
        async def endless() -> AsyncIterator[bytes]:
            yield files(("a", BYTES, b""))[:-30]
            for _ in range(64):
                yield bytes(64 * 1024)

        url = "/api/v0/add?cid-version=9"
        answer = await rpc.client.post(url, content=endless(), headers=MULTIPART, timeout=20)
        assert answer.json()["Message"] == "unknown CID version: 9"

    with_rpc(test)
