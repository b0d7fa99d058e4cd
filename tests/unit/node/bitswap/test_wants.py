"""The client's half as a script: events in, what is told to whom out. Numbers are those of the module's rules."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from pincrew import limits
from pincrew.node.bitswap.message import Want
from pincrew.node.bitswap.orders import Disconnect, SeekProviders, Tell
from pincrew.node.bitswap.wants import Arrival, Wants

KIB = 1024


def cid(number: int) -> bytes:
    return b"\x01\x55\x12\x20" + number.to_bytes(32)


def multihash(number: int) -> bytes:
    return cid(number)[2:]


class Bench:
    """Wants, a clock, and what every peer was told: (what, block)."""

    def __init__(self, *peers: str) -> None:
        self.wants = Wants()
        self.now = 0.0
        self.told: dict[str, list[tuple[str, int]]] = {}
        self.sought: list[int] = []
        self.disconnected: list[str] = []
        for peer in peers:
            self.wants.peer_came(peer, self.now)

    def want(self, session: int, *numbers: int) -> None:
        self.wants.absent(self.wants.wanted(session, map(cid, numbers)))

    def go(self, seconds: float = 0.0) -> dict[str, list[tuple[str, int]]]:
        """Let time pass; return what is told to whom."""
        self.now += seconds
        told: dict[str, list[tuple[str, int]]] = {}
        for command in self.wants.evaluate(self.now):
            if isinstance(command, Tell):
                wants, _ = self.wants.take_outbox(command.peer, self.now)
                told.setdefault(command.peer, []).extend(map(said, wants))
            elif isinstance(command, SeekProviders):
                self.sought.append(int.from_bytes(command.cid[4:]))
            elif isinstance(command, Disconnect):
                self.disconnected.append(command.peer)
        return {peer: each for peer, each in told.items() if each}

    def has(self, peer: str, *numbers: int) -> None:
        self.wants.has(peer, [cid(number) for number in numbers], self.now)

    def lacks(self, peer: str, *numbers: int) -> None:
        self.wants.lacks(peer, [cid(number) for number in numbers], self.now)

    def block(self, peer: str, number: int, size: int = KIB) -> Arrival:
        arrival = self.wants.arrived(peer, multihash(number), size, self.now)
        if arrival is Arrival.WANTED:
            self.wants.stored(multihash(number), size)
        return arrival


def said(want: Want) -> tuple[str, int]:
    return ("cancel" if want.cancel else "have" if want.have else "block", int.from_bytes(want.cid[4:]))


def served(*peers: str) -> Bench:
    """A bench whose session 1 knows that all the peers have its blocks."""
    bench = Bench(*peers)
    bench.wants.opened(1)
    bench.want(1, 0)
    bench.go()
    for peer in peers:
        bench.has(peer, 0)
    bench.go()
    bench.block(peers[0], 0)
    bench.go()
    return bench


def test_the_first_want_asks_around_and_goes_to_one_who_has_it() -> None:  # rule 1
    bench = Bench("a", "b", "c")
    bench.wants.opened(1)
    bench.want(1, 7)
    assert bench.go() == {peer: [("have", 7)] for peer in "abc"}
    bench.has("b", 7)
    assert bench.go() == {"b": [("block", 7)]}
    bench.has("c", 7)
    assert bench.go() == {}
    assert bench.block("b", 7) is Arrival.WANTED
    # Who was asked and has not answered is told that it is over; who said HAVE has forgotten it already.
    assert bench.go() == {"a": [("cancel", 7)]}
    # Its answer was on its way: it has to do with this DAG, too.
    bench.has("a", 7)
    bench.want(1, *range(8, 14))
    assert {peer: len(each) for peer, each in bench.go().items()} == {"a": 2, "b": 2, "c": 2}


def test_a_block_that_comes_to_a_peer_later_is_found_out_without_a_search() -> None:  # rule 5
    bench = Bench("a")
    bench.wants.opened(1)
    bench.want(1, 1)
    bench.go()
    bench.lacks("a", 1)
    assert bench.go() == {}
    bench.has("a", 1)
    assert bench.go() == {"a": [("block", 1)]}


def test_later_wants_go_to_the_sessions_peers_each_to_one() -> None:  # rule 1
    bench = served("a", "b")
    bench.want(1, *range(1, 17))
    told = bench.go()
    assert Counter(kind for each in told.values() for kind, _ in each) == {"block": 16}
    assert sorted(number for each in told.values() for _, number in each) == list(range(1, 17))
    assert {len(each) for each in told.values()} == {8}


def test_what_is_asked_of_a_peer_is_bounded() -> None:  # rule 3
    bench = served("a")
    bench.want(1, *range(1, 301))
    assert len(bench.go()["a"]) == limits.BITSWAP_WINDOW_WANTS_START
    assert bench.go() == {}
    for number in range(1, 17):
        bench.block("a", number)
    assert len(bench.go()["a"]) == 16


def test_small_blocks_in_quick_answer_widen_the_window() -> None:  # rule 3
    bench = served("a")
    bench.want(1, *range(1, 3_000))
    outstanding = [number for _, number in bench.go()["a"]]
    for _ in range(10):
        bench.now += 0.1
        for number in outstanding:
            bench.block("a", number, 256)
        outstanding = [number for _, number in bench.go().get("a", [])]
    assert bench.wants.in_flight("a") == limits.BITSWAP_WINDOW_WANTS_MAX


def test_a_session_that_takes_nothing_gets_nothing_asked() -> None:  # rule 4
    bench = served("a")
    bench.want(1, 1)
    bench.go()
    bench.block("a", 1, limits.BITSWAP_UNTAKEN_BYTES_MAX + 1)
    bench.want(1, 2)
    assert bench.go() == {}
    assert not bench.wants.may_go_on(1)
    bench.wants.taken(1, limits.BITSWAP_UNTAKEN_BYTES_MAX)
    assert bench.wants.may_go_on(1)
    assert bench.go() == {"a": [("block", 2)]}


def test_who_does_not_have_it_is_passed_over() -> None:  # rule 5
    bench = served("a", "b")
    bench.want(1, 1)
    (first, _), *_ = bench.go().items()
    other = "b" if first == "a" else "a"
    bench.lacks(first, 1)
    assert bench.go() == {other: [("block", 1)]}
    bench.lacks(other, 1)
    assert bench.go() == {}
    assert bench.go(limits.BITSWAP_SEARCH_DELAY_S_MIN) != {}  # the search asks everybody anew
    assert bench.sought == [1]


def test_a_search_is_repeated_ever_less_often() -> None:  # rule 10
    bench = Bench()
    bench.wants.opened(1)
    bench.want(1, 1)
    bench.go()
    assert bench.sought == []
    times = []
    while len(times) < 5:
        bench.now = bench.wants.deadline()
        bench.go()
        times.append(bench.now)
    assert bench.sought == [1] * 5
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps == [1.0, 2.0, 4.0, 8.0]


def test_who_comes_during_a_search_is_asked_at_once() -> None:  # rule 10
    bench = Bench()
    bench.wants.opened(1)
    bench.want(1, 1)
    bench.go()
    bench.wants.peer_came("a", bench.now)
    assert bench.go() == {"a": [("have", 1)]}
    bench.has("a", 1)
    assert bench.go() == {"a": [("block", 1)]}


def test_an_old_peer_that_knows_no_have_is_asked_for_the_block() -> None:
    bench = Bench()
    bench.wants.peer_came("old", 0.0, knows_have=False)
    bench.wants.opened(1)
    bench.want(1, 1)
    (command,) = bench.wants.evaluate(0.0)
    assert command == Tell("old")
    ((want,), full) = bench.wants.take_outbox("old", 0.0)
    assert (want.have, want.dont_have, full) == (False, False, True)


def test_hinted_peers_are_asked_directly() -> None:
    bench = Bench("a", "b")
    bench.wants.opened(1, ["b"])
    bench.want(1, 1)
    assert bench.go() == {"b": [("block", 1)]}


def test_a_block_from_the_store_ends_the_want_everywhere() -> None:  # rule 6
    bench = served("a")
    bench.want(1, 1)
    bench.go()
    assert bench.wants.have_now(multihash(1))
    assert bench.wants.stored(multihash(1), KIB) == [(1, cid(1))]
    assert bench.go() == {"a": [("cancel", 1)]}
    assert bench.block("a", 1) is Arrival.LATE
    assert not bench.wants.have_now(multihash(1))


def test_a_session_that_ends_takes_its_wants_back() -> None:  # rule 6
    bench = served("a")
    bench.wants.opened(2, ["a"])
    bench.want(1, 1, 2)
    bench.want(2, 2)
    bench.go()
    bench.wants.closed(1)
    assert bench.go() == {"a": [("cancel", 1)]}
    assert bench.wants.wantlist() == [cid(2)]
    assert bench.block("a", 2) is Arrival.WANTED


def test_one_ask_serves_two_sessions_and_both_versions_of_the_cid() -> None:
    bench = served("a")
    bench.wants.opened(2)
    bench.want(1, 1)
    assert bench.wants.wanted(2, [multihash(1), cid(1)]) == []
    assert bench.go() == {"a": [("block", 1)]}
    assert bench.wants.arrived("a", multihash(1), KIB, 0.0) is Arrival.WANTED
    assert bench.wants.stored(multihash(1), KIB) == [(1, cid(1)), (2, multihash(1)), (2, cid(1))]


def test_one_cid_of_two_may_be_taken_back() -> None:
    bench = served("a")
    bench.want(1, 1)
    bench.wants.wanted(1, [multihash(1)])
    bench.go()
    bench.wants.unwanted(1, [cid(1)])
    assert bench.go() == {}
    bench.wants.unwanted(1, [multihash(1)])
    assert bench.go() == {"a": [("cancel", 1)]}


def test_blocks_that_were_not_asked_for_count_against_their_sender() -> None:  # rule 7
    bench = served("a")
    size = limits.BITSWAP_UNSOLICITED_BYTES_MAX // 2
    assert bench.block("a", 50, size) is Arrival.UNSOLICITED
    bench.block("a", 51, size)
    bench.go()
    assert bench.disconnected == []
    bench.block("a", 52, size)
    bench.go()
    assert bench.disconnected == ["a"]


def test_what_a_lost_peer_owed_is_asked_of_others_at_once() -> None:  # rule 8
    bench = served("a", "b")
    bench.want(1, *range(1, 11))
    owed = bench.go()["a"]
    bench.wants.peer_went("a")
    assert sorted(bench.go()["b"]) == sorted(owed)


def test_silence_moves_wants_to_another_peer() -> None:  # rule 9
    bench = served("a", "b")
    bench.want(1, 1, 2)
    told = bench.go()
    (number,) = [number for _, number in told["a"]]
    (kept,) = [number for _, number in told["b"]]
    bench.now += 1.0
    bench.block("b", kept)
    assert bench.go(limits.BITSWAP_TIMEOUT_S_MIN) == {"a": [("cancel", number)], "b": [("block", number)]}
    # It is silent: it gets nothing more until it says something.
    bench.want(1, 3)
    assert bench.go() == {"b": [("block", 3)]}
    assert bench.block("a", number) is Arrival.WANTED  # late, and still welcome
    bench.want(1, 4, 5)
    assert "a" in bench.go()


def test_chatter_about_other_blocks_is_silence() -> None:  # rule 9
    bench = served("a", "b")
    bench.want(1, 1, 2)
    (number,) = [number for _, number in bench.go()["a"]]
    bench.block("b", 3 - number)
    for _ in range(int(limits.BITSWAP_TIMEOUT_S_MIN) + 1):
        bench.now += 1.0
        bench.lacks("a", 99)
        bench.has("a", 98)
        bench.block("a", 97, 1)
        told = bench.go()
        if told:
            break
    assert told == {"a": [("cancel", number)], "b": [("block", number)]}


def test_who_has_had_a_want_for_too_long_loses_it_to_another() -> None:  # rule 9
    bench = served("a", "b")
    bench.want(1, *range(1, 17))
    told = bench.go()
    dripping = [number for _, number in told["a"]]
    for _, number in told["b"]:
        bench.block("b", number)
    moved: list[tuple[str, int]] = []
    for number in dripping:
        bench.now += 4.0 if number == dripping[0] else 12.0
        bench.block("a", number)
        moved += bench.go().get("b", [])
        if moved:
            break
    assert moved and bench.now <= limits.BITSWAP_TIMEOUT_S_MAX + 10
    assert len(moved) == len(dripping) - dripping.index(number) - 1


def test_a_slow_but_steady_peer_keeps_its_wants() -> None:  # rule 9
    bench = served("a", "b")
    bench.wants.peer_went("b")
    bench.want(1, *range(1, 17))
    bench.go()
    for number in range(1, 16):
        bench.now += 3.0
        bench.block("a", number)
        assert bench.go() == {}


def test_a_want_that_was_passed_over_is_asked_elsewhere() -> None:  # rule 9
    bench = served("a")
    bench.want(1, 1)
    assert bench.go() == {"a": [("block", 1)]}
    bench.wants.peer_came("b", bench.now)
    bench.go()
    bench.has("b", 1)
    number = 1
    while bench.now < 2 * limits.BITSWAP_TIMEOUT_S_MIN:
        bench.want(1, number := number + 1)
        told = bench.go(1.0)
        if ("block", 1) in told.get("b", []):
            assert ("cancel", 1) in told["a"]
            assert bench.now > limits.BITSWAP_TIMEOUT_S_MIN
            return
        for peer, each in told.items():
            for _, answered in each:
                bench.block(peer, answered)
    pytest.fail("the want that was passed over stayed where it was")


def test_after_a_broken_stream_everything_is_said_again() -> None:
    bench = served("a")
    bench.want(1, 1, 2)
    bench.go()
    bench.wants.must_repeat("a", bench.now)
    assert bench.wants.evaluate(bench.now) == [Tell("a")]
    wants, full = bench.wants.take_outbox("a", bench.now)
    assert sorted(map(said, wants)) == [("block", 1), ("block", 2)]
    assert full


def test_a_long_list_is_told_in_several_messages() -> None:
    bench = Bench()
    bench.wants.opened(1)
    count = limits.BITSWAP_WANTS_PER_MESSAGE_MAX + 10
    bench.want(1, *range(count))
    bench.wants.peer_came("a", 0.0)
    sizes = []
    while commands := [each for each in bench.wants.evaluate(0.0) if isinstance(each, Tell)]:
        sizes.append(len(bench.wants.take_outbox(commands[0].peer, 0.0)[0]))
    assert sizes == [limits.BITSWAP_WANTS_PER_MESSAGE_MAX, 10]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_peers_do_every_block_that_somebody_has_arrives(seed: int) -> None:
    """Peers come, go, fall silent, deny and answer in any order; rules 1 to 4 hold at every step."""
    random = Random(seed)
    names = [f"p{number}" for number in range(5)]
    count = 150
    holders = {name: {number for number in range(count) if random.random() < 0.6} for name in names}
    holders[names[0]] = set(range(count))  # one has all of it and never goes for good
    bench = Bench(names[0])
    up = {names[0]}
    bench.wants.opened(1)
    bench.wants.opened(2)
    bench.want(1, *range(count))
    bench.want(2, *range(0, count, 3))
    owed: dict[str, dict[int, str]] = {name: {} for name in names}
    got: set[int] = set()
    for _ in range(6_000):
        for peer, told in bench.go(random.choice([0.0, 0.01, 0.3])).items():
            for kind, number in told:
                if kind == "cancel":
                    owed[peer].pop(number, None)
                else:
                    owed[peer][number] = kind
        asked = Counter(number for name in up for number, kind in owed[name].items() if kind == "block")
        assert all(bench.wants.in_flight(name) <= limits.BITSWAP_WINDOW_WANTS_MAX for name in up), f"seed {seed}"
        assert not [each for each, times in asked.items() if times > 1 and each not in got], f"seed {seed}: rule 1"
        name = random.choice(names)
        if name not in up:
            if random.random() < 0.3:
                up.add(name)
                bench.wants.peer_came(name, bench.now)
        elif random.random() < 0.01:
            up.discard(name)
            owed[name].clear()
            bench.wants.peer_went(name)
        for name in up:
            if random.random() < 0.2:
                continue  # it does something else
            for number, kind in random.sample(sorted(owed[name].items()), min(len(owed[name]), 4)):
                del owed[name][number]
                if number not in holders[name]:
                    bench.lacks(name, number)
                elif kind == "have":
                    bench.has(name, number)
                elif random.random() < 0.95:
                    if bench.block(name, number, random.choice([100, 256 * KIB])) is Arrival.WANTED:
                        got.add(number)
                    bench.wants.taken(1, 256 * KIB)
                    bench.wants.taken(2, 256 * KIB)
        if len(got) == count:
            break
    assert len(got) == count, f"seed {seed}: {bench.wants.wantlist()}"
    assert bench.wants.wantlist() == []
