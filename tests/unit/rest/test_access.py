"""Who may do what, as a table."""

from __future__ import annotations

import base64

import pytest

from pincrew.errors import NotAllowed
from pincrew.rest.access import (
    EVERYBODY,
    GRANTED,
    NOBODY,
    Caller,
    Scope,
    Token,
    Unknown,
    check,
    digest,
    identify,
    user_of,
)

NOW = 1_000_000
USERS = [user_of("ana:pass:word"), user_of("bo:secret")]
TOKENS = [
    Token("a1", "", Scope.READ, 0, None, digest(b"pct_read")),
    Token("b2", "", Scope.PIN, 0, NOW + 1, digest(b"pct_pin")),
    Token("c3", "", Scope.ADMIN, 0, NOW, digest(b"pct_over")),
]


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        (basic("ana:pass:word"), Caller(Scope.ADMIN, user="ana")),
        (basic("bo:secret").replace("Basic", "bAsIc"), Caller(Scope.ADMIN, user="bo")),
        ("Bearer pct_read", Caller(Scope.READ, token="a1")),
        ("bearer  pct_pin ", Caller(Scope.PIN, token="b2")),
    ],
)
def test_who_is_known(header: str, caller: Caller) -> None:
    assert identify(header, USERS, TOKENS, NOW) == caller


DENIED, INVALID, NONE = (f"unauthorized: {words}" for words in ("access denied", "invalid token", "no auth provided"))
BASIC = 'Basic realm="Restricted IPFS Cluster API"'
BEARER = 'Bearer realm="Restricted IPFS Cluster API"'


@pytest.mark.parametrize(
    ("header", "message", "challenges"),
    [
        (basic("ana:pass"), DENIED, (BASIC,)),
        (basic("ana:"), DENIED, (BASIC,)),
        (basic(":secret"), DENIED, (BASIC,)),
        (basic(":"), DENIED, (BASIC,)),
        (basic("ANA:pass:word"), DENIED, (BASIC,)),
        (basic("pct_read:"), DENIED, (BASIC,)),
        ("Bearer pct_over", INVALID, (f'{BEARER}, error="invalid_token"',)),
        ("Bearer pct_nobody", INVALID, (f'{BEARER}, error="invalid_token"',)),
        ("Bearer ", INVALID, (f'{BEARER}, error="invalid_token"',)),
        ("Bearer secret", INVALID, (f'{BEARER}, error="invalid_token"',)),
        ("Bearer " + digest(b"pct_read").hex(), INVALID, (f'{BEARER}, error="invalid_token"',)),
        ("", NONE, (BEARER, BASIC)),
        ("Basic", NONE, (BEARER, BASIC)),
        ("Basic ana:pass:word", NONE, (BEARER, BASIC)),
        ("Basic \xff\xfe", NONE, (BEARER, BASIC)),
        ("Basic " + base64.b64encode(b"ana").decode(), NONE, (BEARER, BASIC)),
        ("Digest username=ana", NONE, (BEARER, BASIC)),
        ("pct_read", NONE, (BEARER, BASIC)),
    ],
)
def test_who_is_not(header: str, message: str, challenges: tuple[str, ...]) -> None:
    assert identify(header, USERS, TOKENS, NOW) == Unknown(message, challenges)


def test_bytes_that_are_no_text_are_compared_too() -> None:
    users = [user_of("ana:pässword")]
    assert identify(basic("ana:pässword"), users, [], NOW) == Caller(Scope.ADMIN, user="ana")
    assert isinstance(identify("Bearer \xff", users, TOKENS, NOW), Unknown)


def test_nobody_is_known_where_nobody_is_there() -> None:
    for header in ("", basic("ana:pass:word"), "Bearer pct_read"):
        assert isinstance(identify(header, [], [], NOW), Unknown)


def test_the_later_scope_contains_the_earlier() -> None:
    scopes = list(Scope)
    for i, have in enumerate(scopes):
        for j, need in enumerate(scopes):
            assert have.covers(need) is (i >= j)
    assert GRANTED == (Scope.READ, Scope.PIN, Scope.ADMIN)


@pytest.mark.parametrize("scope", GRANTED)
def test_a_scope_that_is_too_small_is_named(scope: Scope) -> None:
    caller = Caller(scope, token="a1")
    for need in Scope:
        if scope.covers(need):
            check(caller, need, is_follower=False)
        else:
            with pytest.raises(NotAllowed, match=f"scope `{scope}`.*`{need}`"):
                check(caller, need, is_follower=False)
    with pytest.raises(NotAllowed):
        check(NOBODY, Scope.READ, is_follower=False)


@pytest.mark.parametrize("caller", [EVERYBODY, Caller(Scope.ADMIN, user="ana"), Caller(Scope.ADMIN, token="c3")])
def test_at_a_follower_everybody_only_reads(caller: Caller) -> None:
    check(caller, Scope.FREE, is_follower=True)
    check(caller, Scope.READ, is_follower=True)
    for need in (Scope.PIN, Scope.ADMIN):
        with pytest.raises(NotAllowed, match="follows the cluster"):
            check(caller, need, is_follower=True)


def test_secrets_are_in_no_text() -> None:
    shown = repr([USERS, TOKENS])
    assert "pass" not in shown and digest(b"pct_read").hex() not in shown and repr(digest(b"pct_read")) not in shown
