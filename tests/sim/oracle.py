"""What the rows must be: one Yjs document, fed every envelope in a causal order.

Written against pycrdt alone and without any of the product's windows, shards, caches or stores; only the reading of
envelopes is shared. Item ids are renumbered, for one document holds all shards.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pycrdt

from pincrew.cid import cid_text
from pincrew.store.database import Database
from pincrew.values import Envelope, OperationId, Put, SessionId
from pincrew.wire import client_id, decode_envelope


def envelopes_of(disks: Iterable[Database], shard_bits: int) -> list[Envelope]:
    """Every envelope that took effect at any of the disks, each once, in a causal order."""
    found: dict[tuple[SessionId, int], Envelope] = {}
    for disk in disks:
        for (body,) in disk.writer.execute(
            "SELECT body FROM log JOIN sessions USING (sid) WHERE log.number <= sessions.number"
        ):
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


def expected_rows(envelopes: Iterable[Envelope]) -> list[tuple[bytes, bytes, bytes, bytes, int]]:
    """The rows (CID, record, author, nonce, n) that one document gives."""
    document: pycrdt.Doc[Any] = pycrdt.Doc(client_id=3)
    pins = document.get("p", type=pycrdt.Map)
    clocks: dict[SessionId, int] = {}
    items: dict[tuple[OperationId, int], tuple[int, int]] = {}
    puts: dict[bytes, tuple[bytes, bytes, bytes, bytes, int]] = {}
    for envelope in envelopes:
        client = client_id(envelope.session)
        first = clocks.get(envelope.session, 0)
        structs = bytearray()
        deletes: list[tuple[int, int]] = []
        count = 0
        for part in envelope.parts:
            n = part.first_n
            for operation in part.operations:
                if not isinstance(operation, Put):
                    deletes += [items[target, part.shard] for target in operation.targets]
                    continue
                identifier = OperationId(envelope.session, n)
                items[identifier, part.shard] = (client, first + count)
                tag = b"%d/%d/%d" % (client, first + count, part.shard)
                puts[tag] = (operation.cid, operation.record, *envelope.session, n)
                if operation.origin is None:
                    key = cid_text(operation.cid).encode()
                    structs += b"\x28\x01\x01p" + _varint(len(key)) + key
                else:
                    owner, clock = items[operation.origin, part.shard]
                    structs += b"\xa8" + _varint(owner) + _varint(clock)
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
