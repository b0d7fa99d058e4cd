"""docs/rest.md names every endpoint of ipfs-cluster's REST API, and its OpenAPI document is about the same ones."""

from __future__ import annotations

import re

from pincrew.rest.openapi import OPERATIONS, plain
from pincrew.rest.server import route_table
from support.rest_door import WritingDoor
from support.source_tree import ROOT

PAGE = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")


def test_every_endpoint_is_named() -> None:
    named = re.findall(r"^\| `(GET|POST|DELETE)` \| `(/[^`]*)` \|", PAGE, re.M)
    assert len(set(named)) == len(named)
    assert set(named) == {(route.method, plain(route.path)) for route in route_table(WritingDoor(), None)}
    assert set(named) == set(OPERATIONS)


def test_every_option_of_a_pin_is_named() -> None:
    section = PAGE.partition("### Options of a pin")[2].partition("\n## ")[0]
    assert {one.name for one in OPERATIONS["POST", "/pins/{cid}"].query} <= set(
        re.findall(r"`([a-zA-Z-]+)[`=]", section)
    )
