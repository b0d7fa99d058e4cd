"""Denylists as the specification's example has them, and what pincrew adds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.cid import parse_cid
from pincrew.denylist import Denylist, parse, ruling
from pincrew.errors import Malformed
from pincrew.values import Pin

PLAIN = "bafybeihvvulpp4evxj7x7armbqcyg6uezzuig6jp3lktpbovlqfkuqeuoq"
RAW_OF_PLAIN = "bafkreihvvulpp4evxj7x7armbqcyg6uezzuig6jp3lktpbovlqfkuqeuoq"
# From the specification: the double hash, and what it stands for.
HASHED = "//QmX9dhRcQcKUw3Ws8485T5a9dtjrSCQaUAHnG4iK9i4ceM"
HASHED_V0 = "QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR"
HASHED_V1 = "bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja"
OLD_HASHED = "//d9d295bde21f422d471a90f2a37ec53049fdf3e5fa3ee2e8f20e10003da429e7"
OLD = "bafybeiefwqslmf6zyyrxodaxx4vwqircuxpza5ri45ws3y5a62ypxti42e"
OTHER = "QmecDgNqCRirkc3Cjz9eoRBNwXGckJ9WvTdmY16HP88768"


def listed(*lines: str) -> Denylist:
    return parse(f"{line}\n".encode() for line in lines)


def denies(denylist: Denylist, cid: str, name: str = "") -> bool:
    found = denylist.ruling(Pin(parse_cid(cid), name))
    return found is not None and found.denies


def test_a_cid_is_denied_by_its_multihash_in_every_form() -> None:
    denylist = listed(f"/ipfs/{PLAIN}")
    assert denies(denylist, PLAIN) and denies(denylist, RAW_OF_PLAIN) and not denies(denylist, OTHER)
    assert denies(listed(f"/ipfs/{HASHED_V0}/*"), HASHED_V1)
    assert denies(listed(f"/ipfs/{HASHED_V0}/"), HASHED_V0)


def test_double_hashes_of_both_kinds() -> None:
    denylist = listed(HASHED, OLD_HASHED)
    assert denies(denylist, HASHED_V0) and denies(denylist, HASHED_V1) and denies(denylist, OLD)
    assert not denies(denylist, PLAIN)
    assert denylist.rules == 2 and not denylist.bad


def test_paths_and_names_of_ipns_are_read_and_do_not_apply() -> None:
    denylist = listed(f"/ipfs/{PLAIN}/path", f"/ipfs/{PLAIN}/test*", "/ipns/domain.example", f"!/ipns/{OLD}/a")
    assert (denylist.rules, denylist.elsewhere, denylist.bad) == (4, 4, [])
    assert not denies(denylist, PLAIN)


def test_the_last_rule_that_matches_decides_whatever_its_form() -> None:
    assert not denies(listed(f"/ipfs/{PLAIN}", f"!/ipfs/{PLAIN}"), PLAIN)
    assert denies(listed(f"!/ipfs/{PLAIN}", f"/ipfs/{PLAIN}"), PLAIN)
    assert not denies(listed(HASHED, f"!/ipfs/{HASHED_V0}/*"), HASHED_V1)
    assert denies(listed(f"!/ipfs/{HASHED_V0}", HASHED), HASHED_V1)
    assert not denies(listed("/name/*", f"!/ipfs/{PLAIN}"), PLAIN, "a")
    assert denies(listed(f"!/ipfs/{PLAIN}", "/name/*"), PLAIN, "a")


def test_names_are_patterns() -> None:
    denylist = listed("/name/*%20private*", "!/name/not%20private", "/name/a[1]?.iso")
    assert denies(denylist, OTHER, "My PRIVATE things") and not denies(denylist, OTHER, "not private")
    assert denies(denylist, OTHER, "a[1]x.iso") and not denies(denylist, OTHER, "a1x.iso")
    found = denylist.ruling(Pin(parse_cid(OTHER), "x private"))
    assert found is not None and (found.line, found.rule) == (1, "/name/*%20private*")


def test_header_hints_comments_and_empty_lines_are_read_over() -> None:
    denylist = listed(
        "version: 1", "name: A list", "hints:", "  hint: value", "---", "# comment", "", f"/ipfs/{PLAIN} a:b c:d"
    )
    assert denylist.rules == 1 and not denylist.bad and denies(denylist, PLAIN)
    found = denylist.ruling(Pin(parse_cid(PLAIN)))
    assert found is not None and found.line == 8, "lines are counted from the file's first"


def test_another_version_is_refused() -> None:
    with pytest.raises(Malformed, match="version '2'"):
        listed("version: 2", "---", f"/ipfs/{PLAIN}")


def test_bad_lines_are_named_and_the_others_count() -> None:
    denylist = listed(f"/ipfs/{PLAIN}", "/ipfs/nonsense", "nonsense", "//xyz", "/name/", "/ipns/", HASHED)
    assert [bad.line for bad in denylist.bad] == [2, 3, 4, 5, 6]
    assert denies(denylist, PLAIN) and denies(denylist, HASHED_V0) and denylist.bad_count == 5
    assert listed(*["nonsense"] * 100).bad_count == 100
    assert len(listed(*["nonsense"] * 100).bad) == limits.DENYLIST_FAULTS_KEPT
    assert parse([b"\xff\n"]).bad[0].reason == "it is not UTF-8"
    assert "2 MiB" in parse([b"/ipfs/" + bytes(limits.DENYLIST_LINE_BYTES_MAX)]).bad[0].reason


def test_what_looks_like_a_header_and_is_none_is_read_as_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pincrew.denylist.DENYLIST_HEADER_BYTES_MAX", 100)
    denylist = listed(*["# padding"] * 50, f"/ipfs/{PLAIN}", "---")
    assert denies(denylist, PLAIN) and [bad.line for bad in denylist.bad] == [52]


def test_of_several_lists_the_later_decide() -> None:
    first, second = listed(f"/ipfs/{PLAIN}", f"/ipfs/{OTHER}"), listed(f"!/ipfs/{PLAIN}")
    found = ruling([first, second], Pin(parse_cid(PLAIN)))
    assert found is not None and not found.denies
    found = ruling([first, second], Pin(parse_cid(OTHER)))
    assert found is not None and found.denies
    assert ruling([], Pin(parse_cid(OTHER))) is None


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_break_it(lines: list[bytes]) -> None:
    try:
        denylist = parse(line + b"\n" for line in lines)
    except Malformed:
        return
    denylist.ruling(Pin(parse_cid(PLAIN), "name"))


@given(st.text(max_size=40))
def test_no_text_after_a_known_start_breaks_it(text: str) -> None:
    for start in ("/ipfs/", "//", "!/ipfs/", "/name/", "/ipns/"):
        parse([f"{start}{text}\n".encode()]).ruling(Pin(parse_cid(PLAIN), text))
