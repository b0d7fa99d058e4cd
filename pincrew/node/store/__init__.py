"""Blocks and pins in one SQLite file: kept whole, counted against a limit, and collected when nobody needs them."""

from pincrew.node.store.block_store import Block, BlockStore, Present, Verified
from pincrew.node.store.collecting import Collected, Collection, Phase
from pincrew.node.store.keeping import Lease
from pincrew.node.store.pins import Pin, PinRemoved, Pins
from pincrew.node.store.store_file import Room

__all__ = [
    "Block",
    "BlockStore",
    "Collected",
    "Collection",
    "Lease",
    "Phase",
    "Pin",
    "PinRemoved",
    "Pins",
    "Present",
    "Room",
    "Verified",
]
