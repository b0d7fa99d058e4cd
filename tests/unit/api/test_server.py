"""The guard in front of every route."""

from __future__ import annotations

import logging

import pytest

from pincrew.errors import Conflict
from support.api_door import ApiDoor, fault_of, send

HOSTS = frozenset({"127.0.0.1"})


def test_an_error_keeps_its_word_and_status() -> None:
    door = ApiDoor()
    door.fault = Conflict("There is one already", where="here", means="Nothing", next_step="Look")
    response = send(door, "GET", "/daemon")
    assert fault_of(response) == (409, "conflict")
    assert response.json()["error"] == {
        "code": "conflict",
        "what": "There is one already",
        "where": "here",
        "means": "Nothing",
        "next_step": "Look",
    }


def test_a_bug_is_a_sentence_for_the_caller_and_a_trace_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    door = ApiDoor()
    door.fault = ZeroDivisionError("secret")
    with caplog.at_level(logging.ERROR, "pincrew.api"):
        response = send(door, "GET", "/daemon")
    assert fault_of(response) == (500, "internal")
    assert "secret" not in response.text
    assert caplog.records[0].exc_info is not None


def test_there_is_no_such_route() -> None:
    assert fault_of(send(ApiDoor(), "GET", "/nothing")) == (404, "bad_request")
    assert send(ApiDoor(), "POST", "/daemon").status_code == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:9094"}, 200),
        ({"host": "127.0.0.1"}, 200),
        ({"host": "evil.example:9094"}, 403),
        ({"host": "127.0.0.1:9094", "origin": "http://evil.example"}, 403),
    ],
)
def test_web_pages_are_refused_on_tcp(headers: dict[str, str], status: int) -> None:
    door = ApiDoor()
    assert send(door, "GET", "/daemon", hosts=HOSTS, headers=headers).status_code == status
    assert door.asked == ([("info",)] if status == 200 else [])
    assert send(ApiDoor(), "GET", "/daemon", headers=headers).status_code == 200, "no browser reaches a unix socket"
