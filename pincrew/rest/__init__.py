"""The REST API of ipfs-cluster."""
