"""The tables of the block store, and their version.

`blocks.id` rises and is never used twice while a process has the file open: "what came after that moment" is then a
comparison of numbers, and a set of blocks is a set of bits. `lost` are multihashes that a pin needs and that were found
damaged or missing here. `fetching.time` is when a call last was at work on that pin, in seconds of the Unix clock.
"""

from __future__ import annotations

SCHEMA_VERSION = 1

# Measured for pages of 4 to 32 KiB: large blocks are written and read at the same speed from 8 KiB on, and every commit
# of small ones writes whole pages of the index, so that with 16 KiB a large store takes half as many of them a second.
PAGE_BYTES = 8_192

CREATE = """
CREATE TABLE blocks (id INTEGER PRIMARY KEY, multihash BLOB NOT NULL UNIQUE, data BLOB NOT NULL);
CREATE TABLE pins (cid BLOB PRIMARY KEY, recursive INTEGER NOT NULL, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE fetching (
    cid BLOB PRIMARY KEY, recursive INTEGER NOT NULL, name TEXT NOT NULL, time INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE lost (id INTEGER PRIMARY KEY, multihash BLOB NOT NULL UNIQUE)
"""

# Columns as what they are meant to be: a damaged byte may have made one a number, a text or nothing.
MULTIHASH = "coalesce(CAST(multihash AS BLOB), x'')"
DATA = "coalesce(CAST(data AS BLOB), x'')"
CID = "coalesce(CAST(cid AS BLOB), x'')"
NAME = "coalesce(CAST(name AS TEXT), '')"
NUMBER = "max(coalesce(CAST(id AS INTEGER), 0), 0)"
