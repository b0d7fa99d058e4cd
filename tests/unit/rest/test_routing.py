"""What the routes' modules have in common."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from pincrew.rest.routing import is_local
from support.rest_door import FollowingDoor, WritingDoor, send
from support.shape_examples import CID


@pytest.mark.parametrize(
    ("query", "is_it"), [("", False), ("local=true", True), ("local=True", False), ("local=1", False), ("local", False)]
)
def test_only_the_word_true_is_true(query: str, is_it: bool) -> None:
    assert is_local(Request({"type": "http", "query_string": query.encode(), "headers": []})) is is_it
    door = FollowingDoor()
    send(door, "POST", f"/pins/{CID}/recover?{query}")
    assert door.asked == [("recover", CID, is_it)]


@pytest.mark.parametrize(
    ("kind", "is_there"), [("ipfs", True), ("ipns", True), ("ipld", True), ("ipfsx", False), ("IPFS", False)]
)
def test_three_namespaces_of_paths(kind: str, is_there: bool) -> None:
    door = WritingDoor()
    status = send(door, "POST", f"/pins/{kind}/{CID}/below").status
    assert (status == 200) is is_there and (("resolve", f"/{kind}/{CID}/below") in door.asked) is is_there
