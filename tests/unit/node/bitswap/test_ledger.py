"""The server's half as a script: wants in, what is looked up, loaded and sent out. Numbers are those of its rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest

from pincrew import limits
from pincrew.node.bitswap.ledger import Ledger
from pincrew.node.bitswap.message import Message, Want
from pincrew.node.bitswap.orders import Disconnect, Drop, Load, Look, Order, Send

KIB = 1024


def cid(number: int) -> bytes:
    return b"\x01\x55\x12\x20" + number.to_bytes(32)


def block(number: int, **more: int) -> Want:
    return Want(cid(number), more.get("priority", 1), dont_have=bool(more.get("dont_have", 0)))


def have(number: int) -> Want:
    return Want(cid(number), have=True, dont_have=True)


@dataclass
class Sent:
    """A message in small: numbers of blocks."""

    peer: str
    reply: int
    blocks: list[bytes] = field(default_factory=list)
    haves: list[int] = field(default_factory=list)
    dont_haves: list[int] = field(default_factory=list)


class Bench:
    """A ledger with a store of sizes; loads and looks are answered at once, what is sent is collected."""

    def __init__(self, sizes: dict[int, int]) -> None:
        self.ledger = Ledger()
        self.sizes = sizes
        self.now = 0.0
        self.dropped: list[str] = []
        self.disconnected: list[str] = []

    def want(self, peer: str, *wants: Want, full: bool = False) -> None:
        self.ledger.received(peer, wants, full, self.now)

    def go(self, *, lost: bool = False) -> list[Sent]:
        """Carry out everything; return what was sent, which is not acknowledged."""
        sent: list[Sent] = []
        while orders := self.ledger.evaluate(self.now):
            for order in orders:
                self._carry_out(order, sent)
        return sent

    def _carry_out(self, order: Order, sent: list[Sent]) -> None:
        match order:
            case Look(multihashes):
                numbers = {each: int.from_bytes(each[2:]) for each in multihashes}
                self.ledger.looked(multihashes, {each: self.sizes[n] for each, n in numbers.items() if n in self.sizes})
            case Load(reply, multihashes):
                data = {each: bytes(self.sizes.get(int.from_bytes(each[2:]), 0)) for each in multihashes}
                self.ledger.loaded(reply, {each: body for each, body in data.items() if body})
            case Send(peer, reply, message):
                sent.append(small(peer, reply, message))
            case Drop(peer):
                self.dropped.append(peer)
            case Disconnect(peer, _):
                self.disconnected.append(peer)

    def come(self, number: int, size: int) -> None:
        self.sizes[number] = size
        self.ledger.came(cid(number)[2:], size)


def small(peer: str, reply: int, message: Message) -> Sent:
    return Sent(
        peer,
        reply,
        [each.data for each in message.blocks],
        [int.from_bytes(each[4:]) for each in message.haves],
        [int.from_bytes(each[4:]) for each in message.dont_haves],
    )


def test_a_block_is_sent_and_forgotten_once_it_is_sent() -> None:
    bench = Bench({1: 5})
    bench.want("a", block(1))
    (sent,) = bench.go()
    assert sent.blocks == [bytes(5)]
    assert bench.ledger.wantlist_of("a") == [cid(1)]
    bench.ledger.sent(sent.reply)
    assert bench.ledger.wantlist_of("a") == []
    assert bench.ledger.sending_bytes == 0


def test_have_and_dont_have_travel_together() -> None:  # rule 4
    bench = Bench({1: 2 * KIB, 2: 1 * KIB})
    bench.want("a", have(1), have(2), have(3), block(4))
    messages = bench.go()
    assert sorted(number for sent in messages for number in sent.haves) == [1]
    assert [data for sent in messages for data in sent.blocks] == [bytes(KIB)]
    assert [number for sent in messages for number in sent.dont_haves] == [3]  # nobody asked to hear about 4


def test_what_comes_later_is_sent_to_those_who_still_wait() -> None:  # rule 5
    bench = Bench({})
    bench.want("old", block(1))
    bench.want("new", block(1, dont_have=1), have(2))
    bench.want("gone", block(1), Want(cid(1), cancel=True))
    assert [(sent.peer, sent.dont_haves) for sent in bench.go()] == [("new", [1, 2])]
    bench.come(1, 10)
    bench.come(2, 10_000)
    told = {(sent.peer, len(sent.blocks), tuple(sent.haves)) for sent in bench.go()}
    assert told == {("old", 1, ()), ("new", 1, (2,))}


def test_a_block_that_comes_during_the_look_is_not_overlooked() -> None:  # rule 7
    bench = Bench({})
    bench.want("a", block(1))
    (look,) = bench.ledger.evaluate(0.0)
    assert isinstance(look, Look)
    bench.come(1, 5)
    bench.ledger.looked(look.multihashes, {})  # the store was asked before
    (sent,) = bench.go()
    assert sent.blocks == [bytes(5)]


def test_what_waits_is_looked_up_once_more() -> None:
    bench = Bench({})
    bench.want("ann", block(1, dont_have=1), block(2))
    bench.want("bob", block(1))
    assert [sent.dont_haves for sent in bench.go()] == [[1]]
    bench.sizes = {1: 10}
    bench.ledger.look_again()
    bench.want("bob", Want(cid(1), cancel=True))
    assert [(sent.peer, sent.blocks) for sent in bench.go()] == [("ann", [bytes(10)])]
    bench.come(2, 5)
    assert [len(sent.blocks) for sent in bench.go()] == [1], "what was not there still waits"


def test_a_block_that_is_gone_when_it_is_loaded_is_denied() -> None:
    bench = Bench({1: 5})
    bench.want("a", block(1, dont_have=1))
    bench.ledger.looked(*[(cid(1)[2:],), {cid(1)[2:]: 5}])
    bench.sizes.clear()
    (sent,) = bench.go()
    assert (sent.blocks, sent.dont_haves) == ([], [1])


def test_higher_priorities_go_first_then_what_was_asked_first() -> None:  # rule 1
    size = limits.BITSWAP_REPLY_BYTES
    bench = Bench({number: size + number for number in range(1, 5)})
    bench.want("a", block(1, priority=1), block(2, priority=9), block(3, priority=9), block(4, priority=5))
    order = []
    while sent := bench.go():
        for each in sent:
            order += [len(data) - size for data in each.blocks]
            bench.ledger.sent(each.reply)
    assert order == [2, 3, 4, 1]


def test_peers_take_turns_and_a_slow_one_blocks_itself_alone() -> None:  # rules 1 and 2
    bench = Bench(dict.fromkeys(range(20), limits.BITSWAP_REPLY_BYTES))
    for peer in "ab":
        bench.want(peer, *map(block, range(20)))
    sent = bench.go()
    assert [each.peer for each in sent] == ["a", "b"] * limits.BITSWAP_REPLIES_PER_PEER_MAX
    served = []
    while answers := [each for each in sent if each.peer == "b"]:
        served += answers
        for each in answers:
            bench.ledger.sent(each.reply)
        sent = bench.go()
    assert len(served) == 20


def test_of_large_blocks_a_peer_has_one_under_way() -> None:  # rule 2
    bench = Bench(dict.fromkeys(range(4), 2 * 1024 * KIB))
    bench.want("a", *map(block, range(4)))
    (first,) = bench.go()
    assert bench.go() == []
    bench.ledger.sent(first.reply)
    assert len(bench.go()) == 1


def test_small_blocks_travel_together_within_the_size_of_a_reply() -> None:
    bench = Bench(dict.fromkeys(range(300), 2 * KIB))
    bench.want("a", *map(block, range(300)))
    sizes = [len(sent.blocks) for sent in bench.go()]
    assert sizes == [128, 128, 44]


def test_slow_readers_cannot_hold_all_memory() -> None:  # rule 3
    size = 2 * 1024 * KIB
    bench = Bench({1: size})
    crowd = limits.BITSWAP_SENDING_BYTES_MAX // size
    for number in range(crowd):
        bench.want(f"slow{number}", block(1))
    assert len(bench.go()) == crowd
    bench.want("later", block(1))
    assert bench.go() == []
    assert bench.ledger.held_up
    bench.now += limits.BITSWAP_SEND_PATIENCE_S
    assert [sent.peer for sent in bench.go()] == ["later"]
    assert bench.dropped == ["slow0"]
    assert bench.ledger.wantlist_of("slow0") == []


def test_a_reply_that_was_lost_is_made_again() -> None:
    bench = Bench({1: 5})
    bench.want("a", block(1), block(2, dont_have=1))
    for sent in bench.go():
        bench.ledger.unsent(sent.reply)
    again = bench.go()
    assert [data for sent in again for data in sent.blocks] == [bytes(5)]
    assert [number for sent in again for number in sent.dont_haves] == [2]


def test_a_cancel_ends_a_want_anywhere() -> None:
    bench = Bench({1: 5})
    bench.want("a", block(1), Want(cid(1), cancel=True))
    assert bench.go() == []
    bench.want("a", block(2))
    bench.go()
    bench.want("a", Want(cid(2), cancel=True))
    bench.come(2, 5)
    assert bench.go() == []
    bench.want("a", block(1))
    (sent,) = bench.go()
    bench.want("a", Want(cid(1), cancel=True))
    bench.ledger.unsent(sent.reply)
    assert bench.go() == []


def test_a_full_wantlist_replaces_the_old_one() -> None:
    bench = Bench({})
    bench.want("a", block(1), block(2))
    bench.go()
    bench.want("a", block(3), full=True)
    assert bench.ledger.wantlist_of("a") == [cid(3)]


def test_a_want_for_the_block_follows_one_for_its_presence() -> None:
    bench = Bench({1: 5_000})
    bench.want("a", have(1))
    (sent,) = bench.go()
    assert sent.haves == [1]
    bench.want("a", block(1))
    (second,) = bench.go()
    bench.ledger.sent(sent.reply)
    assert len(second.blocks) == 1
    bench.ledger.sent(second.reply)
    assert bench.ledger.wantlist_of("a") == []


def test_what_is_on_its_way_is_not_sent_twice() -> None:
    bench = Bench({1: 5_000})
    bench.want("a", block(1))
    assert len(bench.go()) == 1
    bench.want("a", block(1))
    assert bench.go() == []


def test_a_full_list_loses_what_nobody_has() -> None:  # rule 5
    bench = Bench({5_000: 10})
    bench.want("a", *map(block, range(limits.BITSWAP_LEDGER_WANTS_MAX)))
    bench.go()
    bench.want("a", block(5_000))
    assert len(bench.ledger.wantlist_of("a")) == limits.BITSWAP_LEDGER_WANTS_MAX
    (sent,) = bench.go()
    assert sent.blocks == [bytes(10)]
    assert cid(0) not in bench.ledger.wantlist_of("a")


def test_a_flood_of_wants_is_denied_and_then_cut_off() -> None:  # rule 6
    bench = Bench(dict.fromkeys(range(limits.BITSWAP_LEDGER_WANTS_MAX), 10))
    for _ in range(limits.BITSWAP_REFUSED_WANTS_MAX // 50_000 + 2):
        bench.want("a", *(block(number, dont_have=1) for number in range(50_000)))
    bench.go()
    assert set(bench.disconnected) == {"a"}
    assert len(bench.ledger.wantlist_of("a")) <= limits.BITSWAP_LEDGER_WANTS_MAX


def test_who_reads_nothing_piles_up_no_denials() -> None:  # rules 5 and 6
    bench = Bench({})
    for start in range(0, 20 * limits.BITSWAP_LEDGER_WANTS_MAX, limits.BITSWAP_LEDGER_WANTS_MAX):
        bench.want("a", *(block(start + number, dont_have=1) for number in range(limits.BITSWAP_LEDGER_WANTS_MAX)))
        bench.go()
    peer = bench.ledger._peers["a"]
    assert set(peer.denials) == set(peer.entries) and len(peer.entries) == limits.BITSWAP_LEDGER_WANTS_MAX


def test_denials_of_what_does_not_fit_are_bounded() -> None:  # rule 6
    bench = Bench(dict.fromkeys(range(limits.BITSWAP_LEDGER_WANTS_MAX), limits.BITSWAP_REPLY_BYTES))
    bench.want("a", *map(block, range(limits.BITSWAP_LEDGER_WANTS_MAX)))
    under_way = bench.go()
    flood = range(limits.BITSWAP_LEDGER_WANTS_MAX, 3 * limits.BITSWAP_DENIALS_MAX)
    bench.want("a", *(block(number, dont_have=1) for number in flood))
    assert len(bench.ledger._peers["a"].denials) == limits.BITSWAP_DENIALS_MAX
    for sent in under_way:
        bench.ledger.sent(sent.reply)
    assert [number for sent in bench.go() for number in sent.dont_haves][:3] == [*flood[:3]]


def test_taking_wants_back_and_repeating_them_piles_nothing_up() -> None:
    bench = Bench(dict.fromkeys(range(500), limits.BITSWAP_REPLY_BYTES))
    for _ in range(20):
        bench.want("a", *map(block, range(500)))
        bench.go()
        bench.want("a", *(Want(cid(number), cancel=True) for number in range(500)))
    peer = bench.ledger._peers["a"]
    assert len(peer.ready) <= 2 * limits.BITSWAP_LEDGER_WANTS_MAX + 1
    assert peer.ready_bytes == 0


def test_identity_cids_are_ignored() -> None:
    bench = Bench({})
    bench.want("a", Want(b"\x01\x55\x00\x02hi", dont_have=True))
    assert bench.ledger.wantlist_of("a") == []
    assert bench.go() == []


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_books_are_right(seed: int) -> None:
    """Wants, cancels, arrivals, losses and departures in any order; then everybody gets what there is."""
    random = Random(seed)
    bench = Bench({number: random.choice([10, 3_000, 300_000]) for number in range(0, 60, 2)})
    under_way: list[Sent] = []
    got: dict[str, set[int]] = {name: set() for name in "abc"}
    for _ in range(400):
        peer = random.choice("abc")
        number = random.randrange(60)
        match random.randrange(7):
            case 0 | 1:
                bench.want(peer, *(random.choice([block, have])(random.randrange(60)) for _ in range(5)))
            case 2:
                bench.want(peer, Want(cid(number), cancel=True))
            case 3:
                bench.come(number, bench.sizes.get(number, 500))
            case 4:
                under_way += bench.go()
            case 5 if under_way:
                sent = under_way.pop(random.randrange(len(under_way)))
                random.choice([bench.ledger.sent, bench.ledger.sent, bench.ledger.unsent])(sent.reply)
            case 6 if random.random() < 0.05:
                bench.ledger.gone(peer)
    for sent in under_way:
        bench.ledger.sent(sent.reply)
    for number in range(60):
        bench.sizes[number] = 2_000 + number
    for peer in "abc":
        bench.want(peer, *map(block, range(60)), full=True)
    while messages := bench.go():
        for sent in messages:
            got[sent.peer] |= {len(data) - 2_000 for data in sent.blocks}
            bench.ledger.sent(sent.reply)
    assert all(each == set(range(60)) for each in got.values()), f"seed {seed}"
    assert bench.ledger.sending_bytes == 0
    assert [bench.ledger.wantlist_of(peer) for peer in "abc"] == [[], [], []]
    assert not bench.ledger._waiting and not bench.ledger._looking and not bench.ledger._replies
