"""Bitswap 1.2: blocks from and to other IPFS nodes. ``exchange`` does what the pure ``wants`` and ``ledger`` decide."""
