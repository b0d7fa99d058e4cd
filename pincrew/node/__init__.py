"""A small IPFS node: blocks, Bitswap, UnixFS, pins and Kubo's RPC shapes, on py-libp2p's host."""
