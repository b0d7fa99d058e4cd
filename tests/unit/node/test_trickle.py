from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew.cid import cid_text
from pincrew.node import dag_pb, unixfs
from pincrew.node.layout import LINKS_PER_NODE, Form, Part
from pincrew.node.multihash import RAW, codec_of, matches, multihash_of
from pincrew.node.trickle import NODES_OF_ONE_DEPTH, TrickleLayout
from pincrew.node.unixfs import Kind

V0, V1 = Form(0, False), Form(1, True)


def lay_out(form: Form, chunks: list[bytes], *, batch: int = 1_000) -> tuple[dict[bytes, bytes], Part]:
    file = TrickleLayout(form)
    blocks = [block for at in range(0, len(chunks), batch) for block in file.add(chunks[at : at + batch])]
    rest, part = file.finish()
    return dict(blocks + rest), part


def numbered(count: int) -> list[bytes]:
    return [number.to_bytes(3) for number in range(count)]


def check(blocks: dict[bytes, bytes], cid: bytes, *, depth_max: int | None) -> tuple[list[bytes], bool]:
    """Return the chunks below a node, in their order, and whether it is full; everything in it must be in its place."""
    links, data = dag_pb.decode(blocks[cid])
    message = unixfs.decode(data or b"")
    assert message.kind is Kind.FILE and message.file_size == sum(message.block_sizes)
    leaves, nodes = links[:LINKS_PER_NODE], links[LINKS_PER_NODE:]
    chunks = [leaf_of(blocks, link.cid) for link in leaves]
    assert [len(chunk) for chunk in chunks] == list(message.block_sizes[:LINKS_PER_NODE])
    full = len(leaves) == LINKS_PER_NODE
    assert full or not nodes
    for number, (link, size) in enumerate(zip(nodes, message.block_sizes[LINKS_PER_NODE:], strict=True)):
        assert full, "only the last one may not be full"
        depth = number // NODES_OF_ONE_DEPTH + 1
        assert depth_max is None or depth < depth_max
        below, full = check(blocks, link.cid, depth_max=depth)
        assert below and sum(map(len, below)) == size
        chunks += below
    return chunks, full and depth_max is not None and len(nodes) == NODES_OF_ONE_DEPTH * (depth_max - 1)


def leaf_of(blocks: dict[bytes, bytes], cid: bytes) -> bytes:
    if codec_of(cid) == RAW:
        return blocks[cid]
    links, data = dag_pb.decode(blocks[cid])
    message = unixfs.decode(data or b"")
    assert not links and message.kind is Kind.RAW and message.file_size == len(message.data or b"")
    return message.data or b""


@pytest.mark.parametrize("form", [V0, V1, Form(0, True), Form(1, False)])
@pytest.mark.parametrize("leaves", [0, 1, 174, 175, 348, 349, 870, 871, 1_741])
def test_leaves_come_first_then_nodes_that_are_deeper_and_deeper(form: Form, leaves: int) -> None:
    chunks = numbered(leaves)
    blocks, part = lay_out(form, chunks)
    assert all(matches(multihash_of(cid), block) for cid, block in blocks.items())
    assert check(blocks, part.cid, depth_max=None)[0] == chunks
    assert part.content_bytes == 3 * leaves


@pytest.mark.slow
@settings(max_examples=20)
@given(st.integers(0, 6_000), st.integers(1, 2_000))
def test_any_number_of_leaves_in_any_batches(leaves: int, batch: int) -> None:
    chunks = numbered(leaves)
    blocks, part = lay_out(V1, chunks, batch=batch)
    assert check(blocks, part.cid, depth_max=None)[0] == chunks
    assert part.size == sum(map(len, blocks.values()))
    assert (blocks, part) == lay_out(V1, chunks)


@pytest.mark.parametrize(
    ("form", "content", "cid", "size"),
    [
        # What Kubo 0.43.1 says of them: unlike in its other layout, there is always a root above the leaves.
        (V0, b"", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", 6),
        (V1, b"", "bafybeif7ztnhq65lumvvtr4ekcwd2ifwgm3awq4zfr3srh462rwyinlb4y", 6),
        (V0, b"hello world\n", "QmVib14uvPnCP73XaCDpwugRuwfTsVbGyWbatHAmLSdZUS", 70),
        (V1, b"hello world\n", "bafybeia4miqqt6qvhkmlsw3ipfiax3c7ntd2y4rnurvuvbayj3zl63otdq", 64),
    ],
)
def test_files_of_one_chunk(form: Form, content: bytes, cid: str, size: int) -> None:
    _, part = lay_out(form, [content] if content else [])
    assert (cid_text(part.cid), part.size, part.content_bytes) == (cid, size, len(content))


def test_children_come_before_their_parents() -> None:
    file = TrickleLayout(V1)
    blocks = file.add(numbered(2_000)) + file.finish()[0]
    seen: set[bytes] = set()
    for cid, block in blocks:
        if codec_of(cid) != RAW:
            assert all(link.cid in seen for link in dag_pb.decode(block)[0])
        seen.add(cid)
