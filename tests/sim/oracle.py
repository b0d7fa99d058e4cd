"""What the rows must be: one Yjs document, fed every envelope in a causal order, and begun anew at each base.

Written against pycrdt alone and without any of the product's windows, shards, caches or stores; only the reading of
envelopes is shared. Item ids are renumbered, for one document holds all shards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pycrdt

from pincrew.cid import cid_text
from pincrew.store.database import Database
from pincrew.values import Envelope, OperationId, Put, SessionId
from pincrew.wire import client_id, decode_envelope

Row = tuple[bytes, bytes, bytes, bytes, int]
Cut = Mapping[SessionId, int]


def in_causal_order(bodies: Iterable[bytes], shard_bits: int) -> list[Envelope]:
    """Envelopes, each once, in a causal order."""
    found: dict[tuple[SessionId, int], Envelope] = {}
    for body in bodies:
        envelope = decode_envelope(body, shard_bits)
        found[envelope.session, envelope.number] = envelope
    ordered: list[Envelope] = []
    heads: dict[SessionId, int] = {}
    waiting = sorted(found)
    while waiting:
        rest = []
        for name in waiting:
            envelope = found[name]
            ready = heads.get(envelope.session, 0) == envelope.number - 1 and all(
                heads.get(one.session, 0) >= one.number for one in envelope.dependencies
            )
            if ready:
                heads[envelope.session] = envelope.number
                ordered.append(envelope)
            else:
                rest.append(name)
        assert len(rest) < len(waiting), "the log has no causal order"
        waiting = rest
    return ordered


def applied_at(disks: Iterable[Database]) -> Iterator[bytes]:
    """The bodies of the envelopes that took effect at any of the disks and are still there."""
    for disk in disks:
        for (body,) in disk.writer.execute(
            "SELECT body FROM log JOIN sessions USING (sid) WHERE log.number <= sessions.number"
        ):
            yield body


def expected_rows(envelopes: Sequence[Envelope], cuts: Sequence[Cut] = ()) -> list[Row]:
    """The rows (CID, record, author, nonce, n) that one document gives, begun anew from the rows at each cut."""
    rows: list[Row] = []
    done: Cut = {}
    for cut in (*cuts, None):
        beyond = [
            envelope
            for envelope in envelopes
            if envelope.number > done.get(envelope.session, 0)
            and (cut is None or envelope.number <= cut.get(envelope.session, 0))
        ]
        rows = _fold(rows, beyond)
        done = cut or {}
    return rows


def _fold(base: Sequence[Row], envelopes: Iterable[Envelope]) -> list[Row]:
    document: pycrdt.Doc[Any] = pycrdt.Doc(client_id=3)
    pins = document.get("p", type=pycrdt.Map)
    clocks: dict[SessionId, int] = {}
    items: dict[tuple[OperationId, bytes], tuple[int, int]] = {}
    row_of: dict[bytes, tuple[int, int]] = {}
    puts: dict[bytes, Row] = {}
    structs = bytearray()
    for clock, row in enumerate(base):
        cid, _, author, nonce, n = row
        tag = b"base %d" % clock
        puts[tag] = row
        row_of[cid] = items[OperationId(SessionId(author, nonce), n), cid] = 1, clock
        key = cid_text(cid).encode()
        structs += b"\x28\x01\x01p" + _varint(len(key)) + key + b"\x01\x74" + _varint(len(tag)) + tag
    if base:
        document.apply_update(b"\x01" + _varint(len(base)) + b"\x01\x00" + bytes(structs) + b"\x00")
    for envelope in envelopes:
        client = client_id(envelope.session)
        first = clocks.get(envelope.session, 0)
        structs = bytearray()
        deletes: list[tuple[int, int]] = []
        count = 0
        for part in envelope.parts:
            n = part.first_n
            for operation in part.operations:
                cid = operation.cid
                if not isinstance(operation, Put):
                    deletes += [items[target, cid] for target in operation.targets if (target, cid) in items]
                    continue
                identifier = OperationId(envelope.session, n)
                items[identifier, cid] = (client, first + count)
                tag = b"%d/%d/%d" % (client, first + count, part.shard)
                puts[tag] = (cid, operation.record, *envelope.session, n)
                origin = None
                if operation.origin is not None:
                    origin = items.get((operation.origin, cid)) or row_of.get(cid)
                if origin is None:
                    key = cid_text(cid).encode()
                    structs += b"\x28\x01\x01p" + _varint(len(key)) + key
                else:
                    structs += b"\xa8" + _varint(origin[0]) + _varint(origin[1])
                structs += b"\x01\x74" + _varint(len(tag)) + tag
                count += 1
                n += 1
        clocks[envelope.session] = first + count
        update = b"\x00" if not count else b"\x01" + _varint(count) + _varint(client) + _varint(first) + structs
        by_client: dict[int, list[int]] = {}
        for owner, clock in deletes:
            by_client.setdefault(owner, []).append(clock)
        update += _varint(len(by_client))
        for owner, gone in by_client.items():
            update += _varint(owner) + _varint(len(gone))
            update += b"".join(_varint(clock) + b"\x01" for clock in sorted(gone))
        document.apply_update(bytes(update))
    return sorted(puts[bytes(pins[key])] for key in pins)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
