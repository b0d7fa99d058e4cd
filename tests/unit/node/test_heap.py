"""All threads of the node take their memory from one heap, where the C library has several."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import ctypes, sys, threading
from pincrew.node.heap import settle_heap
if sys.argv[1] == "shared":
    settle_heap()
together, done = threading.Barrier(8), threading.Barrier(9)
def hold():
    held = [bytes(50_000) for _ in range(100)]
    together.wait()
    done.wait()
for _ in range(8):
    threading.Thread(target=hold, daemon=True).start()
done.wait()
library = ctypes.CDLL(None)
if hasattr(library, "malloc_info"):
    library.fdopen.restype = ctypes.c_void_p
    library.malloc_info(0, ctypes.c_void_p(library.fdopen(1, b"w")))
    library.fflush(None)
else:
    print("no arenas")
"""


def _arenas(mode: str) -> int | None:
    """Return how many heaps a process with eight busy threads has; None without glibc."""
    said = subprocess.run([sys.executable, "-c", _PROGRAM, mode], check=True, stdout=subprocess.PIPE).stdout
    return None if b"no arenas" in said else said.count(b"<heap nr=")


def test_threads_share_one_heap() -> None:
    assert _arenas("shared") in (1, None)
    assert _arenas("own") != 1
