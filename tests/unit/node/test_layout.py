from __future__ import annotations

import pytest

from pincrew.cid import cid_text
from pincrew.node import dag_pb, unixfs
from pincrew.node.layout import LINKS_PER_NODE, BalancedLayout, Form, Part, symlink
from pincrew.node.multihash import matches, multihash_of

V0, V1 = Form(0, False), Form(1, True)


def lay_out(form: Form, chunks: list[bytes]) -> tuple[dict[bytes, bytes], Part]:
    file = BalancedLayout(form)
    blocks = file.add(chunks)
    rest, part = file.finish()
    return dict(blocks + rest), part


@pytest.mark.parametrize(
    ("form", "content", "cid", "size"),
    [
        # What Kubo 0.43.1 says of them.
        (V0, b"", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH", 6),
        (V1, b"", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", 0),
        (V0, b"hello world\n", "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o", 20),
        (V1, b"hello world\n", "bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4", 12),
    ],
)
def test_a_file_of_one_chunk_is_its_leaf(form: Form, content: bytes, cid: str, size: int) -> None:
    blocks, part = lay_out(form, [content] if content else [])
    assert (cid_text(part.cid), part.size, part.content_bytes) == (cid, size, len(content))
    assert list(blocks) == [part.cid]


@pytest.mark.parametrize("form", [V0, V1, Form(0, True), Form(1, False)])
@pytest.mark.parametrize(
    ("leaves", "levels"),
    [
        (1, 0),
        (2, 1),
        (LINKS_PER_NODE, 1),
        (LINKS_PER_NODE + 1, 2),
        pytest.param(LINKS_PER_NODE**2, 2, marks=pytest.mark.slow),
        pytest.param(LINKS_PER_NODE**2 + 1, 3, marks=pytest.mark.slow),
    ],
)
def test_all_levels_are_full_but_at_their_ends(form: Form, leaves: int, levels: int) -> None:
    chunks = [number.to_bytes(3) for number in range(leaves)]
    blocks, part = lay_out(form, chunks)
    assert all(matches(multihash_of(cid), block) for cid, block in blocks.items())
    level = [part.cid]
    for depth in range(levels):
        links, sizes = [], 0
        for number, cid in enumerate(level):
            below, data = dag_pb.decode(blocks[cid])
            message = unixfs.decode(data or b"")
            assert len(message.block_sizes) == len(below) <= LINKS_PER_NODE
            assert message.file_size == sum(message.block_sizes)
            assert len(below) == LINKS_PER_NODE or number == len(level) - 1
            links += [link.cid for link in below]
            sizes += message.file_size
        assert sizes == part.content_bytes == 3 * leaves, depth
        level = links
    assert len(level) == leaves
    if form.raw_leaves:
        assert [blocks[cid] for cid in level] == chunks


def test_the_same_in_any_batches() -> None:
    chunks = [bytes([number]) for number in range(200)]
    whole = lay_out(V1, chunks)
    file = BalancedLayout(V1)
    blocks = [block for chunk in chunks for block in file.add([chunk])]
    rest, part = file.finish()
    assert (dict(blocks + rest), part) == whole


def test_a_symbolic_link() -> None:
    (cid, block), link = symlink(V0, b"target")
    assert cid == link.cid and link.size == len(block)
    assert unixfs.decode(dag_pb.decode(block)[1] or b"") == unixfs.Data(unixfs.Kind.SYMLINK, b"target")
