"""What all peers together may owe (rule 11 of `wants`): by bytes, and with room kept for those who are quick."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.node.bitswap.asking import Asking
from pincrew.node.bitswap.partner import Partner, Wanted
from pincrew.node.bitswap.want_book import Session, WantBook

MIB = 1024 * 1024
LARGEST = limits.BLOCK_BYTES_MAX
QUICK, SLOW = 50.0 * MIB, 10_000.0


class Bench:
    """A book with one session, whose peers have all of its blocks, and send ``block_bytes`` at a rate of their own."""

    def __init__(self, block_bytes: int, **rates: float) -> None:
        self.book = WantBook()
        self.asking = Asking(self.book)
        self.session = self.book.sessions[1] = Session(1, ())
        for name, rate in rates.items():
            self.meet(name, rate, block_bytes)

    def meet(self, name: str, rate: float, block_bytes: int) -> None:
        peer = self.book.peers[name] = Partner(name, True, 0.0)
        peer.rate, peer.block_bytes = rate, float(block_bytes)
        self.session.peers[name] = 0

    def want(self, count: int) -> None:
        for number in range(count):
            multihash = b"\x12\x20" + number.to_bytes(32)
            want = self.book.wants[multihash] = Wanted(multihash, b"\x01\x55" + multihash, 1)
            want.sessions[1] = [want.cid]
            self.book.enqueue(want)

    def owed(self, now: float = 0.0) -> dict[str, int]:
        """Decide; return how many blocks each peer owes then."""
        self.asking.evaluate(now)
        return {name: len(peer.in_flight) for name, peer in self.book.peers.items()}


def crowd(rate: float) -> dict[str, float]:
    return {f"p{number}": rate for number in range(30)}


def test_however_many_peers_there_are_what_they_owe_is_bounded_in_bytes() -> None:
    bench = Bench(LARGEST, **crowd(QUICK))
    bench.want(1_000)
    assert sum(bench.owed().values()) == limits.BITSWAP_IN_FLIGHT_BYTES_MAX // LARGEST
    assert sum(bench.owed().values()) == limits.BITSWAP_IN_FLIGHT_BYTES_MAX // LARGEST


def test_small_blocks_are_bounded_by_windows_alone() -> None:
    bench = Bench(256, **crowd(QUICK))
    bench.want(1_000)
    assert sum(bench.owed().values()) == 1_000


@pytest.mark.parametrize("rate", [SLOW, 0.0])
def test_who_is_slow_or_not_measured_leaves_half_to_the_quick(rate: float) -> None:
    bench = Bench(LARGEST, **crowd(rate))
    bench.want(1_000)
    assert sum(bench.owed().values()) * LARGEST == limits.BITSWAP_IN_FLIGHT_BYTES_MAX // 2
    bench.meet("quick", QUICK, LARGEST)
    assert bench.owed()["quick"] > 0
    assert sum(bench.owed().values()) * LARGEST <= limits.BITSWAP_IN_FLIGHT_BYTES_MAX


def test_of_whom_nothing_is_known_a_full_window_is_asked() -> None:
    bench = Bench(0, a=0.0)
    bench.want(1_000)
    assert bench.owed() == {"a": limits.BITSWAP_WINDOW_WANTS_START}


def test_what_was_answered_makes_room_for_the_next() -> None:
    bench = Bench(LARGEST, **crowd(QUICK))
    bench.want(1_000)
    before = bench.owed()
    busy = next(bench.book.peers[name] for name, count in before.items() if count)
    busy.answered(next(iter(busy.in_flight)), 1.0)
    assert sum(bench.owed(1.0).values()) == sum(before.values())


def test_a_search_is_asked_for_and_its_time_is_a_deadline() -> None:
    bench = Bench(0)
    bench.want(1)
    bench.owed()
    assert bench.asking.deadline() == limits.BITSWAP_SEARCH_DELAY_S_MIN
    assert [type(order).__name__ for order in bench.asking.evaluate(bench.asking.deadline())] == ["SeekProviders"]
