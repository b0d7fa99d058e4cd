"""What a curator finds to do about its list: met by changes and by searches, bounded, and nothing twice."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pincrew.trusted import caretaker as caretaking
from pincrew.trusted.author import Author, WriteRequest
from pincrew.trusted.caretaker import AllocationRules, Caretaker, Expiring, Facts, Plan

from pincrew import limits
from pincrew.crew_metrics import Crewmate
from pincrew.keys import peer_id
from pincrew.record import decode_record, encode_record
from pincrew.replica import Replica
from pincrew.steps import finish
from pincrew.store.database import Database
from pincrew.store.watched_rows import WatchedRows
from pincrew.values import Pin, PinType
from sim.swarm import cid_of, key_of

ME = key_of("me")
KEYS = {name: key_of(name) for name in ("me", "b", "c", "d")}
IDS = {name: peer_id(key.public) for name, key in KEYS.items()}
RULES = AllocationRules(("freespace",))
NOW_MS = 1_800_000_000_000


class Care:
    """A list, its caretaker, and a clock."""

    def __init__(self, rules: AllocationRules = RULES) -> None:
        disk = Database(None)
        replica = Replica(disk, cluster=b"c" * 32, curators={ME.public}, trust=0, shard_bits=4, now_ms=lambda: 5)
        self.author = Author(replica, ME, now_ms=lambda: 5, nonce=lambda: b"n" * 16)
        self.rows = WatchedRows(disk, 4)
        self.caretaker = Caretaker(self.rows, ME.public, rules)
        self.now = 1_000.0
        self.heard = {KEYS[name].public: self.now for name in KEYS}
        self.alone = False  # of those that take turns

    def write(self, *pins: Pin) -> None:
        finish(self.author.write([WriteRequest(pin.cid, encode_record(pin)) for pin in pins]))

    def facts(self) -> Facts:
        crew = [
            Crewmate(key.public, IDS[name], {}, 10**9, 0, name == "me" or not self.alone)
            for name, key in KEYS.items()
            if name == "me" or self.now < self.heard[key.public] + limits.ANNOUNCEMENT_TTL_S
        ]
        clock_ms = NOW_MS + int(self.now * 1_000)
        return Facts(self.now, clock_ms, crew, {key.public for key in KEYS.values()}, self.heard, True)

    def pass_time(self, seconds: float, *silent: str) -> None:
        for second in range(0, int(seconds), 30):
            for name in set(KEYS) - set(silent):
                self.heard[KEYS[name].public] = self.now + second
        self.now += seconds
        for name in set(KEYS) - set(silent):
            self.heard[KEYS[name].public] = self.now

    def look(self) -> tuple[list[WriteRequest], Plan]:
        self.caretaker.begin(self.facts())
        while self.caretaker.read():
            pass
        return self.caretaker.expired(), self.caretaker.search()

    def carry_out(self, plan: Plan, state: str = "pinned") -> int:
        answers = {cid: dict.fromkeys(peers, state) for cid, peers in plan.asks.items()}
        requests = self.caretaker.settle(plan, answers)
        finish(self.author.write(requests))
        return len(requests)

    def allocations(self, number: int) -> tuple[str, ...]:
        (row,) = self.rows.of([cid_of(number)])
        return decode_record(row.cid, row.record).allocations


def named(number: int, *names: str, least: int = 2, most: int = 2) -> Pin:
    return Pin(
        cid_of(number), replication_min=least, replication_max=most, allocations=tuple(IDS[name] for name in names)
    )


def test_while_all_are_there_nothing_is_done_or_searched_for(monkeypatch: pytest.MonkeyPatch) -> None:
    care = Care()
    care.write(*(named(n, "me", "b") for n in range(20)), Pin(cid_of(99)))
    care.look()
    monkeypatch.setattr(care.rows, "naming", lambda names, *_: [] if not names else pytest.fail("it searches"))
    care.pass_time(3_600)
    assert care.look() == ([], Plan())


def test_the_pins_of_who_is_gone_are_replaced_and_it_is_struck_off_later() -> None:
    care = Care()
    care.alone = True
    care.write(*(named(n, "b", "c") for n in range(10)), *(named(n, "me", "c") for n in range(10, 20)))
    care.look()
    care.pass_time(limits.REPIN_AFTER_S - 1, "b")
    assert care.look() == ([], Plan())
    care.pass_time(1, "b")
    _, plan = care.look()
    assert {request.cid for request in plan.requests} == {cid_of(n) for n in range(10)}
    assert care.carry_out(plan) == 10
    assert all(care.allocations(n)[0] == IDS["c"] and care.allocations(n)[2] == IDS["b"] for n in range(10))
    _, plan = care.look()
    assert not plan.requests and len(plan.asks) == 10
    assert care.carry_out(plan, "queued") == 0
    _, plan = care.look()
    assert care.carry_out(plan, "pinned") == 10
    assert all(len(care.allocations(n)) == 2 and IDS["b"] not in care.allocations(n) for n in range(10))
    assert care.look() == ([], Plan()), "nobody names it any more"


def test_what_one_look_does_is_bounded_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REPINNED_PER_LOOK", 10)
    monkeypatch.setattr(limits, "WATCHED_ROWS_PER_SLICE", 5)
    care = Care()
    care.alone = True
    care.write(*(named(n, "b", "c") for n in range(42)))
    care.look()
    care.pass_time(400, "b")
    done: list[int] = []
    for _ in range(9):
        care.pass_time(15, "b")
        _, plan = care.look()
        done.append(len(plan.requests))
        care.carry_out(plan, "queued")
    assert sum(done) == 42 and max(done) <= 10
    assert done[:4] == [10, 10, 10, 10], "those that wait for others do not stand in the way"
    assert all(len(care.allocations(n)) == 3 for n in range(42))


def test_who_is_back_is_searched_for_once_more() -> None:
    care = Care()
    care.alone = True
    care.write(named(1, "b", "c"))
    care.look()
    care.pass_time(400, "b")
    _, plan = care.look()
    assert care.carry_out(plan) == 1 and len(care.allocations(1)) == 3
    care.pass_time(60)
    _, plan = care.look()
    assert list(plan.asks) == [cid_of(1)]
    assert care.carry_out(plan, "pinned") == 1 and len(care.allocations(1)) == 2
    assert care.look() == ([], Plan())


def test_what_cannot_be_done_yet_is_looked_at_again() -> None:
    care = Care()
    care.alone = True
    care.write(named(1, "me", "b", "c", least=2, most=2))
    for _ in range(3):
        _, plan = care.look()
        assert list(plan.asks) == [cid_of(1)] and care.carry_out(plan, "queued") <= 1
        if len(care.allocations(1)) == 2:
            break
    care.write(named(2, "me", "b", "c", "d", least=4, most=4))
    care.look()
    care.pass_time(400, "d")
    _, plan = care.look()
    assert plan == Plan(), "there is nobody else"


def test_another_put_meanwhile_is_left_as_it_is() -> None:
    care = Care()
    care.alone = True
    care.write(named(1, "b", "c"))
    care.look()
    care.pass_time(400, "b")
    _, plan = care.look()
    care.write(named(1, "me", "c"))
    care.carry_out(plan)
    assert care.allocations(1) == (IDS["me"], IDS["c"])


def test_what_expired_is_deleted_unless_it_was_pinned_again() -> None:
    care = Care()
    at_ms = NOW_MS + int(care.now * 1_000)
    soon = [Pin(cid_of(n), expire_ms=at_ms + 1_000) for n in range(5)]
    care.write(*soon, Pin(cid_of(9), expire_ms=at_ms + 10**9))
    assert care.look() == ([], Plan())
    care.pass_time(3_600)
    care.write(replace(soon[0], expire_ms=at_ms + 10**9), replace(soon[1], expire_ms=None))
    requests, _ = care.look()
    care.pass_time(60)
    requests = care.look()[0] or requests
    assert {request.cid for request in requests} == {cid_of(n) for n in (2, 3, 4)}
    care.write(Pin(cid_of(2), name="wanted again"))
    finish(care.author.write(requests))
    assert {row.cid for row in care.rows.of([cid_of(n) for n in range(10)])} == {cid_of(n) for n in (0, 1, 2, 9)}
    care.pass_time(60)
    assert care.look()[0] == []


def test_more_that_expire_than_are_remembered_are_found_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXPIRING_KEPT_MAX", 10)
    monkeypatch.setattr(limits, "EXPIRED_PER_LOOK", 7)
    care = Care()
    at_ms = NOW_MS + int(care.now * 1_000)
    care.write(*(Pin(cid_of(n), expire_ms=at_ms + n) for n in range(60)))
    care.look()
    care.pass_time(3_600)
    for _ in range(40):
        requests, _ = care.look()
        assert len(requests) <= 7
        finish(care.author.write(requests))
        care.pass_time(15)
    assert care.rows.of([cid_of(n) for n in range(60)]) == []


def test_never_looks_at_nobody() -> None:
    care = Care(replace(RULES, repin_after_s=None))
    care.write(named(1, "b", "c"))
    care.look()
    care.pass_time(10**5, "b", "c")
    assert care.look() == ([], Plan()) and not care.caretaker.gone


def test_more_to_look_at_again_than_is_remembered_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaking, "_AGAIN_MAX", 3)
    care = Care()
    care.alone = True
    care.write(*(named(n, "me", "b", "c") for n in range(20)))
    for _ in range(20):
        _, plan = care.look()
        care.carry_out(plan)
    assert all(len(care.allocations(n)) == 2 for n in range(20))


def test_however_many_have_to_wait_all_rows_are_read_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaking, "_AGAIN_MAX", 3)
    monkeypatch.setattr(limits, "WATCHED_ROWS_PER_SLICE", 2)
    care = Care()
    care.alone = True
    waiting = range(20)  # for somebody to be chosen: there are four
    care.write(*(named(n, "me", "b", "c", "d", least=5, most=5) for n in waiting))
    at_ms = NOW_MS + int(care.now * 1_000)
    care.write(Pin(cid_of(30), expire_ms=at_ms - 1), named(31, "me", "b", "c"))
    requests: list[WriteRequest] = []
    for _ in range(12):  # in a round of the list at the latest
        deletions, plan = care.look()
        requests += deletions
        care.carry_out(plan)
        care.pass_time(15)
    assert cid_of(30) in {request.cid for request in requests} and len(care.allocations(31)) == 2
    care.write(*(named(n, "me", "b", least=5, most=5) for n in waiting))  # now there is something to be done about each
    for _ in range(12):
        care.carry_out(care.look()[1])
    assert all(len(care.allocations(n)) == 4 for n in waiting)


def test_those_that_expire_next_are_kept() -> None:
    expiring = Expiring()
    for n in range(5):
        expiring.push(100 - n, cid_of(n))
        expiring.push(100 - n, cid_of(n))
    assert expiring.due(95, 9) == [] and not expiring.is_more
    assert expiring.due(98, 9) == [cid_of(4), cid_of(3), cid_of(2)]
    assert expiring.due(10**6, 1) == [cid_of(1)]


def test_shards_are_possible_until_all_was_read_and_known_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    care = Care()
    care.write(*(Pin(cid_of(number), expire_ms=2**50) for number in range(3)))
    monkeypatch.setattr(limits, "WATCHED_ROWS_PER_SLICE", 2)
    care.caretaker.begin(care.facts())
    assert care.caretaker.read() and care.caretaker.may_have_shards
    assert not care.caretaker.read() and not care.caretaker.may_have_shards
    care.write(Pin(cid_of(7), type=PinType.META, reference=cid_of(8), replication_min=1, replication_max=1))
    requests, plan = care.look()
    assert care.caretaker.may_have_shards and not requests and not plan.size, "nobody is found to keep a meta pin"
    care.look()
    assert care.caretaker.may_have_shards


def test_a_shard_of_who_is_gone_is_kept_by_another_and_stays_a_shard() -> None:
    care = Care()
    shard = Pin(cid_of(1), type=PinType.SHARD, depth=1, reference=cid_of(2), metadata=(("a", "b"),))
    care.write(replace(shard, allocations=(IDS["b"],), replication_min=1, replication_max=1))
    care.look()
    care.pass_time(limits.REPIN_AFTER_S + limits.ANNOUNCEMENT_TTL_S + 60, "b")
    for _ in range(4):
        care.carry_out(care.look()[1])
        care.pass_time(900, "b")
    (row,) = care.rows.of([cid_of(1)])
    found = decode_record(row.cid, row.record)
    assert found.allocations and IDS["b"] not in found.allocations
    assert replace(found, allocations=(), replication_min=-1, replication_max=-1) == shard
