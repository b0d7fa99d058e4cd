"""What an answer looks like on the wire: JSON Lines with a trailer, nothing, refusals."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
import trio

from pincrew.errors import Conflict, Misuse, NodeDown
from pincrew.rest.answers import fault, lines
from support.rest_door import FollowingDoor, ask, send
from support.shape_examples import CID, CID_2, PEER


def test_a_list_is_json_lines_and_a_trailer_that_is_empty() -> None:
    answer = send(FollowingDoor(), "GET", "/allocations")
    assert [pin["cid"] for pin in answer.lines] == [CID, CID_2]
    assert answer.headers["content-type"] == "application/json" and answer.headers["trailer"] == "X-Stream-Error"
    assert "content-length" not in answer.headers


def test_a_list_of_nothing_is_204() -> None:
    door = FollowingDoor()
    door.pins = []
    answer = send(door, "GET", "/allocations")
    assert (answer.status, answer.content, answer.trailers) == (204, b"", None)
    assert "trailer" not in answer.headers


def test_what_goes_wrong_before_the_first_slice_has_a_status() -> None:
    door = FollowingDoor()
    door.fault = NodeDown("Nothing answers", where="here", next_step="Start it")
    answer = send(door, "GET", "/allocations")
    assert (answer.status, answer.message, answer.trailers) == (503, "Nothing answers (here). Start it.", None)


def test_what_goes_wrong_behind_it_stands_in_the_trailer() -> None:
    door = FollowingDoor()
    door.late = NodeDown("Nothing answers\r\nany more: Größe", next_step="Start it")
    answer = send(door, "GET", "/allocations")
    assert answer.status == 200 and answer.content.count(b"\n") == 1
    assert answer.trailers == [(b"x-stream-error", b"Nothing answers any more: Gr??e. Start it.")]


def test_a_bug_behind_it_is_told_in_the_trailer_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    door = FollowingDoor()
    door.late = ZeroDivisionError("secret")
    with caplog.at_level(logging.ERROR, "pincrew.rest"):
        answer = send(door, "GET", "/pins")
    assert answer.trailers is not None and b"daemon.log" in answer.trailers[0][1]
    assert b"secret" not in answer.trailers[0][1] and caplog.records[0].exc_info is not None


def test_an_error_of_one_clause_stays_as_clients_compare_it() -> None:
    assert bytes(fault(Misuse("pin is not part of the pinset")).body) == (
        b'{"code":400,"message":"pin is not part of the pinset"}\n'
    )
    assert b'"message":"It is there. Look."' in bytes(fault(Conflict("It is there", next_step="Look")).body)


def test_who_hangs_up_ends_the_list() -> None:
    door = FollowingDoor()

    async def main() -> None:
        with trio.move_on_after(5) as scope:

            async def cancelled(*_: Any) -> None:
                scope.cancel()
                await trio.lowlevel.checkpoint()

            response = await lines(door.allocations())
            await response({"type": "http", "asgi": {"spec_version": "2.4"}}, cancelled, cancelled)
        assert scope.cancelled_caught and door.open_lists == 0

    trio.run(main)


def test_slices_are_said_as_they_are_made() -> None:
    gate = trio.Event()

    class Slow(FollowingDoor):
        def peers(self) -> AsyncGenerator[Sequence[Any], None]:
            async def slices() -> AsyncGenerator[Sequence[Any], None]:
                yield [self.id()]
                await gate.wait()
                yield [self.id(), self.id()]

            return slices()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            said: list[bytes] = []

            async def take(message: dict[str, Any]) -> None:
                said.append(message.get("body", b""))
                if len(said) == 2:
                    gate.set()

            response = await lines(Slow().peers())
            await response({"type": "http", "asgi": {"spec_version": "2.4"}}, trio.sleep_forever, take)
            assert [body.count(PEER.encode()) > 0 for body in said] == [False, True, True, False, False]
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert len(trio.run(ask, FollowingDoor(), "GET", "/peers").lines) == 2
