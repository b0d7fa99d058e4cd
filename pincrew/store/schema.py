"""The tables of `state.db`, version by version.

- `sessions`, `dependencies`, `shard_puts`, `log`, `evidence`, `trust`: the replicated history, as the gate needs it.
- `bases`: the base in force and the headers of some before it. `sessions.cut` and `shard_puts.base` say what of a
  session lies within the base in force; `base_records` keeps the record of a row of that base that no longer holds,
  so that the base can be served whole without a second copy of the list.
- `items`: every put beyond the cut of the base in force, living or dead, and each key's row in that base, clustered
  by shard and key. A key's document is rebuilt from its items in the order of `item`, which is the order in which
  this replica applied them and therefore a causal one. `pin` is the row that the put's record became, where it is
  the key's winner. `deletes`: the targets of deletes, as far back.
- `reissues`: own envelopes that a base made void, until they are written again.
- `pins`: the rows that users see, and this peer's progress with each. `change` rises with each change of a row, so
  that the tracker, with its own cursor, cannot lose one.
- `removed`: keys whose row went away and of which the tracker has not heard; `leaving`: keys that this peer may still
  hold although their row went away or names other peers, or is not kept here any more; `size` counts for the limit.
- `choices`: what the user said of single pins: to skip one, or to fetch one next.
- `counters`: pins and bytes by state, kept by every writer and never computed by scans.

Rows in `pins` are in order of arrival and their indexes are narrow, because a million random inserts into wide ones
is what a million pins cost.
"""

from __future__ import annotations

SCHEMA_VERSION = 2
SCHEMA_VERSION_OLDEST = 1

CREATE = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE trust (n INTEGER PRIMARY KEY, record BLOB NOT NULL);
CREATE TABLE sessions (
    sid INTEGER PRIMARY KEY,
    author BLOB NOT NULL,
    nonce BLOB NOT NULL,
    client INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    stopped TEXT,
    seen_ms INTEGER NOT NULL,
    cut INTEGER NOT NULL DEFAULT 0,
    cut_hash BLOB NOT NULL DEFAULT x'',
    UNIQUE (author, nonce)
);
CREATE TABLE dependencies (
    sid INTEGER NOT NULL, dep INTEGER NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (sid, dep)
) WITHOUT ROWID;
CREATE TABLE shard_puts (
    sid INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    puts INTEGER NOT NULL,
    base INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (shard, sid)
) WITHOUT ROWID;
CREATE INDEX shard_puts_sid ON shard_puts (sid);
CREATE TABLE bases (
    n INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL,
    cut BLOB NOT NULL,
    cut_hash BLOB NOT NULL,
    shards BLOB NOT NULL,
    shards_hash BLOB NOT NULL,
    adopted_ms INTEGER NOT NULL
);
CREATE TABLE reissues (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE base_records (
    shard INTEGER NOT NULL, cid BLOB NOT NULL, record BLOB NOT NULL, PRIMARY KEY (shard, cid)
) WITHOUT ROWID;
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    sid INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    body BLOB NOT NULL,
    signature BLOB
);
CREATE UNIQUE INDEX log_number ON log (sid, number);
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY,
    sid INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL,
    signature BLOB,
    seen_ms INTEGER NOT NULL
);
CREATE TABLE items (
    shard INTEGER NOT NULL,
    cid BLOB NOT NULL,
    sid INTEGER NOT NULL,
    n INTEGER NOT NULL,
    number INTEGER NOT NULL,
    origin_sid INTEGER,
    origin_n INTEGER,
    item INTEGER NOT NULL,
    pin INTEGER,
    PRIMARY KEY (shard, cid, sid, n)
) WITHOUT ROWID;
CREATE TABLE deletes (
    shard INTEGER NOT NULL,
    cid BLOB NOT NULL,
    sid INTEGER NOT NULL,
    number INTEGER NOT NULL,
    target_sid INTEGER NOT NULL,
    target_n INTEGER NOT NULL,
    PRIMARY KEY (shard, cid, sid, number, target_sid, target_n)
) WITHOUT ROWID;
CREATE TABLE pins (
    id INTEGER PRIMARY KEY,
    cid BLOB NOT NULL,
    record BLOB NOT NULL,
    sid INTEGER NOT NULL,
    n INTEGER NOT NULL,
    change INTEGER NOT NULL,
    name TEXT NOT NULL,
    added INTEGER NOT NULL,
    state INTEGER NOT NULL,
    size INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try INTEGER,
    cause TEXT,
    error TEXT,
    bytes_done INTEGER,
    blocks_done INTEGER,
    updated INTEGER NOT NULL,
    checked INTEGER
);
CREATE UNIQUE INDEX pins_change ON pins (change);
CREATE INDEX pins_name ON pins (name);
CREATE INDEX pins_added ON pins (added);
CREATE INDEX pins_size ON pins (size);
CREATE INDEX pins_state ON pins (state, added);
CREATE INDEX pins_tries ON pins (tries) WHERE tries > 0;
CREATE INDEX pins_next_try ON pins (next_try) WHERE next_try IS NOT NULL;
CREATE TABLE removed (
    cid BLOB PRIMARY KEY, change INTEGER NOT NULL, state INTEGER NOT NULL, tries INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX removed_change ON removed (change);
CREATE TABLE leaving (cid BLOB PRIMARY KEY, since INTEGER NOT NULL, size INTEGER) WITHOUT ROWID;
CREATE INDEX leaving_since ON leaving (since);
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL, fields TEXT NOT NULL
);
CREATE TABLE choices (cid BLOB PRIMARY KEY, choice TEXT NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE counters (
    state INTEGER PRIMARY KEY, pins INTEGER NOT NULL, bytes INTEGER NOT NULL, sized INTEGER NOT NULL
);
CREATE TABLE peers (
    peer TEXT PRIMARY KEY, addresses TEXT NOT NULL, role TEXT NOT NULL, seen_ms INTEGER NOT NULL
) WITHOUT ROWID;
"""

# What leads from a released version to the next, without its last word, `PRAGMA user_version`, which the runner adds;
# index 0 leads from the oldest to the next. A fixture of each version is kept in tests/fixtures.
MIGRATIONS: tuple[str, ...] = (
    # to 2: the limit, the user's choices, verifying
    "ALTER TABLE pins ADD COLUMN checked INTEGER;"
    " ALTER TABLE leaving ADD COLUMN size INTEGER;"
    " CREATE TABLE choices (cid BLOB PRIMARY KEY, choice TEXT NOT NULL, since INTEGER NOT NULL) WITHOUT ROWID;",
)
