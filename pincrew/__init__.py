"""pincrew: keep data sets alive on IPFS together."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pincrew.embedding import Peer as Peer

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import ``Peer`` when it is asked for: with it come libp2p and pycrdt, for which no command waits."""
    if name == "Peer":
        from pincrew.embedding import Peer

        return Peer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
