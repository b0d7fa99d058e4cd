"""`python -m pincrew.ctl`: what the program named ipfs-cluster-ctl runs, which `pincrew compat install` writes."""

from __future__ import annotations

import os
import sys

from pincrew.ctl.app import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, "ipfs-cluster-ctl"))
