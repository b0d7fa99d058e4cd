"""Bounded JSON in, JSON and JSON Lines out."""

from __future__ import annotations

import pytest

from pincrew import limits
from pincrew.api.answering import number
from pincrew.errors import Misuse, StoreFault
from support.api_door import ApiDoor, fault_of, send


def test_numbers_of_the_query() -> None:
    assert (number(None, 5), number("7", 5)) == (5, 7)
    for text in ("", "-1", "x", "1" * 16):
        with pytest.raises(Misuse):
            number(text, 5)


def test_a_body_is_bounded_and_has_its_form() -> None:
    long = b'{"cid":"' + b"x" * limits.API_BODY_BYTES_MAX + b'"}'
    for content in (long, b"{", b'{"cid":7}'):
        assert fault_of(send(ApiDoor(), "POST", "/clusters/books/retry", chunks=[content])) == (400, "bad_request")
    door = ApiDoor()
    assert send(door, "POST", "/clusters/books/retry").json() == {"pins": 3}, "no body is an object without fields"
    assert door.asked == [("retry", None)]


def test_an_error_in_the_middle_of_a_list_is_its_last_line() -> None:
    door = ApiDoor()
    door.fault = StoreFault("The disk is gone")
    response = send(door, "GET", "/clusters/books/pinset")
    first, last = response.text.splitlines()
    assert (response.status_code, '"cid"' in first, '"error"' in last) == (200, True, True)


def test_an_error_at_the_beginning_of_a_list_has_a_status() -> None:
    door = ApiDoor()
    door.fault = StoreFault("The disk is gone")
    assert fault_of(send(door, "GET", "/clusters/books/pins/status")) == (503, "store")


def test_events_one_after_the_other() -> None:
    response = send(ApiDoor(), "GET", "/feed")
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text == 'data: {"schema":1,"clusters":[]}\n\n:\n\n'


def test_an_error_before_the_first_event_has_a_status() -> None:
    door = ApiDoor()
    door.fault = StoreFault("The disk is gone")
    assert fault_of(send(door, "GET", "/feed")) == (503, "store")
