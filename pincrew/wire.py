"""Envelopes as bytes: deterministic CBOR (RFC 8949, 4.2.1), signed with a domain tag.

    body     = [version, cluster, base, trust, author, nonce, number, previous, time, dependencies, references, parts]
    part     = [shard, first n, [operation, ...]]                      shards ascending, each once
    put      = [cid, record]  or  [cid, record, reference, n]          the latter two are its origin
    delete   = [cid, [reference, n, reference, n, ...]]                its targets
    sealed   = [body, signature]

A reference is an index into ``[own session] + references``. ``hash`` = SHA-256(domain, body) and the signature is
Ed25519 over (domain, body). Everything that can be said of an envelope without knowing any other is checked here, and
nothing else: acceptance depends on these bytes, the trust record and the base alone (invariant 9).
"""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any, NoReturn

import cbor2

from pincrew import domains, limits
from pincrew.cid import check_cid, shard_of
from pincrew.errors import Malformed
from pincrew.values import Delete, Dependency, Envelope, Operation, OperationId, Part, Put, SessionId

_BODY_FIELDS = 12
_INTEGER_MAX = 2**53
_NESTING_MAX = 8
# Every tag that cbor2 decodes by itself; ``tag_hook`` gets the others.
_CBOR_TAGS = (
    *(0, 1, 2, 3, 4, 5, 21, 22, 23, 24, 25, 28, 29, 30, 35, 36, 37),
    *(52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799),
)


def envelope_hash(body: bytes) -> bytes:
    """Return the 32-byte hash by which an envelope is named."""
    return hashlib.sha256(domains.ENVELOPE + body).digest()


def client_id(session: SessionId) -> int:
    """Return the Yjs client id of a session: the first 53 bits of SHA-256(domain, author, nonce)."""
    digest = hashlib.sha256(domains.CLIENT_ID + session.author + session.nonce).digest()
    return int.from_bytes(digest[:8]) >> 11


def encode_body(
    *,
    cluster: bytes,
    base: int,
    trust: int,
    session: SessionId,
    number: int,
    previous: bytes,
    time_ms: int,
    dependencies: tuple[Dependency, ...],
    parts: tuple[Part, ...],
) -> bytes:
    """Return the body of an envelope. The caller keeps the limits; ``decode_envelope`` checks them."""
    references: dict[SessionId, int] = {session: 0}
    raw_parts = []
    for part in parts:
        raw_operations: list[list[Any]] = []
        for operation in part.operations:
            if isinstance(operation, Put):
                raw: list[Any] = [operation.cid, operation.record]
                if operation.origin is not None:
                    raw += [
                        references.setdefault(operation.origin.session, len(references)),
                        operation.origin.n,
                    ]
            else:
                flat: list[int] = []
                for target in operation.targets:
                    flat += [references.setdefault(target.session, len(references)), target.n]
                raw = [operation.cid, flat]
            raw_operations.append(raw)
        raw_parts.append([part.shard, part.first_n, raw_operations])
    body = [
        limits.WIRE_VERSION,
        cluster,
        base,
        trust,
        session.author,
        session.nonce,
        number,
        previous,
        time_ms,
        [[d.session.author, d.session.nonce, d.number, d.hash] for d in dependencies],
        [[s.author, s.nonce] for s in list(references)[1:]],
        raw_parts,
    ]
    return cbor2.dumps(body, canonical=True)


def encode_sealed(body: bytes, signature: bytes) -> bytes:
    """Return body and signature as one message."""
    return cbor2.dumps([body, signature], canonical=True)


def decode_sealed(data: bytes) -> tuple[bytes, bytes]:
    """Split a message into body and signature. Raises Malformed."""
    if len(data) > limits.ENVELOPE_BYTES_MAX + 256:
        _refuse("an envelope is larger than 256 KiB")
    value = load(data)
    if not (isinstance(value, list) and len(value) == 2):
        _refuse("a sealed envelope is not a pair")
    return _bytes(value[0], "body"), _bytes(value[1], "signature", 64)


def load(data: bytes) -> Any:
    """Decode one deterministic CBOR item that fills ``data``. Raises Malformed, also for any other encoding of it."""
    value = load_any_form(data)
    try:
        again = cbor2.dumps(value, canonical=True)
    except Exception as error:  # what can be read and not written again: keys that cannot be sorted, for one
        raise Malformed("bytes are not CBOR") from error
    if again != data:
        _refuse("CBOR is not in its deterministic form")
    return value


def load_any_form(data: bytes) -> Any:
    """Decode the CBOR item with which ``data`` begins, in whatever form. Raises Malformed.

    No tags: shared references and string references make a few hundred bytes into gigabytes when written again, big
    decimals take minutes. Keys of maps are text or bytes: whole numbers can be made to collide.
    """
    try:
        return cbor2.loads(
            data,
            tag_hook=_no_tags,
            semantic_decoders=_NO_TAGS,
            max_depth=_NESTING_MAX,
            allow_indefinite=False,
            strict_hashable_types=True,
        )
    except Exception as error:  # the decoder's own errors, RecursionError, MemoryError of absurd length claims
        raise Malformed("bytes are not CBOR") from error


def head_bytes(argument: int) -> int:
    """Return how many bytes the head of an item takes in the deterministic form, by its value or length (RFC 8949)."""
    if argument < 24:
        return 1
    if argument < 1 << 8:
        return 2
    if argument < 1 << 16:
        return 3
    return 5 if argument < 1 << 32 else 9


def decode_envelope(body: bytes, shard_bits: int) -> Envelope:
    """Return the envelope that ``body`` states, checked as far as it can be alone (invariants 9 and 10).

    Raises Malformed with what is wrong. The signature is the caller's matter.
    """
    if len(body) > limits.ENVELOPE_BYTES_MAX:
        _refuse("an envelope is larger than 256 KiB")
    value = load(body)
    if not isinstance(value, list) or not value or type(value[0]) is not int:
        _refuse("an envelope is not an array that starts with its version")
    if value[0] != limits.WIRE_VERSION:
        _refuse(f"an envelope has version {value[0]}, this pincrew speaks {limits.WIRE_VERSION}")
    if len(value) != _BODY_FIELDS:
        _refuse("an envelope has the wrong number of fields")
    _, cluster, base, trust, author, nonce, number, previous, time_ms, deps, refs, parts = value
    session = SessionId(_bytes(author, "author", 32), _bytes(nonce, "nonce", 16))
    _integer(number, "number")
    _bytes(previous, "previous hash", 32 if number > 1 else 0)
    if number < 1:
        _refuse("envelopes of a session are numbered from 1")
    references = [session, *_references(refs, session)]
    return Envelope(
        cluster=_bytes(cluster, "cluster", 32),
        base=_integer(base, "base"),
        trust=_integer(trust, "trust number"),
        session=session,
        number=number,
        previous=previous,
        time_ms=_integer(time_ms, "time"),
        dependencies=_dependencies(deps, session),
        parts=_parts(parts, references, shard_bits),
        body=body,
        hash=envelope_hash(body),
    )


def _references(value: Any, own: SessionId) -> list[SessionId]:
    rows = _array(value, "references", limits.ENVELOPE_REFERENCES_MAX)
    sessions = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 2:
            _refuse("a reference is not a session")
        sessions.append(SessionId(_bytes(row[0], "author", 32), _bytes(row[1], "nonce", 16)))
    if len({own, *sessions}) != len(sessions) + 1:
        _refuse("a session is referenced twice")
    return sessions


def _dependencies(value: Any, own: SessionId) -> tuple[Dependency, ...]:
    rows = _array(value, "dependencies", limits.ENVELOPE_DEPENDENCIES_MAX)
    found = []
    for row in rows:
        if not isinstance(row, list) or len(row) != 4:
            _refuse("a dependency is not [author, nonce, number, hash]")
        session = SessionId(_bytes(row[0], "author", 32), _bytes(row[1], "nonce", 16))
        number = _integer(row[2], "dependency number")
        if number < 1 or session == own:
            _refuse("an envelope depends on nothing, or on its own session")
        found.append(Dependency(session, number, _bytes(row[3], "dependency hash", 32)))
    if any(a.session >= b.session for a, b in pairwise(found)):
        _refuse("dependencies are not in ascending order of session")
    return tuple(found)


def _parts(value: Any, references: list[SessionId], shard_bits: int) -> tuple[Part, ...]:
    parts = []
    total = 0
    last_shard = -1
    used = 1
    for row in _array(value, "parts", limits.ENVELOPE_OPERATIONS_MAX):
        if not isinstance(row, list) or len(row) != 3:
            _refuse("a part is not [shard, first n, operations]")
        shard = _integer(row[0], "shard")
        if shard <= last_shard:
            _refuse("parts are not in ascending order of shard")
        last_shard = shard
        first_n = _integer(row[1], "first n")
        operations = []
        keys = set()
        for raw in _array(row[2], "operations", limits.ENVELOPE_OPERATIONS_MAX):
            operation, used = _operation(raw, references, used)
            if shard_of(operation.cid, shard_bits) != shard:
                _refuse("a key stands in a shard that is not its own")
            keys.add(operation.cid)
            operations.append(operation)
        if not operations or len(keys) != len(operations):
            _refuse("a part is empty or names a key twice")
        total += len(operations)
        parts.append(Part(shard, first_n, tuple(operations)))
    if total > limits.ENVELOPE_OPERATIONS_MAX:
        _refuse("an envelope has more than 1,000 operations")
    if used != len(references):
        _refuse("a referenced session is not used")
    return tuple(parts)


def _operation(raw: Any, references: list[SessionId], used: int) -> tuple[Operation, int]:
    """Read one operation; ``used`` counts the references met so far, which must come in order of first use."""
    if not isinstance(raw, list) or len(raw) not in (2, 4):
        _refuse("an operation has the wrong form")
    cid = raw[0]
    check_cid(cid)
    second = raw[1]
    if type(second) is bytes:
        if len(second) > limits.RECORD_BYTES_MAX:
            _refuse("a record is larger than 4 KiB")
        if len(raw) == 2:
            return Put(cid, second), used
        origin, used = _identifier(raw[2], raw[3], references, used)
        return Put(cid, second, origin), used
    if len(raw) != 2 or not isinstance(second, list) or len(second) % 2 or not second:
        _refuse("an operation has the wrong form")
    if len(second) > 2 * limits.DELETE_TARGETS_MAX:
        _refuse("a delete has more than 64 targets")
    targets = []
    for at in range(0, len(second), 2):
        target, used = _identifier(second[at], second[at + 1], references, used)
        targets.append(target)
    if len(set(targets)) != len(targets):
        _refuse("a delete names a target twice")
    return Delete(cid, tuple(targets)), used


def _identifier(index: Any, n: Any, references: list[SessionId], used: int) -> tuple[OperationId, int]:
    if _integer(index, "reference") >= len(references) or index > used:
        _refuse("an operation names a session that is not referenced in order")
    return OperationId(references[index], _integer(n, "operation number")), max(used, index + 1)


def _array(value: Any, what: str, length_max: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > length_max:
        _refuse(f"{what} are not an array of at most {length_max}")
    return value


def _bytes(value: Any, what: str, length: int | None = None) -> bytes:
    if type(value) is not bytes or (length is not None and len(value) != length):
        _refuse(f"{what} is not a byte string of the right length")
    return value


def _integer(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < _INTEGER_MAX:
        _refuse(f"{what} is not a whole number below 2^53")
    return value


def _refuse(what: str) -> NoReturn:
    raise Malformed(what)


def _no_tags(*_: object) -> NoReturn:
    raise Malformed("CBOR has a tag")


_NO_TAGS = dict.fromkeys(_CBOR_TAGS, _no_tags)
