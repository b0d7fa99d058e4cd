"""Who may do what over ipfs-cluster's REST API: decided from what a request shows, without clock, disk or socket.

Scopes contain each other: who may change everything may pin, and who may pin may read. Nobody's secret is kept here:
users and tokens are known by SHA-256 alone, and every one is compared, each in constant time, before anything is said.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from pincrew.errors import NotAllowed

TOKEN_PREFIX = "pct_"
_REALM = 'realm="Restricted IPFS Cluster API"'
_BASIC = f"Basic {_REALM}"
_BEARER = f"Bearer {_REALM}"


class Scope(StrEnum):
    """What a route needs, and what its caller has; the later contains the earlier."""

    FREE = "free"
    READ = "read"
    PIN = "pin"
    ADMIN = "admin"

    def covers(self, need: Scope) -> bool:
        """Say whether who has this may do what needs ``need``."""
        order = list(Scope)
        return order.index(self) >= order.index(need)


# What a token can have.
GRANTED = (Scope.READ, Scope.PIN, Scope.ADMIN)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password; ``sha256`` is that of `name:password`."""

    name: str
    sha256: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token without its text. Times are Unix milliseconds; one that ``expires`` never has none."""

    id: str
    name: str
    scope: Scope
    created: int
    expires: int | None
    sha256: bytes = field(repr=False)

    def is_expired(self, now_ms: int) -> bool:
        """Say whether its time is over."""
        return self.expires is not None and self.expires <= now_ms


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. ``user`` is the name of one who showed a password; ``token`` the id of the token that was shown."""

    scope: Scope
    user: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody that is known, in ipfs-cluster's words; ``challenges`` are the WWW-Authenticate headers."""

    message: str
    challenges: tuple[str, ...]


# Who is not asked for anything may do everything.
EVERYBODY = Caller(Scope.ADMIN)
NOBODY = Caller(Scope.FREE)


def user_of(credentials: str) -> User:
    """Return the user of `name:password`."""
    return User(credentials.partition(":")[0], digest(credentials.encode()))


def digest(secret: bytes) -> bytes:
    """Return what is kept of a secret: it is long and random, or compared alone, so that no salt is needed."""
    return hashlib.sha256(secret).digest()


def identify(header: str, users: Iterable[User], tokens: Iterable[Token], now_ms: int) -> Caller | Unknown:
    """Return who shows this Authorization header."""
    scheme, _, shown = header.strip().partition(" ")
    if scheme.lower() == "basic" and (credentials := _basic(shown)) is not None:
        name, _, password = credentials.partition(b":")
        hashed = digest(credentials)
        fitting = [user for user in users if hmac.compare_digest(user.sha256, hashed)]
        if fitting and name and password:
            return Caller(Scope.ADMIN, user=fitting[0].name)
        return Unknown("unauthorized: access denied", (_BASIC,))
    if scheme.lower() == "bearer":
        hashed = digest(shown.strip().encode())
        found = [token for token in tokens if hmac.compare_digest(token.sha256, hashed)]
        if found and not found[0].is_expired(now_ms):
            return Caller(found[0].scope, token=found[0].id)
        return Unknown("unauthorized: invalid token", (f'{_BEARER}, error="invalid_token"',))
    return Unknown("unauthorized: no auth provided", (_BEARER, _BASIC))


def shows_password(header: str) -> bool:
    """Say whether an Authorization header shows a user's password."""
    return header.strip().partition(" ")[0].lower() == "basic"


def _basic(shown: str) -> bytes | None:
    try:
        credentials = base64.b64decode(shown.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return credentials if b":" in credentials else None


def check(caller: Caller, need: Scope, *, is_follower: bool) -> None:
    """Refuse what a caller may not do. Raises NotAllowed.

    ``is_follower``: the peer only follows, where nobody from outside may do more than read, whatever they have.
    """
    if is_follower and not Scope.READ.covers(need):
        raise NotAllowed("This peer follows the cluster: others may only read here")
    if not caller.scope.covers(need):
        raise NotAllowed(f"This token has the scope `{caller.scope}`: that needs the scope `{need}`")
