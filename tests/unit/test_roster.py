"""The clusters of a home: real ones, on loopback, with no IPFS node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import trio
from pincrew.follow.follower import Follower
from pincrew.trusted.creation import create

from pincrew.errors import Conflict, Misuse, NotFound, PincrewError, StoreFault
from pincrew.holdings import Holdings
from pincrew.leaving import mark
from pincrew.nodes import Nodes
from pincrew.ownership import Ownership
from pincrew.paths import Home
from pincrew.roster import Roster, leaf
from pincrew.settings import Role, Settings
from pincrew.settings_files import load_cluster, save

PATIENCE_S = 30.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def made(home: Home, *names: str) -> None:
    for name in names:
        create(home, name, now_s=0, listen=["/ip4/127.0.0.1/tcp/0"], ipfs="/ip4/127.0.0.1/tcp/1")


@asynccontextmanager
async def calling(home: Home) -> AsyncIterator[Roster]:
    holdings = Holdings(home.holdings)
    settings = Settings(mdns=False)
    joined = [paths.name for paths in home.joined()]
    roster = Roster(home, settings, Nodes(home, settings, {}), Ownership(holdings), "unix:/nowhere", {}, joined)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(roster.run)
            yield roster
            await roster.stop_all()
            nursery.cancel_scope.cancel()
    finally:
        holdings.close()


def trio_test(test: Callable[[Home], Awaitable[None]]) -> Callable[[Home], None]:
    async def bounded(home: Home) -> None:
        with trio.fail_after(PATIENCE_S):
            await test(home)

    def run(home: Home) -> None:
        trio.run(bounded, home)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def runs(roster: Roster, name: str) -> bool:
    try:
        return roster.cluster(name).peer.is_running
    except Conflict:
        return False


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (made true by tasks of the clusters)
        await trio.sleep(0.01)


@trio_test
async def test_what_is_joined_is_known_before_it_runs(home: Home) -> None:
    made(home, "one", "two")
    async with calling(home) as roster:
        assert [(each.name, each.state, each.role) for each in roster.summaries()] == [
            ("one", "joining", "curator"),
            ("two", "joining", "curator"),
        ]
        with pytest.raises(Conflict, match="one is just starting"):
            roster.cluster("one")
        with pytest.raises(NotFound):
            roster.cluster("three")
        roster.bring_up()
        await until(lambda: runs(roster, "one") and runs(roster, "two"))
        assert roster.names() == ["one", "two"] and not isinstance(roster.cluster("one"), Follower)


@trio_test
async def test_who_is_named_a_curator_becomes_one_when_its_user_asks(home: Home) -> None:
    made(home, "one")
    path = home.cluster("one").settings
    save(path, replace(load_cluster(path), role=Role.FOLLOWER))
    async with calling(home) as roster:
        await roster.start("one", None)
        follower = roster.cluster("one")
        assert isinstance(follower, Follower)
        assert [reason.code for reason in follower.summary().reasons if "curator" in reason.code] == ["curator_named"]
        assert (await roster.start("one", None)).role == "follower"
        assert (await roster.start("one", None, is_asked=True)).role == "curator"
        curator = roster.cluster("one")
        assert not isinstance(curator, Follower) and not follower.peer.is_running
        await roster.start("one", None, is_asked=True)
        assert roster.cluster("one") is curator, "asking again changes nothing"
    assert load_cluster(path).role is Role.CURATOR


@trio_test
async def test_a_cluster_that_fails_is_shown_disturbs_no_other_and_can_be_started_again(home: Home) -> None:
    made(home, "bad", "good")
    state = home.cluster("bad").state
    state.write_bytes(b"this is no database, however long it goes on " * 100)
    async with calling(home) as roster:
        roster.bring_up()
        await until(lambda: runs(roster, "good") and roster.summaries()[0].state == "failed")
        bad, good = roster.summaries()
        assert (bad.state, len(bad.reasons)) == ("failed", 1) and good.state != "failed"
        with pytest.raises(PincrewError):
            roster.cluster("bad")
        with pytest.raises(PincrewError):
            await roster.start("bad", None)
        state.unlink()
        assert (await roster.start("bad", None)).state != "failed"
        assert roster.cluster("bad").peer.is_running


@trio_test
async def test_stopping_and_starting_keeps_what_is_on_disk(home: Home) -> None:
    made(home, "one")
    async with calling(home) as roster:
        first = await roster.start("one", None)
        assert (await roster.start("one", None)).id == first.id, "harmless when it runs"
        await roster.stop("one")
        await roster.stop("one")
        assert roster.names() == []
        assert (await roster.start("one", None)).id == first.id
        with pytest.raises(NotFound, match="no cluster 'two'"):
            await roster.start("two", None)


@trio_test
async def test_a_document_is_offered_once(home: Home) -> None:
    made(home, "one")
    async with calling(home) as roster:
        await roster.start("one", "127.0.0.1:0")
        url = roster.cluster("one").published_at
        assert url is not None
        await roster.start("one", "127.0.0.1:0")
        assert roster.cluster("one").published_at == url
        answer = await trio.to_thread.run_sync(httpx.get, url)
        assert b"cluster_id" in answer.content


@trio_test
async def test_a_cluster_moves_to_another_node_and_stays_what_it_was(home: Home) -> None:
    made(home, "one")
    async with calling(home) as roster:
        await roster.start("one", "127.0.0.1:0")
        before = roster.cluster("one")
        assert (await roster.switch_node("one", "/ip4/127.0.0.1/tcp/1", keep_old=False)).was_there
        assert roster.cluster("one") is before, "nothing to do"
        switched = await roster.switch_node("one", "127.0.0.1:2", keep_old=False)
        assert (switched.node, switched.before) == ("127.0.0.1:2", "/ip4/127.0.0.1/tcp/1")
        cluster = roster.cluster("one")
        assert cluster is not before and cluster.peer.is_running and cluster.published_at == before.published_at
        assert cluster.summary().node.address == "http://127.0.0.1:2"
        local = load_cluster(home.cluster("one").settings)
        assert (local.ipfs, local.ipfs_before) == ("127.0.0.1:2", ("/ip4/127.0.0.1/tcp/1",))
        assert [node.address for node in cluster.peer.old_nodes] == ["http://127.0.0.1:1"]
        await roster.switch_node("one", "/ip4/127.0.0.1/tcp/1", keep_old=True)
        assert load_cluster(home.cluster("one").settings).ipfs_before == ()
        for wrong in ("auto", "", "nonsense", "ftp://x"):
            with pytest.raises(Misuse):
                await roster.switch_node("one", wrong, keep_old=False)


@trio_test
async def test_a_bad_address_to_publish_at_is_told(home: Home) -> None:
    made(home, "one")
    async with calling(home) as roster:
        with pytest.raises(Misuse, match="HOST:PORT"):
            await roster.start("one", "nonsense")
        assert roster.cluster("one").peer.is_running


@trio_test
async def test_a_cluster_that_is_left_is_gone_with_its_folder(home: Home) -> None:
    made(home, "one")
    async with calling(home) as roster:
        await roster.start("one", None)
        tried = await roster.leave("one", dry_run=True)
        assert tried.dry_run and roster.cluster("one").peer.is_running
        left = await roster.leave("one", dry_run=False)
        assert left.rest is None and not home.cluster("one").folder.exists() and roster.names() == []
        with pytest.raises(NotFound):
            await roster.leave("one", dry_run=False)


@trio_test
async def test_a_leave_that_was_interrupted_goes_on_and_the_cluster_never_runs_meanwhile(home: Home) -> None:
    made(home, "one")
    mark(home.cluster("one"))
    async with calling(home) as roster:
        roster.bring_up()
        await until(lambda: roster.names() and roster.summaries()[0].state == "leaving")
        for attempt in (lambda: roster.start("one", None), lambda: trio.to_thread.run_sync(roster.cluster, "one")):
            with pytest.raises(Conflict, match="is being left"):
                await attempt()
        assert (await roster.leave("one", dry_run=False)).rest is None
        assert not home.cluster("one").folder.exists() and roster.names() == []


@trio_test
async def test_events_for_a_cluster_go_into_its_diary_if_it_runs(home: Home) -> None:
    made(home, "one")
    async with calling(home) as roster:
        roster.note("one", "state_changed", {"state": "stopped"})  # it does not run: nobody keeps it
        roster.note("nobody", "state_changed", {})
        await roster.start("one", None)
        roster.note("one", "state_changed", {"state": "complete", "before": "syncing"})
        roster.clock_jumped(3_600)
        peer = roster.cluster("one").peer
        texts: list[str] = []
        while len(texts) < 2:
            rows = await peer.diary.after(0, wait=True)
            texts = [row.text for row in rows if row.kind in ("state_changed", "clock_jumped")]
        assert texts == [
            "the state is complete; it was syncing",
            "this machine slept, or its clock was set: 3600 s are missing",
        ]


@trio_test
async def test_a_disk_without_room_for_whom_it_met_ends_no_cluster(home: Home) -> None:
    made(home, "one")
    refused = trio.Event()

    def refuse(_met: object) -> None:
        trio.from_thread.run_sync(refused.set)
        raise StoreFault("There is no room for the state")

    async with calling(home) as roster:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pincrew.peer._REMEMBER_INTERVAL_S", 0.01)
            patch.setattr("pincrew.store.acquaintances.Acquaintances.remember", lambda _self, met: refuse(met))
            await roster.start("one", None)
            await refused.wait()
            refused = trio.Event()
            await refused.wait()
        assert roster.cluster("one").peer.is_running


def test_the_first_failure_is_inside_the_groups() -> None:
    inner = Conflict("this")
    assert leaf(BaseExceptionGroup("", [BaseExceptionGroup("", [inner]), KeyError()])) is inner
    assert leaf(inner) is inner
