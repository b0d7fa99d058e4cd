"""The page that lists a folder: strangers' names do no harm in it."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from pincrew.node.listing_page import page_end, page_rows, page_start
from pincrew.node.reading import Listed

CID = b"\x01\x55\x12\x20" + bytes(32)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        assert all(name in ("href", "charset", "lang", "name", "content") for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(names: list[str], path: str = "/ipfs/bafy/") -> Reader:
    reader = Reader()
    reader.feed(page_start(path) + page_rows([Listed(name, CID, 1_500, None) for name in names]) + page_end())
    return reader


@given(st.lists(st.text(min_size=1, max_size=20), max_size=4), st.text(max_size=20))
def test_names_are_text_and_lead_to_themselves(names: list[str], path: str) -> None:
    reader = read(names, f"/ipfs/bafy/{path}/")
    assert reader.tags <= {"html", "head", "meta", "title", "style", "body", "h1", "table", "tr", "td", "a"}
    links = [link for link in reader.links if link != "../"]
    assert [unquote_to_bytes(link.removeprefix("./")).decode("utf-8", "surrogateescape") for link in links] == names
    assert all(link.startswith("./") for link in links)


def test_the_way_up_ends_at_the_root() -> None:
    assert "../" not in read([]).links
    assert "../" in read([], "/ipfs/bafy/a/").links


def test_sizes() -> None:
    assert "1.5 kB" in read(["a"]).text
