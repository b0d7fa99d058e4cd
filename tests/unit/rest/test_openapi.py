"""The OpenAPI document: made from the routes, true about what they answer, and a document at all."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from pincrew.rest.access import Scope
from pincrew.rest.add_options import read_add_wish
from pincrew.rest.openapi import OPERATIONS, document, plain
from pincrew.rest.pin_options import read_pin_options
from pincrew.rest.server import route_table
from support.rest_door import NOW_MS, WritingDoor, send
from support.shape_examples import CID, PEER

TABLE = route_table(WritingDoor(), None, lambda: NOW_MS)
ROUTES = [(route.method, plain(route.path)) for route in TABLE]
DOCUMENT: dict[str, Any] = document(TABLE)
EXAMPLES = {"{cid}": CID, "{peer}": PEER, "{kind}": "ipfs", "{path}": f"{CID}/a", "{name}": "ping"}


def refs(value: Any) -> list[str]:
    """Return every reference in a document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for each in value.values() for ref in refs(each)]
    return [ref for each in value for ref in refs(each)] if isinstance(value, list) else []


def test_it_has_every_route_and_no_other() -> None:
    assert sorted(OPERATIONS) == sorted(ROUTES) and len(set(ROUTES)) == len(ROUTES)
    assert [(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item] == sorted(
        ROUTES, key=lambda route: list(DOCUMENT["paths"]).index(route[1])
    )


def test_it_is_served() -> None:
    answer = send(WritingDoor(), "GET", "/openapi.json")
    assert answer.status == 200 and answer.one == json.loads(json.dumps(DOCUMENT))
    assert answer.one["openapi"].startswith("3.1.")


def test_what_it_refers_to_is_there() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {f"#/components/schemas/{name}" for name in schemas} == set(refs(DOCUMENT))
    assert {"PinObject", "GlobalPinInfo", "Id", "Fault", "AddedOutput"} <= set(schemas)


def test_every_part_of_a_path_is_a_parameter() -> None:
    for path, item in DOCUMENT["paths"].items():
        for operation in item.values():
            named = [one["name"] for one in operation["parameters"] if one["in"] == "path"]
            assert path.count("{") == len(named) and all(f"{{{name}}}" in path for name in named)


def test_who_may_do_it_is_said() -> None:
    for route in TABLE:
        operation = DOCUMENT["paths"][plain(route.path)][route.method.lower()]
        assert operation["x-scope"] == route.scope.value
        assert (operation["security"] == []) is (route.scope is Scope.FREE)


class _Noting(dict[str, str]):
    """A query that notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__({"replication": ""})
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:  # type: ignore[override]
        self.names.add(name)
        return default


def test_the_options_are_those_that_are_read() -> None:
    pin, add = _Noting(), _Noting()
    read_pin_options(pin, NOW_MS)
    read_add_wish(add)
    documented = {one.name for one in OPERATIONS["POST", "/pins/{cid}"].query}
    assert documented == pin.names | {"meta-KEY"}
    refused_or_of_the_client = {"nocopy", "recursive", "hidden"}
    assert {one.name for one in OPERATIONS["POST", "/add"].query} == documented | add.names - refused_or_of_the_client


# The others have tests of their own: who has a password, what is added, and what is always refused.
ANSWERING = [route for route in ROUTES if route[1] not in ("/token", "/add", "/peers/{peer}")]


@pytest.mark.parametrize(("method", "path"), ANSWERING, ids=[" ".join(route) for route in ANSWERING])
def test_each_answer_is_of_the_shape_that_it_names(method: str, path: str) -> None:
    operation = OPERATIONS[method, path]
    for part, example in EXAMPLES.items():
        path = path.replace(part, example)
    chunks = [json.dumps({"peer_id": PEER}).encode()] if operation.body is not None else []
    answer = send(WritingDoor(), method, path, chunks=chunks)
    if operation.answer is None:
        assert (answer.status, answer.content) == (204, b"")
        return
    lines = answer.content.splitlines()
    assert answer.status == 200 and lines and (operation.is_list or len(lines) == 1)
    assert (answer.trailers is not None) is operation.is_list
    for line in lines:
        found = msgspec.json.decode(line, type=operation.answer)
        assert msgspec.to_builtins(found) == json.loads(line), "it has nothing that the shape has not"
