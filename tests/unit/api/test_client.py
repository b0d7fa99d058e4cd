"""The client against real HTTP on a unix socket."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pincrew.api.client import PAGE, Client, error_from
from pincrew.api.shapes import AcceptRequest, PinPlace, PinRequest, Series, Status
from pincrew.errors import (
    Conflict,
    DaemonLost,
    DaemonNotRunning,
    Malformed,
    NodeDown,
    NotAllowed,
    NotFound,
    PincrewError,
    WorldFault,
)
from support.fake_daemon import FakeDaemon, Request, running_fake
from support.shape_examples import (
    CID,
    daemon_info,
    followed,
    offer,
    pin_detail,
    pin_line,
    pin_object,
    prospect,
    summary,
)


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def fake(socket: Path) -> Iterator[FakeDaemon]:
    with running_fake(socket) as running:
        running.on(
            "GET", "/clusters/books/ready", {"cluster": "books", "peer": "P", "p2p": [], "api": None, "publish": None}
        )
        yield running


@pytest.fixture
def client(socket: Path) -> Client:
    return Client(socket)


def test_shapes_come_back_as_they_were_sent(fake: FakeDaemon, client: Client) -> None:
    fake.on("GET", "/daemon", daemon_info())
    fake.on("GET", "/clusters/books/summary", summary())
    fake.on("POST", "/offers", offer())
    fake.on("POST", "/offers/prospect", prospect())
    fake.on("POST", "/offers/accept", followed())
    assert client.daemon() == daemon_info()
    assert client.summary("books") == summary()
    assert client.offer("./a.toml", Path("/somewhere")) == offer()
    assert fake.asked("POST", "/offers")[0].json == {"source": "./a.toml", "folder": "/somewhere"}
    assert client.prospect("x", "kubo") == prospect()
    assert fake.asked("POST", "/offers/prospect")[0].json == {"offer": "x", "ipfs": "kubo"}
    assert client.accept(AcceptRequest(offer="x", obey=True)) == followed()
    assert fake.asked("POST", "/offers/accept")[0].json["obey"] is True


def test_no_socket_and_nobody_behind_it_are_the_same(socket: Path, client: Client) -> None:
    with pytest.raises(DaemonNotRunning):
        client.daemon()
    import socket as sockets

    left_behind = sockets.socket(sockets.AF_UNIX)
    left_behind.bind(str(socket))
    left_behind.close()
    with pytest.raises(DaemonNotRunning):
        client.daemon()


@pytest.mark.parametrize("kind", [NotFound, Conflict, NotAllowed, NodeDown, WorldFault, Malformed])
def test_an_error_is_raised_as_what_it_was(fake: FakeDaemon, client: Client, kind: type[PincrewError]) -> None:
    fake.on("GET", "/status", kind("What", where="here", means="it means", next_step="`do this`"))
    with pytest.raises(kind) as caught:
        client.status()
    assert type(caught.value) is kind
    assert caught.value.sentence == "What (here). it means. `do this`"


def test_an_error_of_a_later_version_is_some_error() -> None:
    error = error_from(418, b'{"error":{"code":"teapot","what":"Short and stout"}}')
    assert type(error) is PincrewError
    assert error.what == "Short and stout"
    assert isinstance(error_from(500, b"<html>"), WorldFault)


def test_a_batch_streams_from_a_generator_in_bounded_chunks(fake: FakeDaemon, client: Client) -> None:
    fake.on("POST", "/clusters/books/pins", lambda request: {"added": len(request.lines), "removed": 0, "absent": []})
    written = client.write_pins("books", (PinRequest(cid=CID, name=f"pin {n}") for n in range(5_000)))
    assert written.added == 5_000


def test_a_refusal_in_the_middle_of_a_batch_is_told(fake: FakeDaemon, client: Client) -> None:
    fake.on("POST", "/clusters/books/pins", NotAllowed("no"))
    with pytest.raises(NotAllowed):
        client.write_pins("books", (PinRequest(cid=CID) for _ in range(10)))


def test_a_generator_that_raises_is_not_hidden(fake: FakeDaemon, client: Client) -> None:
    def failing() -> Iterator[PinRequest]:
        yield PinRequest(cid=CID)
        raise RuntimeError("from the generator")

    with pytest.raises(RuntimeError, match="from the generator"):
        client.write_pins("books", failing())


def test_whether_one_is_on_the_list(fake: FakeDaemon, client: Client) -> None:
    fake.on("GET", "/clusters/books/pins", lambda request: [pin_line()] if CID in request.query["find"][0] else [])
    assert client.is_listed("books", CID) and not client.is_listed("books", "another")
    with pytest.raises(NotFound):
        client.is_listed("films", CID)


def test_a_daemon_that_hangs_up_without_an_answer_is_lost(fake: FakeDaemon, client: Client) -> None:
    """Unlike one that refuses, it may have done what it was asked."""
    fake.on("POST", "/clusters/books/pins", ConnectionResetError())
    with pytest.raises(DaemonLost):
        client.write_pins("books", [PinRequest(cid=CID)])


def test_pins_come_page_by_page(fake: FakeDaemon, client: Client) -> None:
    def page(request: Request) -> object:
        limit, offset = int(request.query["limit"][0]), int(request.query["offset"][0])
        return [pin_line(name=str(number)) for number in range(offset, min(offset + limit, PAGE + 7))]

    fake.on("GET", "/clusters/books/pins", page)
    assert [int(pin.name) for pin in client.pins("books")] == list(range(PAGE + 7))
    assert [int(pin.name) for pin in client.pins("books", limit=3, offset=5)] == [5, 6, 7]
    fake.requests.clear()
    list(client.pins("books", limit=PAGE))
    assert len(fake.requests) == 1


def test_many_cids_are_asked_for_in_questions_that_fit(fake: FakeDaemon, client: Client) -> None:
    fake.on("GET", "/clusters/books/pinset", lambda request: [pin_object(cid) for cid in request.query["cid"]])
    cids = [f"{CID}{number}" for number in range(250)]
    assert [pin.cid for pin in client.pinset("books", cids)] == cids
    assert len(fake.asked("GET", "/clusters/books/pinset")) == 3


def test_a_list_by_cids_is_asked_for_at_once(client: Client) -> None:
    with pytest.raises(DaemonNotRunning):
        client.pinset("books", [CID])


def test_a_page_has_its_total_and_its_revision(fake: FakeDaemon, client: Client) -> None:
    fake.on("GET", "/clusters/books/pins", [pin_line()])
    assert client.pin_page("books", limit=5) == ([pin_line()], None, 0)
    fake.headers = {"X-Total": "77", "X-Rev": "9"}
    assert client.pin_page("books", [("sort", "name")], limit=5, offset=3) == ([pin_line()], 77, 9)
    assert fake.requests[-1].query == {"sort": ["name"], "limit": ["5"], "offset": ["3"]}


def test_one_pin_and_where_it_stands(fake: FakeDaemon, client: Client) -> None:
    fake.on("GET", f"/clusters/books/pins/{CID}", pin_detail())
    assert client.pin("books", CID) == pin_detail()
    fake.on("GET", "/clusters/books/pins/locate", PinPlace("books", 41, 9))
    assert client.locate("books", [("sort", "name")], cid=CID) == 41
    assert fake.requests[-1].query == {"sort": ["name"], "cid": [CID]}
    fake.on("GET", "/clusters/books/pins/locate", PinPlace("books", None, 9))
    assert client.locate("books", prefix="a b") is None
    assert fake.requests[-1].query == {"prefix": ["a b"]}
    fake.on("GET", "/clusters/books/series", Series("books", 5, [1, None], [None, 2]))
    assert client.series("books").down == [1, None]


def test_of_several_statuses_that_wait_the_newest_counts(fake: FakeDaemon, client: Client) -> None:
    def event(rev: int) -> bytes:
        return b"data: " + msgspec.json.encode(Status(1, [summary(rev=rev)])) + b"\n\n"

    fake.on("GET", "/feed", b":\n\n" + event(1) + event(2) + b":\n\n")
    told = client.feed()
    newest = next(told)
    assert newest is not None and newest.clusters[0].rev == 2
    with pytest.raises(DaemonLost):
        next(told)
    fake.on("GET", "/feed", b":\n\n")
    assert next(client.feed()) is None


def test_a_daemon_without_a_feed_says_so(fake: FakeDaemon, client: Client) -> None:
    with pytest.raises(NotFound, match="no feed"):
        client.feed()
    fake.on("GET", "/feed", Conflict("16 views listen to the daemon already"))
    with pytest.raises(Conflict, match="16 views"):
        client.feed()


def test_retry_names_one_or_none(fake: FakeDaemon, client: Client) -> None:
    fake.on("POST", "/clusters/books/retry", {"pins": 3})
    assert (client.retry("books"), client.retry("books", CID)) == (3, 3)
    assert [one.json for one in fake.asked("POST", "/clusters/books/retry")] == [{"cid": None}, {"cid": CID}]


def test_an_empty_list_is_empty(fake: FakeDaemon, client: Client) -> None:
    fake.on("GET", "/clusters/books/peers", [])
    assert list(client.peers("books")) == []


@pytest.mark.parametrize("cut_after", [0, 1, len(msgspec.json.encode(pin_object())) + 1, 1_000])
def test_a_list_that_breaks_off_is_no_short_list(fake: FakeDaemon, client: Client, cut_after: int) -> None:
    fake.on("GET", "/clusters/books/pinset", [pin_object() for _ in range(10)])
    fake.cut_after = cut_after
    with pytest.raises(WorldFault):
        list(client.pinset("books"))


def test_an_error_in_the_middle_of_a_list_is_raised(fake: FakeDaemon, client: Client) -> None:
    error = {"error": {"code": "node_down", "what": "gone", "where": "", "means": "", "next_step": ""}}
    fake.on("GET", "/clusters/books/pinset", [pin_object(), error])
    found = client.pinset("books")
    assert next(found) == pin_object()
    with pytest.raises(NodeDown):
        next(found)


def test_an_answer_of_another_form_is_told_as_such(fake: FakeDaemon, client: Client) -> None:
    fake.on("GET", "/daemon", {"hello": 1})
    with pytest.raises(Malformed, match="same version"):
        client.daemon()


def test_a_cluster_that_is_just_starting_is_waited_for(fake: FakeDaemon, client: Client) -> None:
    answers = itertools.chain([Conflict("books is just starting")], itertools.repeat(summary()))
    fake.on("GET", "/clusters/books/summary", lambda _: next(answers))
    assert client.summary("books") == summary()


def test_names_are_quoted(fake: FakeDaemon, client: Client) -> None:
    with pytest.raises(NotFound):
        client.summary("a/../b")
    assert fake.requests[0].path == "/clusters/a%2F..%2Fb/summary"
