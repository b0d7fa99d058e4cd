"""The C library's heap, for a process whose threads hand large buffers to one another.

glibc gives each thread a heap of its own (an arena). A block of 2 MiB is read in one thread, hashed in a second and let
go in a third: every arena grows to the most that its thread ever held, and none gives anything back. So all threads
share one; as its pages are warm it is faster, too. And once a large buffer was let go, glibc takes buffers of that size
from the heap, where small ones that live longer end up between them. So large ones are always maps of their own, which
end when they are let go: what the process holds is then what is in use. Blocks of the usual 256 KiB are not large.
"""

from __future__ import annotations

import ctypes

from pincrew.limits import HEAP_FREE_BYTES_MAX, HEAP_LARGE_BYTES

# malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def settle_heap() -> bool:
    """Keep the heap as small as what is in use, and say whether that was possible: only glibc can be told.

    Call it before the first thread is started: threads keep the arena that they have.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or none that can be looked into
        return False
    told = ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, HEAP_LARGE_BYTES), (_M_TRIM_THRESHOLD, HEAP_FREE_BYTES_MAX))
    return sum(int(mallopt(option, value)) for option, value in told) == len(told)
