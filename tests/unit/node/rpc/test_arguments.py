"""Arguments and options as Kubo reads them."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.cid import cid_text, parse_cid
from pincrew.node.rpc.arguments import Arguments, Form, Refused, path_of, seconds_of

CID = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"


def test_options_have_their_kubo_names_and_short_ones() -> None:
    arguments = Arguments("r=true&n=-3&name=a%20b&q", Form(short={"r": "recursive", "n": "depth"}))
    assert arguments.flag("recursive") and not arguments.flag("absent") and arguments.flag("absent", default=True)
    assert arguments.number("depth", 0) == -3 and arguments.number("absent", 7) == 7
    assert arguments.text("name") == "a b" and arguments.flag("q")


@pytest.mark.parametrize(
    ("query", "read", "sentence"),
    [
        ("x=maybe", lambda a: a.flag("x"), 'could not convert value "maybe" to type "bool" (for option "-x")'),
        ("x=ten", lambda a: a.number("x", 0), 'could not convert value "ten" to type "int" (for option "-x")'),
        ("timeout=soon", lambda a: a.timeout_s, 'could not convert value "soon" to type "duration"'),
    ],
)
def test_values_of_the_wrong_kind_are_refused(query: str, read: object, sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        read(Arguments(query, Form()))  # type: ignore[operator]
    assert refusal.value.message.startswith(sentence) and refusal.value.http_status == 400


def test_what_is_missing_is_named_as_kubo_does() -> None:
    with pytest.raises(Refused, match='argument "from-path" is required'):
        Arguments("", Form(arguments=("from-path", "to-path")))
    with pytest.raises(Refused, match='argument "to-path" is required'):
        Arguments("arg=x", Form(arguments=("from-path", "to-path")))
    with pytest.raises(Refused, match='argument "ipfs-path" is required'):
        Arguments("", Form(arguments=("ipfs-path...",)))
    Arguments("", Form(arguments=("[peerid]",)))


def test_what_would_change_the_outcome_is_refused_rather_than_ignored() -> None:
    form = Form(unsupported=("trickle",))
    Arguments("trickle=false&nonsense=1", form)
    with pytest.raises(Refused, match="trickle"):
        Arguments("trickle=true", form)


def test_too_many_arguments() -> None:
    with pytest.raises(Refused):
        Arguments("&".join(["arg=x"] * 1_001), Form())


@pytest.mark.parametrize(("text", "seconds"), [("300ms", 0.3), ("1m30s", 90), ("1.5h", 5_400), ("0", 0), ("2us", 2e-6)])
def test_durations(text: str, seconds: float) -> None:
    assert math.isclose(seconds_of("timeout", text), seconds)
    assert Arguments("", Form()).timeout_s == math.inf


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "-1s", "1s ", "1s2"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Refused):
        seconds_of("timeout", text)


@pytest.mark.parametrize("text", [CID, f"/ipfs/{CID}", f"ipfs://{CID}", f"/ipfs/{CID}/"])
def test_paths(text: str) -> None:
    path = path_of(text)
    assert cid_text(path.cid) == CID and path.below == "" and path.text == text
    assert path_of(f"{CID}/a/b c").below == "a/b c"
    assert path_of(f"{CID}/a").cid == parse_cid(CID)


def test_what_is_no_path() -> None:
    with pytest.raises(Refused) as refusal:
        path_of("nonsense")
    assert refusal.value.message == 'invalid path "nonsense": path does not have enough components'
    with pytest.raises(Refused, match="resolves no names"):
        path_of("/ipns/example.org")


@given(st.text(max_size=80))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    with contextlib.suppress(Refused):
        path_of(text)
