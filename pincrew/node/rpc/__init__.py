"""Kubo's RPC, spoken by the embedded node: the commands that a pinning tool needs, with Kubo's shapes and sentences."""

from pincrew.node.rpc.server import build_rpc

__all__ = ["build_rpc"]
