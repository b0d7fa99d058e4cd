"""What the node keeps for which clusters, and what was the user's own before. One file for all clusters of a daemon.

A *holding* is a CID that a node (known by its peer id, so that another node at the same address is another) keeps for
one or more clusters. Two rules (invariant 15): what another cluster or the user holds is not unpinned by us, and what
we did not pin we never unpin. The second also stands on the node itself: our pins are named `pincrew:<cluster id>`, so
it holds even where this file was lost.

Synchronous SQLite behind one lock: callers on an event loop use a thread. Writes are not flushed to the disk one by one
(WAL, synchronous=NORMAL): a power cut may lose the newest claims, and the names on the node make up for them.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pincrew.errors import NewerStore, StoreFault

SCHEMA_VERSION = 1
_PAGE_ROWS = 1_000
_CREATE = """
CREATE TABLE nodes (id INTEGER PRIMARY KEY, peer TEXT NOT NULL UNIQUE);
CREATE TABLE clusters (id INTEGER PRIMARY KEY, cluster BLOB NOT NULL UNIQUE);
CREATE TABLE held (
    cluster INTEGER NOT NULL, cid BLOB NOT NULL, node INTEGER NOT NULL, PRIMARY KEY (cluster, cid, node)
) WITHOUT ROWID;
CREATE INDEX held_cid ON held (cid, node);
CREATE TABLE own (cid BLOB NOT NULL, node INTEGER NOT NULL, PRIMARY KEY (cid, node)) WITHOUT ROWID;
"""

# Of a row of `held AS ours`: somebody else has it on that node as well.
_SHARED = """(EXISTS (SELECT 1 FROM own WHERE own.cid=ours.cid AND own.node=ours.node)
 OR EXISTS (SELECT 1 FROM held AS theirs
  WHERE theirs.cid=ours.cid AND theirs.node=ours.node AND theirs.cluster!=ours.cluster))"""

_PREFIX = "pincrew:"


def pin_name(cluster: bytes) -> str:
    """Return the name that our pins for ``cluster`` have on a node."""
    return _PREFIX + cluster.hex()


def is_ours(name: str) -> bool:
    """Say whether a pin of that name was made by pincrew, for whatever cluster."""
    return name.startswith(_PREFIX)


class Holdings:
    """The file `holdings.db`. Every method blocks for one short transaction; threads may share an instance.

    Raises StoreFault where the disk does not do its part, NewerStore where a newer pincrew wrote it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ids: dict[tuple[str, str | bytes], int] = {}
        with self._faults():
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
        try:
            self._open()
        except BaseException:  # nobody gets this object, so nobody else could close it; it goes on up
            self._database.close()
            raise

    def _open(self) -> None:
        with self._faults():
            version: int = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise NewerStore(
                    f"It has version {version}, and this pincrew knows {SCHEMA_VERSION}",
                    where=str(self._path),
                    means="Nothing was changed",
                    next_step="Install the newer pincrew again",
                )
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            if version == 0:
                self._database.executescript(f"BEGIN; {_CREATE} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        with self._lock, self._faults():
            self._database.close()

    def claim(self, node: str, cid: bytes, cluster: bytes, *, was_pinned_before: bool, name: str | None) -> bool:
        """Note that ``cluster`` holds ``cid`` on ``node``, before it is pinned; return whether it is the user's own.

        ``was_pinned_before`` and ``name`` say what the node has now. A pin of another name is the user's. Without
        names (None), a pin that no cluster has claimed is the user's. No pin at all: what was his he has given up.
        """
        with self._transaction() as database:
            place = (cid, self._id("nodes", node))
            if not was_pinned_before:
                database.execute("DELETE FROM own WHERE cid=? AND node=?", place)
            elif name is not None:
                is_users = not is_ours(name)
                if is_users:
                    database.execute("INSERT OR IGNORE INTO own VALUES (?,?)", place)
            elif not database.execute("SELECT 1 FROM held WHERE cid=? AND node=?", place).fetchone():
                database.execute("INSERT OR IGNORE INTO own VALUES (?,?)", place)
            database.execute("INSERT OR IGNORE INTO held VALUES (?,?,?)", (self._id("clusters", cluster), *place))
            return database.execute("SELECT 1 FROM own WHERE cid=? AND node=?", place).fetchone() is not None

    def release(self, node: str, cid: bytes, cluster: bytes) -> None:
        """Forget that ``cluster`` holds ``cid``. What is known as the user's own stays known."""
        with self._transaction() as database:
            database.execute(
                "DELETE FROM held WHERE cluster=? AND cid=? AND node=?",
                (self._id("clusters", cluster), cid, self._id("nodes", node)),
            )

    def give(self, node: str, cid: bytes, cluster: bytes) -> None:
        """Make what ``cluster`` held the user's own: from now on nobody here unpins it.

        On ``node``, and on others where it is held: a cluster may be moving from one to another.
        """
        with self._transaction() as database:
            held = (self._id("clusters", cluster), cid)
            database.execute("INSERT OR IGNORE INTO own VALUES (?,?)", (cid, self._id("nodes", node)))
            database.execute("INSERT OR IGNORE INTO own SELECT cid, node FROM held WHERE cluster=? AND cid=?", held)
            database.execute("DELETE FROM held WHERE cluster=? AND cid=?", held)

    def may_unpin(self, node: str, cid: bytes, cluster: bytes, name: str | None) -> bool:
        """Say whether ``cluster``, letting go of ``cid``, may remove the pin that has ``name`` on the node now.

        Not where the user had it before, where another cluster holds it, or where the name is not pincrew's: somebody
        pinned it again for himself. Where nobody claims it (this file was lost), only the cluster's own name will do.
        """
        with self._transaction() as database:
            place = (cid, self._id("nodes", node))
            if database.execute("SELECT 1 FROM own WHERE cid=? AND node=?", place).fetchone():
                return False
            holders = [row[0] for row in database.execute("SELECT cluster FROM held WHERE cid=? AND node=?", place)]
            if not holders:
                return name == pin_name(cluster)
            if holders != [self._id("clusters", cluster)]:
                return False
            if name is None:
                return True
            names = (pin_name(known) for (known,) in database.execute("SELECT cluster FROM clusters"))
            return is_ours(name) and name in names

    def held(self, cluster: bytes, cids: Sequence[bytes], *, node: str | None = None) -> set[bytes]:
        """Return those of ``cids`` that ``cluster`` holds on ``node`` (None: on any)."""
        found: set[bytes] = set()
        with self._transaction() as database:
            known = self._id("clusters", cluster)
            place = "" if node is None else f" AND node={self._id('nodes', node)}"
            for start in range(0, len(cids), _PAGE_ROWS):
                some = cids[start : start + _PAGE_ROWS]
                marks = ",".join("?" * len(some))
                query = f"SELECT DISTINCT cid FROM held WHERE cluster=? AND cid IN ({marks}){place}"
                found.update(cid for (cid,) in database.execute(query, (known, *some)))
        return found

    def of_cluster(self, cluster: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield (node, CID) of all that ``cluster`` holds, read in pages: it may be released meanwhile."""
        after: tuple[bytes, int] = (b"", 0)
        while True:
            with self._transaction() as database:
                rows = database.execute(
                    "SELECT held.cid, held.node, nodes.peer FROM held JOIN nodes ON nodes.id = held.node"
                    " WHERE held.cluster=? AND (held.cid, held.node) > (?,?) ORDER BY held.cid, held.node LIMIT ?",
                    (self._id("clusters", cluster), *after, _PAGE_ROWS),
                ).fetchall()
            for cid, _, peer in rows:
                yield peer, cid
            if len(rows) < _PAGE_ROWS:
                return
            after = rows[-1][:2]

    def count(self, cluster: bytes) -> int:
        """Return how many CIDs ``cluster`` holds."""
        with self._transaction() as database:
            row = database.execute("SELECT count(*) FROM held WHERE cluster=?", (self._id("clusters", cluster),))
            return int(row.fetchone()[0])

    def shared(self, cluster: bytes) -> Iterator[bytes]:
        """Yield the CIDs that stay pinned without ``cluster``: they are the user's own, or another's as well."""
        after = b""
        while True:
            with self._transaction() as database:
                rows = database.execute(
                    "SELECT DISTINCT cid FROM held AS ours"
                    f" WHERE cluster=? AND cid>? AND {_SHARED} ORDER BY cid LIMIT ?",
                    (self._id("clusters", cluster), after, _PAGE_ROWS),
                ).fetchall()
            yield from (cid for (cid,) in rows)
            if len(rows) < _PAGE_ROWS:
                return
            after = rows[-1][0]

    def count_shared(self, cluster: bytes) -> int:
        """Return how many of them stay pinned without ``cluster``: they are the user's own, or another's as well."""
        with self._transaction() as database:
            row = database.execute(
                f"SELECT count(*) FROM held AS ours WHERE cluster=? AND {_SHARED}", (self._id("clusters", cluster),)
            )
            return int(row.fetchone()[0])

    def _id(self, table: str, value: str | bytes) -> int:
        """Return the short id of a node or cluster; inside a transaction."""
        known = self._ids.get((table, value))
        if known is None:
            column = "peer" if table == "nodes" else "cluster"
            self._database.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (value,))
            row = self._database.execute(f"SELECT id FROM {table} WHERE {column}=?", (value,)).fetchone()
            known = self._ids[table, value] = int(row[0])
        return known

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._faults():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            except BaseException:  # whatever ended the block, it is undone, and goes on up
                # An id drawn in a transaction that is undone does not exist.
                self._ids.clear()
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreFault(
                f"holdings.db cannot be used: {error}",
                where=str(self._path),
                means="Nothing is pinned or unpinned until it can be",
                next_step="Check the disk's space and the folder's permissions, then `pincrew doctor`",
            ) from error
