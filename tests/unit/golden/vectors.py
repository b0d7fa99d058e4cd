"""The golden vectors of wire version 1, made from fixed seeds.

    python tests/unit/golden/vectors.py        writes the files anew: only together with a new wire version

The files hold sections, ``[name]`` and then hexadecimal; docs/protocol.md shows some of them, and a test compares.
"""

from __future__ import annotations

import functools
import hashlib
import zlib
from pathlib import Path
from typing import Any

from pincrew.announcement import Announcement, Counters, KeptPart
from pincrew.base_form import Row, blob_hash, encode_cut, encode_header, encode_rows, seal
from pincrew.cid import shard_of
from pincrew.frames import (
    Absent,
    AnnouncementsFrame,
    BaseFrame,
    BaseWant,
    Blob,
    BlobWant,
    Digest,
    Frame,
    Heads,
    Hello,
    Page,
    Proof,
    Standing,
    TrustRecords,
    TrustWant,
    Want,
    encode_frame,
)
from pincrew.keys import SigningKey
from pincrew.record import encode_record
from pincrew.values import Delete, Head, OperationId, Pin, Put
from sim.forge import Author, Forged, put

FOLDER = Path(__file__).parent
SHARD_BITS = 12
CLUSTER = hashlib.sha256(b"a cluster").digest()
ANN, BEN = SigningKey.from_seed(b"\x01" * 32), SigningKey.from_seed(b"\x02" * 32)


def cid(number: int) -> bytes:
    """A raw SHA2-256 CID."""
    return b"\x01\x55\x12\x20" + hashlib.sha256(b"content %d" % number).digest()


def envelopes() -> dict[str, Forged]:
    """Two curators edit the same three pins, one after the other."""
    ann = Author(ANN, CLUSTER, b"A" * 16, SHARD_BITS)
    ben = Author(BEN, CLUSTER, b"B" * 16, SHARD_BITS)
    made = {}
    made["puts"] = ann.sign(put(cid(1), "one"), put(cid(2), "two"), time_ms=1_700_000_000_000)
    made["dependency, origin by reference, delete"] = ben.sign(
        put(cid(1), "uno", origin=OperationId(ann.session, 0)),
        Delete(cid(2), (OperationId(ann.session, 0),)),
        depends=(ann.dependency(),),
        time_ms=1_700_000_001_000,
    )
    made["second of its session"] = ann.sign(
        put(cid(1), "eins", origin=OperationId(ben.session, 0)),
        put(cid(3), "three"),
        depends=(ben.dependency(),),
        time_ms=1_700_000_002_000,
    )
    made["no operations"] = ben.sign(depends=(ann.dependency(),), time_ms=1_700_000_003_000)
    assert len({shard_of(cid(number), SHARD_BITS) for number in (1, 2, 3)}) == 3
    return made


@functools.cache
def base() -> dict[str, bytes]:
    """A base of the first three of those envelopes: the keeper's seal, the cut, and the rows of one shard."""
    made = [forged.read(SHARD_BITS) for forged in list(envelopes().values())[:3]]
    cut = encode_cut({one.session: Head(one.number, one.hash) for one in made})
    order = sorted({one.session for one in made})
    names = {cid(1): "eins", cid(3): "three"}
    shards, size = [], 0
    rows_of_one = b""
    for shard in range(1 << SHARD_BITS):
        rows, puts = [], dict.fromkeys(order, 0)
        for envelope in made:
            for part in envelope.parts:
                if part.shard == shard:
                    puts[envelope.session] += sum(isinstance(one, Put) for one in part.operations)
        for key, name in sorted(names.items()):
            if shard_of(key, SHARD_BITS) == shard:
                session = order.index(made[2].session)
                n = puts[made[2].session] - 1
                rows.append(Row(key, encode_record(Pin(key, name=name, added_ms=1)), session, n))
        blob = encode_rows(rows, [(order.index(one), count) for one, count in puts.items() if count])
        size += len(blob)
        shards.append(blob_hash(blob))
        if shard == shard_of(cid(1), SHARD_BITS):
            rows_of_one = blob
    header = encode_header(
        cluster=CLUSTER,
        n=1,
        previous=b"",
        trust=0,
        cut_hash=blob_hash(cut),
        shards_hash=blob_hash(b"".join(shards)),
        pins=len(names),
        size=size,
    )
    return {"sealed": seal(header, ANN), "cut": cut, "rows": rows_of_one}


# A quarter of the set, of which three pins are missing.
PART = KeptPart(2**62, 50_000_000_000, 1_200, 3, 1_699_000_000_000)


# What a curator's peer says besides.
SERVICE = {"tags": (("region", "eu"), ("zone", "b")), "queue": 17, "repins": True}


def announcement(part: KeptPart | None = None, **more: Any) -> bytes:
    """What a follower says about itself, and of the part that it keeps."""
    return Announcement(
        cluster=CLUSTER,
        key=BEN.public,
        name="attic",
        version="0.1.0",
        addresses=("/ip4/192.0.2.7/tcp/4001",),
        node_id="12D3KooWNode",
        node_addresses=("/ip4/192.0.2.7/tcp/4002",),
        digest=hashlib.sha256(b"heads").digest(),
        counters=Counters(3, 2, 1_048_576, 1),
        part=part,
        free_bytes=1_000_000_000,
        time_ms=1_700_000_004_000,
        ttl_s=180,
        **more,
    ).sealed(BEN)


def frames() -> dict[str, Frame]:
    """One frame of each kind."""
    made = envelopes()
    first = made["puts"]
    session = first.read(SHARD_BITS).session
    standing = Standing(0, hashlib.sha256(b"trust record").digest(), 0, hashlib.sha256(b"heads").digest())
    packed = zlib.compress(base()["cut"], level=0)
    return {
        "hello": Hello(1, CLUSTER, standing),
        "digest": Digest(standing),
        "heads": Heads(((session, Head(1, first.hash)),)),
        "want": Want(session, 0),
        "page": Page(session, (first.body,), first.signature),
        "absent": Absent(session, 7),
        "trust want": TrustWant(1),
        "trust": TrustRecords((b"a signed record",)),
        "announcements": AnnouncementsFrame((announcement(),)),
        "base want": BaseWant(0),
        "base": BaseFrame(base()["sealed"]),
        "blob want": BlobWant(blob_hash(base()["cut"]), 0),
        # Not compressed: then every zlib writes the same bytes.
        "blob": Blob(blob_hash(base()["cut"]), 0, len(packed), packed),
        "proof": Proof(session, (first.body,), first.signature),
    }


def files() -> dict[str, dict[str, bytes]]:
    """Each file's sections."""
    return {
        "envelope_v1.cbor.hex": {name: forged.sealed for name, forged in envelopes().items()},
        "frame_v1.cbor.hex": {name: encode_frame(frame) for name, frame in frames().items()},
        "announcement_v1.cbor.hex": {
            "announcement": announcement(),
            "announcement of a part": announcement(PART),
            "announcement with tags": announcement(PART, **SERVICE),
        },
        "base_v1.cbor.hex": base(),
    }


def wrapped(data: bytes) -> str:
    """Hexadecimal in lines of 64 digits."""
    text = data.hex()
    return "\n".join(text[at : at + 64] for at in range(0, len(text), 64))


def read_golden(name: str) -> dict[str, bytes]:
    """The sections of a file."""
    sections: dict[str, bytes] = {}
    for block in (FOLDER / name).read_text(encoding="utf-8").split("[")[1:]:
        title, _, digits = block.partition("]")
        sections[title] = bytes.fromhex(digits)
    return sections


if __name__ == "__main__":
    for name, sections in files().items():
        text = "\n\n".join(f"[{title}]\n{wrapped(data)}" for title, data in sections.items())
        (FOLDER / name).write_text(text + "\n", encoding="utf-8")
