"""A brake on who guesses passwords: so many wrong ones from an address in a minute, then none is looked at. Pure.

Only passwords are braked: nobody guesses a token, which is 32 random bytes, so that who has a right one is never kept
waiting. What was right costs nothing, and one that is shown again no more than once: a script with the password of
yesterday does not guess. The right password waits with the wrong ones, or guessing would go on.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from pincrew import limits

_WINDOW_MS = int(limits.GUESS_WINDOW_S * 1_000)


class Brake:
    """Counts by address. The table is bounded: of many addresses those that failed last are known."""

    def __init__(self, key: bytes) -> None:
        """``key`` is random, so that what is kept of guesses says nothing of them."""
        # By address: since when, and the keyed hashes of what was wrong.
        self._failures: OrderedDict[str, tuple[int, set[bytes]]] = OrderedDict()
        self._key = key

    def failed(self, address: str, guess: str, now_ms: int) -> None:
        """Note that ``guess``, which came from an address, was wrong."""
        origin = _origin(address)
        since, guesses = self._failures.pop(origin, (now_ms, set()))
        if not since <= now_ms < since + _WINDOW_MS:
            since, guesses = now_ms, set()
        guesses.add(hashlib.blake2b(guess.encode(errors="surrogateescape"), digest_size=16, key=self._key).digest())
        self._failures[origin] = (since, guesses)
        if len(self._failures) > limits.GUESSING_ADDRESSES_MAX:
            self._failures.popitem(last=False)

    def wait_s(self, address: str, now_ms: int) -> int:
        """Return for how many seconds no password of an address is looked at; 0: they are."""
        since, guesses = self._failures.get(_origin(address), (0, set()))
        if len(guesses) < limits.GUESSES_MAX or not since <= now_ms < since + _WINDOW_MS:
            return 0
        return -(-(since + _WINDOW_MS - now_ms) // 1_000)


def _origin(address: str) -> str:
    """Return what counts as one: an IPv4 address, or the network of an IPv6 one, which is what one machine gets."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if isinstance(ip, IPv6Address):
        return str(IPv6Address(int(ip) >> 64 << 64))
    return str(ip)
