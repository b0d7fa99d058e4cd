"""What others want of this node, and in which order they get it: the server's half of Bitswap. Pure.

Every peer has a list of wants. Each want is first looked up in the store; what is there becomes *ready*, what is not
is denied (to those who ask for that) and *waits*: the peer gets it when the block comes. Ready wants are answered in
replies of about ``BITSWAP_REPLY_BYTES``: taken from the list by priority, loaded, sent, and only then forgotten.

The life of a want: LOOKING -> READY -> TAKEN -> gone, or LOOKING -> WAITING -> READY; a cancel ends it anywhere.

Rules; the tests quote the numbers.

1. Peers take turns: one reply each. Within a peer the higher priority goes first, then what was asked first.
2. A peer has at most ``BITSWAP_REPLIES_PER_PEER_MAX`` replies under way, and no further one once they hold
   ``BITSWAP_SENDING_BYTES_PER_PEER``: one that reads slowly blocks itself alone.
3. All replies under way together hold at most ``BITSWAP_SENDING_BYTES_MAX``. Where that makes others wait, the peer
   that has been taking its reply for longest is dropped, if it had ``BITSWAP_SEND_PATIENCE_S``.
4. WANT-HAVE is answered HAVE, or at once by the block where that is small.
5. A want that is denied still waits; a peer that fills its list with such wants loses the oldest of them first, and
   the denial with it where that is not on its way.
6. A list is bounded. What does not fit is denied, and a peer that goes on like that is disconnected. A peer that does
   not read has at most ``BITSWAP_DENIALS_MAX`` denials waiting: of what is beyond, it hears nothing.
7. A block that came while the store was being asked is not overlooked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pincrew import limits
from pincrew.node.bitswap.message import Block, Message, Want
from pincrew.node.bitswap.orders import Disconnect, Drop, Load, Look, Order, Send
from pincrew.node.bitswap.wantlist import Entry, State, Wantlist
from pincrew.node.multihash import IDENTITY, multihash_of, prefix_of


@dataclass(slots=True)
class _Reply:
    peer: Wantlist
    began: float
    entries: list[Entry]
    denials: list[bytes]
    size: int


class Ledger:
    """The wants of all peers."""

    def __init__(self) -> None:
        self._peers: dict[str, Wantlist] = {}
        self._looking: dict[bytes, dict[Entry, None]] = {}
        self._to_look: dict[bytes, None] = {}
        self._look_runs = False
        self._came: dict[bytes, int] = {}
        self._waiting: dict[bytes, dict[Entry, None]] = {}
        self._turns: OrderedDict[str, None] = OrderedDict()
        self._replies: dict[int, _Reply] = {}
        self._sending_bytes = 0
        self._number = 0
        self._orders: list[Order] = []

    # ---- what may be asked ---------------------------------------------------------------------------------------
    def wantlist_of(self, name: str) -> list[bytes]:
        """Return the CIDs that a peer wants of us."""
        return list(self._peers[name].entries) if name in self._peers else []

    @property
    def held_up(self) -> bool:
        """Whether peers wait for their turn because others hold all the room."""
        return bool(self._turns)

    @property
    def sending_bytes(self) -> int:
        """Bytes of blocks in replies under way."""
        return self._sending_bytes

    # ---- events --------------------------------------------------------------------------------------------------
    def received(self, name: str, wants: Sequence[Want], full: bool, now: float) -> None:
        """Take in the wants of a message."""
        peer = self._peers.get(name)
        if peer is None:
            peer = self._peers[name] = Wantlist(name, refused_at=now)
        if full:
            for entry in list(peer.entries.values()):
                if entry.state is not State.TAKEN:
                    self._end(entry)
            peer.denials.clear()
        new = 0
        for want in wants:
            if multihash_of(want.cid)[0] == IDENTITY:
                continue  # it holds its data itself; nobody needs to ask for it
            if want.cancel:
                peer.denials.pop(want.cid, None)
                if want.cid in peer.entries:
                    self._end(peer.entries[want.cid])
                continue
            new += 1
            if new > limits.BITSWAP_LEDGER_WANTS_MAX or not self._take_in(peer, want):
                self._refuse(peer, want, now)

    def looked(self, multihashes: Iterable[bytes], sizes: Mapping[bytes, int]) -> None:
        """Note what the store has of what a Look asked for."""
        self._look_runs = False
        for multihash in multihashes:
            size = sizes.get(multihash, self._came.get(multihash))
            for entry in self._looking.pop(multihash, ()):
                if size is not None:
                    self._ready(entry, size)
                else:
                    self._wait(entry)
        self._came.clear()

    def came(self, multihash: bytes, size: int) -> None:
        """Note a block that is new in our store."""
        if self._look_runs:
            self._came[multihash] = size
        for entry in self._waiting.pop(multihash, ()):
            entry.peer.waiting.pop(entry.cid, None)
            entry.peer.denials.pop(entry.cid, None)
            self._ready(entry, size)

    def look_again(self) -> None:
        """Look up everything that waits once more: the store may have it all the same."""
        for multihash, entries in self._waiting.items():
            for entry in entries:
                entry.state = State.LOOKING
                entry.peer.waiting.pop(entry.cid, None)
                self._looking.setdefault(multihash, {})[entry] = None
            self._to_look[multihash] = None
        self._waiting.clear()

    def loaded(self, number: int, blocks: Mapping[bytes, bytes]) -> None:
        """Take the blocks of a reply; those that are not in the store any more are denied."""
        reply = self._replies.get(number)
        if reply is None:
            return
        entries, reply.entries = reply.entries, []
        message = Message(dont_haves=reply.denials, pending_bytes=reply.peer.ready_bytes)
        size = 0
        for entry in entries:
            if entry.state is not State.TAKEN:
                continue
            if not entry.as_block:
                message.haves.append(entry.cid)
            elif (data := blocks.get(entry.multihash)) is not None:
                message.blocks.append(Block(prefix_of(entry.cid), data))
                size += len(data)
            else:
                if entry.dont_have:
                    message.dont_haves.append(entry.cid)
                self._stand(entry)
                continue
            reply.entries.append(entry)
        self._count_sending(reply.peer, size - reply.size)
        reply.size = size
        if message.blocks or message.haves or message.dont_haves:
            self._orders.append(Send(reply.peer.name, number, message))
        else:
            self._finish(number)

    def sent(self, number: int) -> None:
        """Note that a reply is with its peer."""
        reply = self._finish(number)
        for entry in reply.entries if reply else ():
            if entry.state is State.TAKEN:
                self._end(entry)

    def unsent(self, number: int) -> None:
        """Note that a reply was lost with its stream; it is made again."""
        reply = self._finish(number)
        if reply is None:
            return
        for entry in reply.entries:
            if entry.state is State.TAKEN:
                self._ready(entry, entry.size)
        for cid in reply.denials:
            self._deny(reply.peer, cid)
        self._turn(reply.peer)

    def gone(self, name: str) -> None:
        """Forget a peer."""
        peer = self._peers.pop(name, None)
        if peer is None:
            return
        for entry in list(peer.entries.values()):
            self._end(entry)
        self._turns.pop(name, None)
        for number in [number for number, reply in self._replies.items() if reply.peer is peer]:
            self._finish(number)

    # ---- decisions -----------------------------------------------------------------------------------------------
    def evaluate(self, now: float) -> list[Order]:
        """Decide what to do in view of all that is known."""
        if self._to_look and not self._look_runs:
            self._look_runs = True
            self._orders.append(Look(tuple(self._to_look)))
            self._to_look.clear()
        while self._turns:
            if self._sending_bytes >= limits.BITSWAP_SENDING_BYTES_MAX and not self._drop_slowest(now):
                break
            name, _ = self._turns.popitem(last=False)
            self._reply(self._peers[name], now)
        orders, self._orders = self._orders, []
        return orders

    def _reply(self, peer: Wantlist, now: float) -> None:
        """Make the peer's next reply of what is ready."""
        entries, size = peer.take_ready()
        denials = peer.take_denials()
        if not entries and not denials:
            return
        self._number += 1
        self._replies[self._number] = _Reply(peer, now, entries, denials, size)
        self._count_sending(peer, size)
        peer.replies += 1
        self._turn(peer)
        if size or any(entry.as_block for entry in entries):
            wanted = tuple(entry.multihash for entry in entries if entry.as_block)
            self._orders.append(Load(self._number, wanted))
        else:
            self.loaded(self._number, {})

    def _drop_slowest(self, now: float) -> bool:
        reply = next(iter(self._replies.values()))
        if now - reply.began < limits.BITSWAP_SEND_PATIENCE_S:
            return False
        self._orders.append(Drop(reply.peer.name))
        self.gone(reply.peer.name)
        return True

    # ---- moving wants --------------------------------------------------------------------------------------------
    def _take_in(self, peer: Wantlist, want: Want) -> bool:
        """Put a want on the list; False if the list is full."""
        old = peer.entries.get(want.cid)
        if old is not None:
            if old.state is State.TAKEN and (old.have is want.have or not old.have):
                return True  # it is on its way
            if old.state is not State.TAKEN:
                self._end(old)
        elif len(peer.entries) >= limits.BITSWAP_LEDGER_WANTS_MAX:
            if not peer.waiting:
                return False
            self._end(peer.entries[next(iter(peer.waiting))])
        self._number += 1
        entry = peer.entries[want.cid] = Entry(peer, want, self._number)
        self._looking.setdefault(entry.multihash, {})[entry] = None
        self._to_look[entry.multihash] = None
        return True

    def _refuse(self, peer: Wantlist, want: Want, now: float) -> None:
        if want.dont_have:
            self._deny(peer, want.cid)
        if peer.refuse(now):
            self._orders.append(Disconnect(peer.name, "it wants far more than fits on a list"))

    def _ready(self, entry: Entry, size: int) -> None:
        entry.peer.put_ready(entry, size)
        self._turn(entry.peer)

    def _wait(self, entry: Entry) -> None:
        """Deny a want where that is asked for, and let it stand."""
        if entry.dont_have:
            self._deny(entry.peer, entry.cid)
        self._stand(entry)

    def _deny(self, peer: Wantlist, cid: bytes) -> None:
        if peer.deny(cid):
            self._turn(peer)

    def _stand(self, entry: Entry) -> None:
        entry.state = State.WAITING
        entry.peer.waiting[entry.cid] = None
        self._waiting.setdefault(entry.multihash, {})[entry] = None

    def _end(self, entry: Entry) -> None:
        peer = entry.peer
        if entry.state is State.READY and entry.as_block:
            peer.ready_bytes -= entry.size
        elif entry.state is State.WAITING:
            peer.waiting.pop(entry.cid, None)
            peer.denials.pop(entry.cid, None)
            _remove(self._waiting, entry)
        elif entry.state is State.LOOKING:
            _remove(self._looking, entry)
        entry.state = State.GONE
        if peer.entries.get(entry.cid) is entry:
            del peer.entries[entry.cid]

    def _turn(self, peer: Wantlist) -> None:
        """Let a peer have its turn if it has something to get and not enough under way."""
        if peer.may_have_turn:
            self._turns.setdefault(peer.name, None)

    def _count_sending(self, peer: Wantlist, more: int) -> None:
        self._sending_bytes += more
        peer.sending_bytes += more

    def _finish(self, number: int) -> _Reply | None:
        reply = self._replies.pop(number, None)
        if reply is not None:
            self._count_sending(reply.peer, -reply.size)
            reply.peer.replies -= 1
            if self._peers.get(reply.peer.name) is reply.peer:
                self._turn(reply.peer)
        return reply


def _remove(index: dict[bytes, dict[Entry, None]], entry: Entry) -> None:
    others = index[entry.multihash]
    del others[entry]
    if not others:
        del index[entry.multihash]
