"""Whatever a client sends, it is told what was wrong with it: never a 5xx, never half an answer."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, quote_from_bytes

import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pincrew.rest.openapi import OPERATIONS, plain
from pincrew.rest.server import route_table
from support.rest_door import FollowingDoor, RestAnswer, WritingDoor, ask
from support.shape_examples import CID, CID_2, PEER

ROUTES = [(route.method, plain(route.path)) for route in route_table(WritingDoor(), None)]
# What a path may hold: whatever bytes, and what looks as if it were something.
ODD = st.one_of(
    st.sampled_from([CID, CID_2, PEER, "ipfs", "recover", "..", ".", "%00", "%ff", "%2f", "bafkqaaa", "/ipfs/", "Qm"]),
    st.binary(max_size=40).map(quote_from_bytes),
    st.text(max_size=40).map(lambda text: quote(text, safe="", errors="replace")),
)
NAMES = sorted({parameter.name for operation in OPERATIONS.values() for parameter in operation.query})
QUERY = st.lists(st.tuples(st.sampled_from([*NAMES, "meta-", "nocopy", "shard"]) | ODD, ODD), max_size=5)
HEADERS = st.dictionaries(
    st.sampled_from(["Host", "Content-Type", "Content-Length", "Authorization", "Origin", "Accept", "Range", "X-Y"]),
    st.text(st.characters(max_codepoint=255), max_size=40) | st.sampled_from(["multipart/form-data; boundary=b", "-1"]),
    max_size=4,
)
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n--b--\r\n'
BODIES = st.one_of(
    st.binary(max_size=200),
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5).map(
        lambda value: json.dumps({"peer_id": value}).encode()
    ),
    st.just(FORM),
    st.binary(max_size=20).map(lambda more: FORM[: len(FORM) // 2] + more + FORM[len(FORM) // 2 :]),
    st.integers(1, 200_000).map(lambda size: b" " * size),
)
METHODS = ["GET", "POST", "DELETE", "HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "X"]


@st.composite
def targets(draw: st.DrawFn) -> tuple[str, str]:
    """A method and a path: one that exists, with whatever in its places, or any."""
    method, path = draw(st.sampled_from(ROUTES))
    for part in ("{cid}", "{peer}", "{kind}", "{path}", "{name}"):
        if part in path:
            path = path.replace(part, draw(ODD))
    if draw(st.integers(0, 9)) == 0:
        path, method = f"/{draw(ODD)}/{draw(ODD)}", draw(st.sampled_from(METHODS))
    return method, path


def judged(answer: RestAnswer) -> None:
    """Whatever the answer is, it is one that a client understands."""
    assert 200 <= answer.status < 500
    if answer.status in (204, 307, 405):
        assert answer.content == b""
    elif answer.status >= 400:
        assert answer.message.strip() and len(answer.message) < 2_000
    else:
        assert all(isinstance(json.loads(line), dict | list) for line in answer.content.splitlines())


@settings(max_examples=400, deadline=None)
@given(targets(), QUERY, HEADERS, BODIES, st.booleans())
@example(("GET", "/pins"), [("cids", ",".join([CID] * 900))], {}, b"", False)
@example(("POST", "/peers"), [], {"Content-Length": "9" * 400}, b"", True)
@example(("POST", f"/pins/{CID}"), [("expire-at", "9999-12-31T23:59:59-23:59")], {}, b"", True)
@example(("POST", "/add"), [], {"Content-Type": "multipart/form-data"}, b"", True)
@example(("POST", "/add"), [], {"Content-Type": "MULTIPART/;BOUNDARY=b"}, FORM, True)
@example(("POST", "/add"), [("stream-channels", "false")], {"Content-Type": "multipart/x; boundary=b"}, FORM[:-9], True)
@example(("POST", "/pins/ipfs/../.."), [], {}, b"", True)
def test_any_request(
    target: tuple[str, str], query: list[tuple[str, str]], headers: dict[str, str], body: bytes, writes: bool
) -> None:
    method, path = target
    asked = "&".join(f"{name}={value}" for name, value in query)
    door: FollowingDoor = WritingDoor() if writes else FollowingDoor()

    async def main() -> RestAnswer:
        with trio.fail_after(10):
            sent: dict[str, Any] = {"headers": headers, "chunks": [body[:7], body[7:]]}
            return await ask(door, method, f"{path}?{asked}", **sent)

    judged(trio.run(main))
    assert door.open_lists == 0
    if not writes:
        assert not {call[0] for call in door.asked} & {"pin", "unpin", "add", "add_car"}
