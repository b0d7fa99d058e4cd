"""Bases in a running peer: made by the keeper, checked, adopted, refused, and tried again when the disk refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from pincrew.applier import Applier
from pincrew.bases import Turned
from pincrew.errors import NotAllowed, PincrewError, StoreFault
from pincrew.limits import BASE_QUIET_S, STORE_RETRY_DELAY_S
from pincrew.store.adoption import Adoption
from pincrew.store.bases import BaseStore
from pincrew.succession import Succession
from sim.swarm import key_of
from unit.test_bases import OWNER, Peer, follower, forged_base, without_first


class Running:
    """The succession of one peer, and what it told."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.told: list[Turned] = []
        self.news = trio.Event()
        key = peer.key or key_of("nobody")
        applier = Applier(peer.member.replica, lambda applied: None)
        self.succession = Succession(peer.member, applier, key, self._note)

    def _note(self, turned: Turned) -> None:
        self.told.append(turned)
        self.news.set()


def runs(peer: Peer, test: Callable[[Running], Awaitable[None]]) -> Running:
    async def main() -> Running:
        running = Running(peer)
        with trio.fail_after(1000):
            async with trio.open_nursery() as nursery:
                await nursery.start(running.succession.run)
                await test(running)
                nursery.cancel_scope.cancel()
        return running

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


def ann(*numbers: int) -> Peer:
    peer = Peer("a")
    peer.write(*(numbers or range(10)))
    return peer


def test_the_keeper_makes_one_when_told() -> None:
    peer = ann()

    async def test(running: Running) -> None:
        await running.succession.make()
        assert peer.bases.n == 1
        await running.succession.make()
        assert peer.bases.n == 2

    running = runs(peer, test)
    assert [turned.fault for turned in running.told] == [None, None]
    newcomer = Peer()
    assert newcomer.follows(peer) is not None and newcomer.rows() == peer.rows()


def test_nobody_else_does() -> None:
    peer = Peer("b")

    async def test(running: Running) -> None:
        with pytest.raises(NotAllowed, match="not the keeper"):
            await running.succession.make()
        assert not running.succession.is_keeper

    assert runs(peer, test).told == []


def test_an_owner_signs_what_any_peer_says_is_next() -> None:
    from pincrew.base_form import seal

    peer = follower(ann())

    async def test(running: Running) -> None:
        header = await running.succession.header()
        with pytest.raises(PincrewError, match="nobody who may"):
            await running.succession.offer(seal(header, key_of("b")))
        assert peer.bases.n == 0
        await running.succession.offer(seal(header, OWNER))
        assert peer.bases.n == 1
        late = seal(header, OWNER)
        await running.succession.offer(late)

    assert len(runs(peer, test).told) == 1


def test_a_base_of_which_another_came_first_is_told() -> None:
    from pincrew.base_form import seal

    peer = ann()

    async def test(running: Running) -> None:
        header = await running.succession.header()
        peer.write(30)
        await running.succession.make()
        with pytest.raises(PincrewError, match="another one came first"):
            await running.succession.offer(seal(header, OWNER))

    runs(peer, test)
    assert peer.bases.n == 1


def test_what_neighbours_have_is_adopted_without_being_asked() -> None:
    keeper = ann()
    peer = follower(keeper)
    keeper.makes()

    async def test(running: Running) -> None:
        assert peer.member.base_offered(keeper.member.base_sealed(0) or b"") is None
        for name in peer.bases.missing(9):
            assert peer.bases.keep(name, keeper.bases.in_force.blob(name) or b"")
        running.succession.wake()
        await running.news.wait()

    running = runs(peer, test)
    assert [turned.taken for turned in running.told] == [0] and peer.bases.n == 1


def test_a_lie_is_told_and_the_list_stays() -> None:
    keeper = ann()
    peer = follower(keeper)
    sealed, blobs = forged_base(keeper, key_of("a"), rows=without_first)
    before = peer.rows()

    async def test(running: Running) -> None:
        assert peer.member.base_offered(sealed) is None
        for name in peer.bases.missing(9):
            assert peer.bases.keep(name, blobs[name])
        running.succession.wake()
        await running.news.wait()

    (turned,) = runs(peer, test).told
    assert turned.fault is not None and turned.base is not None and peer.rows() == before and peer.bases.n == 0


def test_a_disk_that_refuses_is_asked_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = ann()
    peer = follower(keeper)
    keeper.makes()
    adopt, refusals = BaseStore.adopt, [StoreFault("No space left"), StoreFault("No space left")]

    def full(store: BaseStore, adoption: Adoption, now_ms: int) -> int:
        if refusals:
            raise refusals.pop()
        return adopt(store, adoption, now_ms)

    monkeypatch.setattr(BaseStore, "adopt", full)

    async def test(running: Running) -> None:
        began = trio.current_time()
        assert peer.member.base_offered(keeper.member.base_sealed(0) or b"") is None
        for name in peer.bases.missing(9):
            assert peer.bases.keep(name, keeper.bases.in_force.blob(name) or b"")
        running.succession.wake()
        await running.news.wait()
        assert trio.current_time() - began >= 2 * STORE_RETRY_DELAY_S

    assert [turned.fault for turned in runs(peer, test).told] == [None]
    assert peer.bases.n == 1 and peer.rows() == keeper.rows()


def test_the_keeper_makes_one_by_itself_once_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log has outgrown the list; a bulk import is not interrupted."""
    monkeypatch.setattr("pincrew.base_due.BASE_LOG_BYTES_MIN", 600)
    monkeypatch.setattr("pincrew.base_due.BASE_TOMBSTONES_MIN", 10**6)
    peer = ann()

    async def test(running: Running) -> None:
        for _ in range(3):
            running.succession.applied()
            await trio.sleep(BASE_QUIET_S * 0.9)
            assert peer.bases.n == 0
        await running.news.wait()
        assert peer.bases.n == 1
        running.succession.applied()
        await trio.sleep(BASE_QUIET_S * 5)
        assert peer.bases.n == 1, "the log since is small"

    runs(peer, test)


def test_a_follower_makes_none_however_long_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.base_due.BASE_LOG_BYTES_MIN", 0)
    monkeypatch.setattr("pincrew.base_due.BASE_TOMBSTONES_MIN", 0)
    peer = follower(ann())

    async def test(running: Running) -> None:
        running.succession.applied()
        await trio.sleep(BASE_QUIET_S * 5)

    assert runs(peer, test).told == [] and peer.bases.n == 0
