"""Who stands in the doorway: connections that came in and have not proved yet who is there.

Each holds one of the slots for connections until its handshake is over or ``UPGRADE_TIMEOUT_S`` has passed. Whoever
opens new ones quickly enough would hold them all for ever; so one address has only so many at a time, and the next is
closed at once. Of IPv6 the /64 counts, which is what one machine gets. This machine itself (a proxy, a tunnel) may have
any number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address

from pincrew import limits

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", ""})


class Doorway:
    """Counts by address. Pure: it knows nothing of sockets."""

    def __init__(self) -> None:
        self._standing: Counter[str] = Counter()

    def has_room(self, address: str) -> bool:
        """Say whether there may be one more of this address."""
        origin = _origin(address)
        return origin in _THIS_MACHINE or self._standing[origin] < limits.HALF_OPEN_PER_ADDRESS_MAX

    @contextmanager
    def entering(self, address: str) -> Iterator[None]:
        """Stand in the doorway for as long as the block."""
        origin = _origin(address)
        self._standing[origin] += 1
        try:
            yield
        finally:
            self._standing[origin] -= 1
            if not self._standing[origin]:
                del self._standing[origin]


def _origin(address: str) -> str:
    """Return what counts as one: an IPv4 address, or the network of an IPv6 one. "" where it is unknown."""
    if not address:
        return ""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if isinstance(ip, IPv6Address) and not ip.is_loopback:
        return str(IPv6Address(int(ip) >> 64 << 64))
    return str(ip)
