"""A brake on who guesses passwords: so many wrong ones from an address in a minute, then none is looked at. Pure.

Only passwords are braked: nobody guesses a token, which is 32 random bytes, so that who has a right one is never kept
waiting. What was right costs nothing. The right password waits with the wrong ones, or guessing would go on.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import IPv6Address, ip_address

from pincrew import limits

_WINDOW_MS = int(limits.GUESS_WINDOW_S * 1_000)


class Brake:
    """Counts by address. The table is bounded: of many addresses those that failed last are known."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[int, int]] = OrderedDict()  # by address: since when, how many

    def failed(self, address: str, now_ms: int) -> None:
        """Note that what came from an address was wrong."""
        origin = _origin(address)
        since, count = self._failures.pop(origin, (now_ms, 0))
        if not since <= now_ms < since + _WINDOW_MS:
            since, count = now_ms, 0
        self._failures[origin] = (since, count + 1)
        if len(self._failures) > limits.GUESSING_ADDRESSES_MAX:
            self._failures.popitem(last=False)

    def wait_s(self, address: str, now_ms: int) -> int:
        """Return for how many seconds no password of an address is looked at; 0: they are."""
        since, count = self._failures.get(_origin(address), (0, 0))
        if count < limits.GUESSES_MAX or not since <= now_ms < since + _WINDOW_MS:
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
