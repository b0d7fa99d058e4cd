"""All that a running cluster knows of one pin, as the API shows it."""

from __future__ import annotations

import msgspec
import trio

from pincrew.api import shapes
from pincrew.api.lines import ZERO_TIME, pin_line, pin_object
from pincrew.cid import cid_text
from pincrew.errors import NotFound
from pincrew.keys import peer_id
from pincrew.next_steps import next_step
from pincrew.overview import moment_text
from pincrew.part import cid_value
from pincrew.peer import Peer
from pincrew.record import decode_record
from pincrew.store.filters import Filter
from pincrew.store.listing import PinRow


async def pin_detail(peer: Peer, cid: bytes) -> shapes.PinDetail:
    """Return what is known. Raises NotFound where it is not on the list."""

    def read() -> tuple[list[PinRow], bytes | None]:
        return peer.listing.page(Filter(cid=cid), limit=1), peer.listing.author(cid)

    name = peer.options.name
    rows, author = await trio.to_thread.run_sync(read)
    if not rows:
        raise NotFound(f"{cid_text(cid)} is not in the list of {name}", next_step="See `pincrew pins`")
    pin = decode_record(cid, rows[0].record)
    flight = next((one for one in peer.pinner.summary().in_flight if one.cid == cid), None)
    crew = peer.crew_watch.crew()
    copies = None
    if len(crew) and not pin.keepers:
        copies = round(crew.copies(cid_value(cid), rows[0].size).all, 1)
    line = pin_line(name, rows[0])
    if flight is not None and flight.blocks:  # the row is behind by seconds
        line = msgspec.structs.replace(line, blocks_done=flight.blocks, bytes_done=flight.bytes)
    added_by = None if author is None else peer_id(author)
    heard = None if added_by is None else peer.heard_of(added_by)
    choice = peer.pinner.selection.choices.get(cid)
    shown = pin_object(pin)
    return shapes.PinDetail(
        **msgspec.structs.asdict(line),
        mode=pin.mode.value,
        added=_known(shown.timestamp) if pin.added_ms else None,
        added_by=added_by,
        added_by_name=heard.name or None if heard is not None else None,
        expires=_known(shown.expire_at),
        metadata=dict(pin.metadata),
        allocations=list(pin.allocations),
        choice=None if choice is None else choice.value,
        copies=copies,
        next_step=next_step(line.cause) or None if line.cause else None,
        last_block=None if flight is None else moment_text(peer.clock_ms(), flight.last_block_at),
        serving=None if flight is None else flight.senders,
        rate=None if flight is None else round(flight.rate),
    )


def _known(time: str) -> str | None:
    """Return a time as ipfs-cluster writes it, whose zero stands for none."""
    return None if time == ZERO_TIME else time
