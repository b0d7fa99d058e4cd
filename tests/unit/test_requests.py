"""Questions between peers, and their answers."""

from __future__ import annotations

import contextlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.policy import POLICY, Method, Who, may
from pincrew.requests import (
    Answer,
    CidStatus,
    Request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)

CID = b"\x01\x55\x12\x20" + bytes(32)
STATUS = CidStatus(CID, "error", 5, "why", 2)
ANSWER = Answer("ana", "0.1.0", "12D3KooW", ("/ip4/127.0.0.1/tcp/1",), (STATUS,), 3, ("P",))


def test_the_example_of_the_protocol_page() -> None:
    assert encode_request(Request(Method.ID)) == bytes.fromhex("830162696480")


@pytest.mark.parametrize("method", list(Method))
def test_requests_round_trip(method: Method) -> None:
    request = Request(method, (CID,))
    assert decode_request(encode_request(request)) == request


def test_answers_round_trip() -> None:
    assert decode_answer(encode_answer(ANSWER)) == ANSWER
    crowd = ANSWER._replace(peers=tuple(f"peer {number}" for number in range(limits.ANSWER_PEERS_MAX)))
    assert decode_answer(encode_answer(crowd)) == crowd


@pytest.mark.parametrize(
    "fields",
    [
        [1, "shutdown", []],
        [2, "id", []],
        [1, "id"],
        [1, "status", [b"no cid"]],
        [1, "status", "all"],
        [1, "status", [CID] * (limits.REQUEST_CIDS_MAX + 1)],
    ],
)
def test_other_requests_are_refused(fields: list[object]) -> None:
    with pytest.raises(Malformed):
        decode_request(cbor2.dumps(fields, canonical=True))


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (1, "x" * 2_000),
        (3, 7),
        (4, ["/ip4"] * (limits.ANNOUNCEMENT_ADDRESSES_MAX + 1)),
        (5, [[CID, "pinned", 1, ""]]),
        (5, [[CID, "pinned", -1, "", 0]]),
        (6, True),
        (7, "P"),
        (7, [7]),
        (7, ["x" * 2_000]),
        (7, ["P"] * (limits.ANSWER_PEERS_MAX + 1)),
    ],
)
def test_other_answers_are_refused(position: int, value: object) -> None:
    fields = cbor2.loads(encode_answer(ANSWER))
    fields[position] = value
    with pytest.raises(Malformed):
        decode_answer(cbor2.dumps(fields, canonical=True))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (decode_request, decode_answer):
        with contextlib.suppress(Malformed):
            read(data)


def test_every_method_has_a_policy_and_nobody_can_run_or_collect() -> None:
    assert set(POLICY) == set(Method) == {Method.ID, Method.STATUS, Method.RECOVER}


@pytest.mark.parametrize("method", list(Method))
def test_who_may_ask(method: Method) -> None:
    assert may(method, is_curator=True)
    assert may(method, is_curator=False) is (POLICY[method] is Who.ANYONE)
