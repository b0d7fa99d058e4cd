"""The network edge: the only door to other peers, and the only importer of libp2p outside ``node/``."""

from pincrew.network.contract import Connection, Handlers, NetworkConfig, PeerUnreachable, Verdict
from pincrew.network.network import Network
from pincrew.network.requests import NoAnswer
from pincrew.network.streams import FrameStream, StreamClosed

__all__ = [
    "Connection",
    "FrameStream",
    "Handlers",
    "Network",
    "NetworkConfig",
    "NoAnswer",
    "PeerUnreachable",
    "StreamClosed",
    "Verdict",
]
