"""The client library against a real daemon: the pages' programs, and both loops at once with many questions."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from pincrew.api.client import AsyncClient, Client
from pincrew.api.shapes import PinRequest
from pincrew.errors import Conflict, DaemonNotRunning, NotFound
from support.doc_programs import programs, run_program
from support.machines import Machine, crew_in, made_up_cids
from support.source_tree import ROOT

pytestmark = [pytest.mark.slow]
NAME = "films"
PATIENCE_S = 60.0
BLOCKING, TRIO, ASYNCIO = programs("client.md")


@pytest.fixture(scope="module")
def curator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with crew_in(tmp_path_factory.mktemp("client")) as crew:
        machine = crew.machine("curator")
        machine.create(NAME)
        machine.serve(NAME, "--rest", "none")
        yield machine


def test_the_page_s_programs_do_what_it_says(curator: Machine, tmp_path: Path) -> None:
    said = run_program(curator, BLOCKING, tmp_path)
    assert said.out.startswith("put on the list: 1\nbafkrei") and said.out.endswith(" a film\n")
    assert run_program(curator, TRIO, tmp_path).out.splitlines()[0].startswith("films is ")
    assert "runs ['films']" in run_program(curator, ASYNCIO, tmp_path).out


def test_the_page_names_every_method() -> None:
    text = (ROOT / "docs" / "client.md").read_text(encoding="utf-8")
    methods = [name for name, value in vars(Client).items() if inspect.isfunction(value) and not name.startswith("_")]
    assert [name for name in methods if f"`{name}(" not in text] == []


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_a_list_is_written_read_and_watched(curator: Machine, backend: str) -> None:
    anyio.run(_converse, AsyncClient(curator.client.socket), backend, backend=backend)


async def _converse(client: AsyncClient, seed: str) -> None:
    cids = made_up_cids(1_500, seed)
    with anyio.fail_after(PATIENCE_S):
        written = await client.write_pins(NAME, (PinRequest(cid=cid, name=seed) for cid in cids))
        assert written.added == len(cids)
        assert {pin.cid async for pin in client.pinset(NAME)} == set(cids)
        assert [pin.cid async for pin in client.pins(NAME, [("find", f"cid:{cids[7]}")])] == [cids[7]]
        assert (await client.pin(NAME, cids[0])).name == seed
        async with client.feed() as feed:
            first = await anext(feed)
            assert first is not None and [one.name for one in first.clusters] == [NAME]
        async with client.events(NAME, after=0, follow=True) as events:
            assert (await anext(events)).cluster == NAME
            with anyio.move_on_after(0.2):
                async for event in events:
                    assert event.cluster == NAME
            with pytest.raises(Conflict, match="broken off"):
                await anext(events)
        async with anyio.create_task_group() as group:
            for cid in cids[:40]:
                group.start_soon(client.pin, NAME, cid)
        with pytest.raises(NotFound):
            await client.summary("books")
        gone = await client.write_pins(NAME, (PinRequest(cid=cid, remove=True) for cid in cids))
        assert gone.removed == len(cids)


def test_who_gives_up_again_and_again_does_not_wear_the_daemon_out(curator: Machine) -> None:
    async def give_up() -> None:
        client = AsyncClient(curator.client.socket)
        with anyio.fail_after(PATIENCE_S):
            for _ in range(20):
                with anyio.move_on_after(0.02):
                    async for _event in client.events(NAME, follow=True):
                        pass
            assert (await client.daemon()).clusters == [NAME]

    anyio.run(give_up, backend="trio")
    anyio.run(give_up, backend="asyncio")


def test_without_a_daemon_both_say_so(tmp_path: Path) -> None:
    async def ask() -> None:
        with pytest.raises(DaemonNotRunning):
            await AsyncClient(tmp_path / "nobody").daemon()

    anyio.run(ask, backend="asyncio")
    with pytest.raises(DaemonNotRunning):
        Client(tmp_path / "nobody").daemon()
