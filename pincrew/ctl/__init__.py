"""ipfs-cluster-ctl's grammar, outputs and exit codes: a client of ipfs-cluster's REST API, pincrew's or Go's alike."""
