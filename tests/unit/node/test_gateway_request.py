"""What a browser asks for."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from pincrew.errors import Misuse
from pincrew.node.gateway_request import CarScope, Form, Wanted, wanted_of

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def ask(path: str = f"/ipfs/{CID}", query: str = "", **headers: str) -> Wanted:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": query.encode()}
    return wanted_of(Request(scope | {"headers": pairs, "server": ("127.0.0.1", 80), "scheme": "http"}))


def test_paths() -> None:
    wanted = ask(f"/ipfs/{CID}/a%20b/%C3%A4%FF")
    assert wanted.below == "a b/ä\udcff" and wanted.name == "ä\udcff" and ask().name == ""
    with pytest.raises(Misuse, match="not a CID"):
        ask("/ipfs/nonsense")


def test_forms() -> None:
    assert ask().form is Form.CONTENT
    assert ask(query="format=raw").form is Form.RAW
    assert ask(accept="text/html, application/vnd.ipld.car; version=1").form is Form.CAR
    assert ask(query="format=raw", accept="application/vnd.ipld.car").form is Form.RAW
    for query in ("format=tar", "format=", "format=car&dag-scope=some", "entity-bytes=x"):
        with pytest.raises(Misuse):
            ask(query=query)
    with pytest.raises(Misuse):
        ask(accept="application/vnd.ipld.car; version=2")


def test_car_scopes() -> None:
    assert ask().car == CarScope("all")
    assert ask(query="dag-scope=block").car == CarScope("block")
    assert ask(query="entity-bytes=-5:*").car == CarScope("entity", (-5, None))
    tags = {ask(query=query).car.tag for query in ("", "dag-scope=entity", "entity-bytes=0:1", "entity-bytes=0:*")}
    assert len(tags) == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bytes=0-1", (0, 2)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        ("bytes=8-99", (8, 10)),
        ("bytes=10-", (10, 10)),
        ("bytes=3-2", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_ranges(text: str, expected: tuple[int, int] | None) -> None:
    assert ask(range=text).range_of(10, '"x"') == expected


def test_a_range_of_something_older_is_all_of_it() -> None:
    assert ask(range="bytes=0-1", if_range='"old"').range_of(10, '"x"') is None
    assert ask(range="bytes=0-1", if_range='"x"').range_of(10, '"x"') == (0, 2)


def test_what_the_browser_has() -> None:
    wanted = ask(if_none_match='W/"a", "b"')
    assert wanted.has('"a"') and wanted.has('W/"b"') and not wanted.has('"c"') and not ask().has('"a"')
    assert ask(if_none_match="*").has('"c"')


def test_foreign_pages_fetch_nothing() -> None:
    assert not ask().offline and not ask(sec_fetch_site="none", sec_fetch_dest="document").offline
    assert not ask(sec_fetch_site="cross-site", sec_fetch_dest="document").offline
    assert ask(sec_fetch_site="cross-site", sec_fetch_dest="image").offline
    assert ask(sec_fetch_site="cross-site", sec_fetch_dest="iframe").offline
    assert ask(cache_control="only-if-cached").offline
