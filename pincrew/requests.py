"""Questions between peers, and their answers, as deterministic CBOR.

request = [1, method, [cid, ...]]
answer  = [1, name, version, node id or null, [node address, ...], [status, ...], queued, [connected peer, ...]]
status  = [cid, state, updated, error, tries]      state in pincrew's words, or "unpinned"
"""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import cbor2

from pincrew import limits
from pincrew.cid import check_cid
from pincrew.errors import Malformed
from pincrew.policy import Method
from pincrew.wire import load

_FORMAT = 1
_TEXT_BYTES_MAX = 1_024


class Request(NamedTuple):
    """A method and the CIDs that it is about (at most 1,000; none = all, for recover)."""

    method: Method
    cids: tuple[bytes, ...] = ()


class CidStatus(NamedTuple):
    """How far the answering peer got with one CID."""

    cid: bytes
    state: str
    updated_ms: int = 0
    error: str = ""
    tries: int = 0


class Answer(NamedTuple):
    """Who answers, and what was asked for; ``queued``: how many pins are tried again, ``peers``: connected to it."""

    name: str
    version: str
    node_id: str | None
    node_addresses: tuple[str, ...]
    statuses: tuple[CidStatus, ...] = ()
    queued: int = 0
    peers: tuple[str, ...] = ()


def encode_request(request: Request) -> bytes:
    """Return the bytes of a request."""
    return cbor2.dumps([_FORMAT, request.method.value, list(request.cids)], canonical=True)


def decode_request(data: bytes) -> Request:
    """Read a request. Raises Malformed."""
    fields = _fields(data, 3)
    try:
        method = Method(fields[1])
    except ValueError:
        _refuse("a request is for an unknown method")
    if not isinstance(fields[2], list) or len(fields[2]) > limits.REQUEST_CIDS_MAX:
        _refuse("a request names more than 1,000 CIDs")
    for cid in fields[2]:
        check_cid(cid)
    return Request(method, tuple(fields[2]))


def encode_answer(answer: Answer) -> bytes:
    """Return the bytes of an answer."""
    fields: list[Any] = [_FORMAT, answer.name, answer.version, answer.node_id, list(answer.node_addresses)]
    fields += [[list(status) for status in answer.statuses], answer.queued, list(answer.peers)]
    return cbor2.dumps(fields, canonical=True)


def decode_answer(data: bytes) -> Answer:
    """Read an answer. Raises Malformed."""
    fields = _fields(data, 8)
    addresses, statuses, peers = fields[4], fields[5], fields[7]
    if not isinstance(addresses, list) or len(addresses) > limits.ANNOUNCEMENT_ADDRESSES_MAX:
        _refuse("an answer has too many addresses")
    if not isinstance(statuses, list) or len(statuses) > limits.REQUEST_CIDS_MAX:
        _refuse("an answer has too many statuses")
    if not isinstance(peers, list) or len(peers) > limits.ANSWER_PEERS_MAX:
        _refuse("an answer has too many peers")
    return Answer(
        name=_text(fields[1]),
        version=_text(fields[2]),
        node_id=None if fields[3] is None else _text(fields[3]),
        node_addresses=tuple(_text(address) for address in addresses),
        statuses=tuple(_status(row) for row in statuses),
        queued=_number(fields[6]),
        peers=tuple(_text(peer) for peer in peers),
    )


def _status(row: Any) -> CidStatus:
    if not isinstance(row, list) or len(row) != len(CidStatus._fields):
        _refuse("a status has the wrong form")
    check_cid(row[0])
    return CidStatus(row[0], _text(row[1]), _number(row[2]), _text(row[3]), _number(row[4]))


def _fields(data: bytes, count: int) -> list[Any]:
    fields = load(data)
    if not isinstance(fields, list) or len(fields) != count or fields[0] != _FORMAT:
        _refuse("a request or answer has the wrong form")
    return fields


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value.encode()) > _TEXT_BYTES_MAX:
        _refuse("a text in a request or answer is too long")
    return value


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**53:
        _refuse("a number in a request or answer is out of range")
    return value


def _refuse(what: str) -> NoReturn:
    raise Malformed(what)
