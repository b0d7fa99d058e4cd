"""A guest's manners towards the machine: the node yields processor and disk to whatever else its user runs.

Where nothing else wants them it is as fast as ever. On the disk it takes the last turn of the usual class, and not the
idle class: that one gets nothing at all as long as anybody else reads or writes, and a fetch would be given up.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

from pincrew.errors import PincrewError
from pincrew.limits import NODE_NICENESS
from pincrew.node_address import NodeKind
from pincrew.node_finding import kind_of
from pincrew.paths import Home
from pincrew.settings import NodePriority, Role, Settings
from pincrew.settings_files import load_cluster

# linux/ioprio.h, and the call's number (asm/unistd.h), for which the C library has no name.
_WHO_PROCESS = 1
_LAST_OF_THE_USUAL_CLASS = 2 << 13 | 7
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "riscv64": 30, "armv7l": 314, "i686": 289, "ppc64le": 273, "s390x": 282}


def is_low(wish: NodePriority, home: Home, settings: Settings) -> bool:
    """Say whether the node yields to others: unless its user says otherwise, where no curator's cluster is on it."""
    if wish is not NodePriority.AUTO:
        return wish is NodePriority.LOW
    for paths in home.joined():
        try:
            local = load_cluster(paths.settings)
        except PincrewError:  # its own start says so
            continue
        if local.role is Role.CURATOR and kind_of(local.ipfs or settings.ipfs) is NodeKind.EMBEDDED:
            return False
    return True


def yield_to_others() -> None:
    """Lower this process's priorities for good. Call it before the first thread is started: each has its own.

    On the disk only Linux can be told, and there some schedulers of disks do not listen.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(NODE_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
    number = _IOPRIO_SET.get(platform.machine())
    if sys.platform == "linux" and number is not None:
        ctypes.CDLL(None).syscall(number, _WHO_PROCESS, 0, _LAST_OF_THE_USUAL_CLASS)
