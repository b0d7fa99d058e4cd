"""The config document: what is written can be read, and everything else is refused in words."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew import domains, limits
from pincrew.config_document import parse, render
from pincrew.errors import Forged, Malformed, Misuse, NotAllowed, PeerFault
from pincrew.keys import SigningKey, peer_id
from pincrew.trust import TrustChain
from support.signers import CURATOR, OWNER, SECOND_CURATOR, STRANGER, chain, first, following

GOLDEN = Path(__file__).parent / "golden" / "config_document.toml"
PEERS = ("/ip4/203.0.113.7/tcp/4001/p2p/" + peer_id(CURATOR.public), "/dns4/crew.example.org/tcp/443/wss")
SECRET = bytes(range(32))


def document(signing_key: SigningKey = CURATOR, trust: TrustChain | None = None, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "name": "Archiv der Dinge",
        "revision": 7,
        "issued": 1_700_000_000,
        "peers": PEERS,
        "description": 'Two lines,\na "quote", a \\ and ünïcode.',
        "pins_hint": 185_905,
        "bytes_hint": 3_000_000_000_000,
        "silent_after_days": 14,
        **changes,
    }
    return render(signing_key, trust or chain(), **values)


def resigned(old: bytes, new: bytes, signing_key: SigningKey = CURATOR) -> bytes:
    """Return the usual document with a change, signed again."""
    signed = document().partition(b"[signature]")[0]
    assert old in signed
    return sealed(signed.replace(old, new, 1), signing_key)


def sealed(signed: bytes, signing_key: SigningKey = CURATOR) -> bytes:
    value = base64.b64encode(signing_key.sign(domains.CONFIG, signed)).decode()
    return signed + f'[signature]\npeer = "{peer_id(signing_key.public)}"\nvalue = "{value}"\n'.encode()


def test_a_document_is_byte_for_byte_what_it_always_was() -> None:
    assert document() == GOLDEN.read_bytes()


def test_what_is_written_is_read() -> None:
    read = parse(document())
    assert read.name == "Archiv der Dinge"
    assert read.description == 'Two lines,\na "quote", a \\ and ünïcode.'
    assert (read.revision, read.issued) == (7, 1_700_000_000)
    assert read.peers == PEERS
    assert (read.pins_hint, read.bytes_hint, read.silent_after_days) == (185_905, 3_000_000_000_000, 14)
    assert (read.sized_hint, parse(document(sized_hint=9)).sized_hint) == (None, 9)
    assert read.consensus == "crdt"
    assert read.cluster_id == first().hash
    assert read.trust == chain()
    assert read.signer == CURATOR.public
    assert read.raw == document()
    assert read.secret is None


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(name=st.text(max_size=40), description=st.text(max_size=200), revision=st.integers(0, 2**53))
def test_any_text_is_written_and_read_or_refused(name: str, description: str, revision: int) -> None:
    try:
        raw = document(name=name, description=description, revision=revision)
    except Misuse:
        return
    read = parse(raw)
    assert (read.name, read.description, read.revision) == (name, description, revision)


def test_an_owner_may_sign() -> None:
    assert parse(document(OWNER)).signer == OWNER.public


def test_a_stranger_publishes_nothing() -> None:
    with pytest.raises(NotAllowed, match="no curator"):
        document(STRANGER)


# ---- what is not a document ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is empty"),
        (b" \r\n", "is empty"),
        (b"\n<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\xef\xbb\xbf<html>", "web page"),
        (b'{"cluster": {"peername": "x"}}', "JSON"),
        (bytes(limits.CONFIG_DOCUMENT_BYTES_MAX + 1), "larger than 256 KiB"),
        (b"\xff\xfe\x00", "not one at all"),
        (b"just words", "not one at all"),
        (b"a = 1\n", "states no `format`"),
        (b"format = true\n", "states no `format`"),
        (b"format = 0\n", "states no `format`"),
        (b"format = 2\n", "format 2.*Upgrade pincrew"),
        (b"format = 1\n", "cut short"),
        (b"a = " + b"[" * 100_000, "not one at all"),
        (b"a = " + b"1" * 100_000, "not one at all"),
        (b"a." * 100_000 + b"a = 1", "absurd line"),
    ],
)
def test_what_is_not_a_document_is_named(raw: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        parse(raw)


def test_every_shorter_beginning_is_refused() -> None:
    raw = document()
    for length in range(len(raw)):
        with pytest.raises(Malformed):
            parse(raw[:length])


@given(position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_changed_byte_is_refused(position: int, flip: int) -> None:
    raw = bytearray(document())
    raw[position % len(raw)] ^= flip
    with pytest.raises(PeerFault):
        parse(bytes(raw))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_words(raw: bytes) -> None:
    with pytest.raises(PeerFault):
        parse(raw)


@pytest.mark.parametrize("tail", [b"\n", b" ", b"# later\n", b"x = 1\n", b"[more]\n", b"\0"])
def test_nothing_may_follow_the_signature(tail: bytes) -> None:
    with pytest.raises(Malformed):
        parse(document() + tail)


def test_windows_line_ends_are_refused() -> None:
    with pytest.raises(PeerFault):
        parse(document().replace(b"\n", b"\r\n"))


# ---- signatures ---------------------------------------------------------------------------------------------------


def test_document_changed_after_signing_is_refused() -> None:
    with pytest.raises(Forged, match="does not fit"):
        parse(document().replace(b"revision = 7", b"revision = 9"))


def test_document_signed_by_a_stranger_is_refused() -> None:
    with pytest.raises(Forged, match="no owner or curator"):
        parse(resigned(b"revision = 7", b"revision = 9", STRANGER))


def test_document_signed_by_a_revoked_curator_is_refused() -> None:
    revoked = chain().extended(following(first(), curators=[SECOND_CURATOR]))
    raw = document(SECOND_CURATOR, revoked)
    with pytest.raises(Forged, match="no owner or curator"):
        parse(sealed(raw.partition(b"[signature]")[0], CURATOR))


def test_document_with_a_signature_for_another_purpose_is_refused() -> None:
    signed = document().partition(b"[signature]")[0]
    value = base64.b64encode(CURATOR.sign(domains.TRUST, signed)).decode()
    tail = f'[signature]\npeer = "{peer_id(CURATOR.public)}"\nvalue = "{value}"\n'
    with pytest.raises(Forged, match="does not fit"):
        parse(signed + tail.encode())


def test_document_that_names_another_cluster_than_its_records_is_refused() -> None:
    with pytest.raises(Forged, match="another cluster"):
        parse(resigned(first().hash.hex().encode(), b"0" * 64))


def test_document_with_a_forged_trust_record_is_refused() -> None:
    forged = following(first(), STRANGER, curators=[STRANGER]).encode()
    line = f'trust = [\n    "{base64.b64encode(forged).decode()}",\n'.encode()
    record = base64.b64encode(first().encode())
    with pytest.raises(Forged, match="no owner"):
        parse(resigned(b"trust = [\n", b'trust = [\n    "' + record + b'",\n' + line.partition(b"\n")[2], STRANGER))


def test_document_with_a_fork_of_its_records_is_refused() -> None:
    one, other = following(first()), following(first(), curators=[CURATOR, STRANGER])
    lines = b"".join(b'    "' + base64.b64encode(r.encode()) + b'",\n' for r in (first(), one, other))
    signed = document().partition(b"[signature]")[0]
    start, end = signed.index(b"trust = ["), signed.index(b"]\npeers")
    with pytest.raises(Malformed, match="not one chain"):
        parse(sealed(signed[:start] + b"trust = [\n" + lines + signed[end:]))


def test_document_whose_records_start_late_is_refused() -> None:
    line = b'    "' + base64.b64encode(following(first()).encode()) + b'",\n'
    signed = document().partition(b"[signature]")[0]
    start, end = signed.index(b"trust = ["), signed.index(b"]\npeers")
    with pytest.raises(Malformed, match="starts with record 1"):
        parse(sealed(signed[:start] + b"trust = [\n" + line + signed[end:]))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[]", "no trust records"),
        ("5", "no trust records"),
        ('""', "no trust records"),
        ("[" + '"",' * 1001 + "]", "no trust records"),
        ("[5]", "not base64"),
        ('["!"]', "not base64"),
        ('["ü"]', "not base64"),
        ('[""]', "not CBOR"),
    ],
)
def test_document_without_sound_records_is_refused(value: str, words: str) -> None:
    signed = document().partition(b"[signature]")[0]
    start, end = signed.index(b"trust = ["), signed.index(b"\npeers")
    with pytest.raises(Malformed, match=words):
        parse(sealed(signed[:start] + f"trust = {value}".encode() + signed[end:]))


# ---- fields -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"revision = 7", b"revision = -1", "revision"),
        (b"revision = 7", b"revision = 7.0", "revision"),
        (b"revision = 7", b"revision = true", "revision"),
        (b"revision = 7\n", b"", "revision"),
        (b"name = \"Archiv der Dinge\"", b"name = 5", "name"),
        (b"Archiv der Dinge", b"\\u001b[2Jgone", "name"),
        (b"Archiv der Dinge", b"  ", "name"),
        (b"Archiv der Dinge", b"x" * 200, "name"),
        (b"Two lines", b"\\u001b]0;title\\u0007", "description"),
        (b"2023-11-14T22:13:20Z", b"2023-11-14T22:13:20", "issued"),
        (b"2023-11-14T22:13:20Z", b'"now"', "issued"),
        (b"/dns4/", b"dns4/", "peers"),
        (b"/dns4/", b"/dns4 /", "peers"),
        (b"pins_hint = 185905", b"pins_hint = -5", "pins_hint"),
        (b'consensus = "crdt"', b"consensus = 1", "consensus"),
        (b'consensus = "crdt"', b'consensus = "crdt"\nsecret = "00"', "secret"),
        (b'consensus = "crdt"', b'consensus = "crdt"\nsecret = "' + b"00" * 32 + b'"', "open cluster"),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_form_is_named(old: bytes, new: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        parse(resigned(old, new))


def test_too_many_peers_are_refused() -> None:
    with pytest.raises(Misuse, match="at most 64"):
        document(peers=["/ip4/1.2.3.4/tcp/1"] * 65)


def test_keys_of_later_versions_are_ignored() -> None:
    read = parse(resigned(b"\n\n", b'\nlater = "x"\n\n[later_table]\ny = 1\n\n'))
    assert read.revision == 7


def test_another_consensus_is_read_and_left_to_the_reader() -> None:
    assert parse(resigned(b'"crdt"', b'"raft"')).consensus == "raft"


# ---- the key of a closed cluster ----------------------------------------------------------------------------------


def test_the_network_key_is_not_published_unless_forced() -> None:
    closed = chain(first(is_open=False))
    with pytest.raises(NotAllowed, match="private network key"):
        document(trust=closed, secret=SECRET)
    assert parse(document(trust=closed, secret=SECRET, is_secret_forced=True)).secret == SECRET


def test_the_network_key_is_in_no_text_about_the_document() -> None:
    closed = chain(first(is_open=False))
    assert SECRET.hex() not in repr(parse(document(trust=closed, secret=SECRET, is_secret_forced=True)))


def test_an_open_cluster_has_no_network_key() -> None:
    with pytest.raises(Misuse, match="open cluster"):
        document(secret=SECRET, is_secret_forced=True)
