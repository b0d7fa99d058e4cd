"""Commands about single blocks."""

from __future__ import annotations

from pincrew.cid import cid_text
from pincrew.limits import BLOCK_BYTES_MAX
from pincrew.node.multihash import DAG_CBOR, DAG_JSON, DAG_PB, IDENTITY, RAW, SHA2_256, cid_of, multihash_of, prefix_of
from pincrew.node.protobuf import varint
from pincrew.node.rpc.arguments import Form, Refused
from pincrew.node.rpc.call import Call, Command

_CODECS = {"raw": RAW, "dag-pb": DAG_PB, "dag-cbor": DAG_CBOR, "dag-json": DAG_JSON, "protobuf": DAG_PB, "cbor": 0x51}
# Kubo's names, the multihash codes, and the lengths of the digests where nothing is said.
_HASHES: dict[str, tuple[int, int]] = {
    "identity": (IDENTITY, 0),
    "sha1": (0x11, 20),
    "sha2-256": (SHA2_256, 32),
    "sha2-512": (0x13, 64),
    "sha3-512": (0x14, 64),
    "sha3-384": (0x15, 48),
    "sha3-256": (0x16, 32),
    "sha3-224": (0x17, 28),
    "shake-256": (0x19, 64),
    "keccak-256": (0x1B, 32),
    "keccak-512": (0x1D, 64),
    "blake3": (0x1E, 32),
    "dbl-sha2-256": (0x56, 32),
    **{f"blake2b-{8 * size}": (0xB200 + size, size) for size in range(20, 65)},
    **{f"blake2s-{8 * size}": (0xB240 + size, size) for size in range(20, 33)},
}
_V0_PREFIX = prefix_of(b"\x12\x20" + bytes(32))


async def get(call: Call) -> None:
    """`block/get`."""
    [path] = call.arguments.paths[:1]
    block = await call.get(await call.resolve(path))
    call.answer.begin_bytes({"Content-Type": "application/vnd.ipld.raw", "X-Stream-Output": "1"})
    await call.answer.write(block)


async def stat(call: Call) -> None:
    """`block/stat`."""
    [path] = call.arguments.paths[:1]
    cid = await call.resolve(path)
    await call.answer.one({"Key": cid_text(cid), "Size": len(await call.get(cid))})


async def put(call: Call) -> None:
    """`block/put`: each file is a block."""
    prefix = _prefix(call)
    files = call.files()
    count = 0
    with call.node.lease() as lease:
        while await files.next_part() is not None:
            data = await files.whole(BLOCK_BYTES_MAX, "produced block")
            if prefix[2] == IDENTITY:
                prefix = prefix[:3] + varint(len(data))
            cid = cid_of(prefix, data)
            await call.node.put_many([(multihash_of(cid), data)], lease=lease)
            if call.arguments.flag("pin"):
                await call.node.pin(cid)
            await call.answer.line({"Key": cid_text(cid), "Size": len(data)})
            count += 1
    if not count:
        raise Refused("expected a file argument")


def _prefix(call: Call) -> bytes:
    """Return what the CIDs of the new blocks begin with."""
    arguments = call.arguments
    form = arguments.text("format")
    hash_name = arguments.text("mhtype", "sha2-256")
    if hash_name not in _HASHES:
        raise Refused(f"unrecognized multihash function: {hash_name}")
    code, length = _HASHES[hash_name]
    if (wanted := arguments.number("mhlen", -1)) >= 0:
        length = wanted
    if form == "v0":
        if (code, length) != (SHA2_256, 32):
            raise Refused("only sha2-256-32 is allowed with CIDv0")
        return _V0_PREFIX
    codec = form or arguments.text("cid-codec", "raw")
    if codec not in _CODECS:
        raise Refused(f'unknown multicodec: "{codec}"')
    return b"\x01" + varint(_CODECS[codec]) + varint(code) + varint(length)


COMMANDS = {
    "block/get": Command(Form(arguments=("cid",)), get),
    "block/stat": Command(Form(arguments=("cid",)), stat),
    "block/put": Command(Form(takes_files=True, short={"f": "format"}), put),
}
