"""pincrew: keep data sets alive on IPFS together."""

__version__ = "0.1.0"
