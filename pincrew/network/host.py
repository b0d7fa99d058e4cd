"""Puts a libp2p host together, a cluster's or a node's; every choice is said, none left to the library's defaults."""

from __future__ import annotations

from collections.abc import Callable

from libp2p.crypto.ed25519 import Ed25519PrivateKey
from libp2p.crypto.keys import KeyPair
from libp2p.crypto.x25519 import create_new_key_pair as create_noise_pair
from libp2p.network.config import ConnectionConfig
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStore
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as NoiseTransport
from libp2p.stream_muxer.yamux.yamux import PROTOCOL_ID as YAMUX
from libp2p.transport.manager import TransportManager
from libp2p.transport.tcp.tcp import TCP
from libp2p.transport.websocket.transport import WebsocketTransport

from pincrew import limits
from pincrew.keys import SigningKey
from pincrew.network.hardening import GuardedHost, GuardedSwarm
from pincrew.network.muxing import GuardedUpgrader, GuardedYamux


def build_host(key: SigningKey, flooded: Callable[[str], None], *, secret: bytes | None = None) -> GuardedHost:
    """Return a host that does not listen yet; ``flooded`` hears of peers that open too many streams.

    ``secret`` is the private network key of a closed cluster. TCP and WebSocket, noise and nothing else to encrypt, our
    yamux and nothing else to multiplex.
    """
    private = Ed25519PrivateKey.from_bytes(key.seed)
    pair = KeyPair(private, private.get_public_key())
    me = ID.from_pubkey(pair.public_key)
    store = PeerStore()
    store.add_key_pair(me, pair)
    upgrader = GuardedUpgrader(
        {NOISE: NoiseTransport(pair, noise_privkey=create_noise_pair().private_key)},
        {YAMUX: GuardedYamux},
        negotiate_timeout=int(limits.NEGOTIATION_TIMEOUT_S),
    )
    connections = ConnectionConfig(
        max_connections=limits.CONNECTIONS_MAX,
        # The library's own pruner and connector stay idle.
        high_watermark=limits.CONNECTIONS_MAX,
        low_watermark=0,
        min_connections=0,
        max_connections_per_peer=limits.CONNECTIONS_PER_PEER_MAX,
        dial_timeout=limits.DIAL_TIMEOUT_S,
        inbound_upgrade_timeout=limits.UPGRADE_TIMEOUT_S,
        outbound_upgrade_timeout=limits.UPGRADE_TIMEOUT_S,
        inbound_stream_protocol_negotiation_timeout=limits.NEGOTIATION_TIMEOUT_S,
        outbound_stream_protocol_negotiation_timeout=limits.NEGOTIATION_TIMEOUT_S,
        # Our yamux pings by itself, without a stream for each probe.
        enable_health_monitoring=False,
    )
    swarm = GuardedSwarm(
        me,
        store,
        upgrader,
        transports=[TCP(), WebsocketTransport(upgrader)],
        connection_config=connections,
        psk=secret.hex() if secret is not None else None,
        transport_manager=TransportManager(),
    )
    return GuardedHost(swarm, flooded)
