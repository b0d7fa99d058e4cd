"""The supervision, with a shell script in the place of the node; the real one is in tests/e2e/test_own_node.py."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from pincrew import node_keeper
from pincrew.errors import NodeDown, NodeStarting
from pincrew.node_keeper import NodeKeeper
from pincrew.paths import Home

PATIENCE_S = 20.0
STAYS = "#!/bin/sh\necho $$ >> $PINCREW_HOME/started\necho ready node\ncat\n"
FAILS = "#!/bin/sh\necho x >> $PINCREW_HOME/started\necho 'pincrew: The port is taken.' >&2\nexit 1\n"
DEAF = "#!/bin/sh\ntrap '' TERM\necho $$ >> $PINCREW_HOME/started\necho ready node\nwhile :; do sleep 0.05; done\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("NODE_RESTART_DELAY_S_MIN", "NODE_LINGER_S", "NODE_LOOK_INTERVAL_S"):
        monkeypatch.setattr(node_keeper, name, 0.05)
    (tmp_path / "home").mkdir()
    return Home(tmp_path / "home")


def keeping(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    test: Callable[[NodeKeeper], Awaitable[None]],
) -> None:
    program = home.root / "program"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))

    async def main() -> None:
        keeper = NodeKeeper(home, os.environ)
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                await nursery.start(keeper.run)
                await test(keeper)
                nursery.cancel_scope.cancel()
        assert keeper.pid is None

    trio.run(main)


def started(home: Home) -> list[str]:
    file = home.root / "started"
    return file.read_text().split() if file.exists() else []


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 (made true by another process)
        await trio.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_runs_as_long_as_somebody_needs_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(keeper: NodeKeeper) -> None:
        first = keeper.client(no_progress_timeout_s=1)
        second = keeper.client(no_progress_timeout_s=1)
        await trio.sleep(0.05)
        assert started(home) == [], "nobody asked for it"
        for one in (first, second):
            with pytest.raises(NodeStarting):
                await one.id()
        await until(lambda: started(home))
        pid = int(started(home)[0])
        await first.aclose()
        await trio.sleep(0.15)
        assert keeper.pid == pid, "the other one needs it"
        await second.aclose()
        await until(lambda: keeper.pid is None)
        assert is_gone(pid)
        with pytest.raises(NodeStarting):
            await second.id()
        await until(lambda: len(started(home)) == 2 and keeper.pid is not None)
        await second.aclose()
        await until(lambda: keeper.pid is None)
        keeper.expect(second)
        await until(lambda: len(started(home)) == 3)

    keeping(home, monkeypatch, STAYS, test)
    assert is_gone(int(started(home)[-1])), "it ends with its keeper"


def test_one_that_was_killed_is_started_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(keeper: NodeKeeper) -> None:
        with pytest.raises(NodeStarting):
            await keeper.client(no_progress_timeout_s=1).id()
        await until(lambda: started(home))
        os.kill(int(started(home)[0]), signal.SIGKILL)
        await until(lambda: len(started(home)) == 2)

    keeping(home, monkeypatch, STAYS, test)


def test_one_that_cannot_start_says_why_and_is_tried_less_and_less_often(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_keeper, "NODE_RESTART_DELAY_S_MIN", 0.2)
    seen: list[str] = []

    async def test(keeper: NodeKeeper) -> None:
        client = keeper.client(no_progress_timeout_s=1)

        async def looked() -> None:
            try:
                await client.id()
            except NodeStarting:
                return
            except NodeDown as error:
                seen.append(error.sentence)

        while len(started(home)) < 3:
            await looked()
            await trio.sleep(0.01)

    keeping(home, monkeypatch, FAILS, test)
    assert seen and all("The port is taken. It is started again" in sentence for sentence in seen)
    assert "node.log" in seen[0]


def test_a_log_that_has_grown_is_put_aside(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_keeper, "NODE_LOG_BYTES_MAX", 100)
    aside = home.node.log.with_name("node.log.1")
    home.node.folder.mkdir()
    home.node.log.write_bytes(b"x" * 100)

    async def test(keeper: NodeKeeper) -> None:
        with pytest.raises(NodeStarting):
            await keeper.client(no_progress_timeout_s=1).id()
        await until(lambda: started(home))

    keeping(home, monkeypatch, STAYS, test)
    assert not aside.exists() and home.node.log.read_bytes() == b"x" * 100
    home.node.log.write_bytes(b"y" * 101)
    aside.write_bytes(b"older")
    (home.root / "started").unlink()
    keeping(home, monkeypatch, STAYS, test)
    assert aside.read_bytes() == b"y" * 101 and home.node.log.read_bytes() == b""


def test_one_that_does_not_listen_is_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_keeper, "NODE_STOP_TIMEOUT_S", 0.2)

    async def test(keeper: NodeKeeper) -> None:
        with pytest.raises(NodeStarting):
            await keeper.client(no_progress_timeout_s=1).id()
        await until(lambda: started(home))

    keeping(home, monkeypatch, DEAF, test)
    assert is_gone(int(started(home)[0]))
