"""What `doctor` says of one cluster's store: file, counters, rows, heads and base. Reads it beside a running daemon."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random

from pincrew import figures
from pincrew.api.shapes import Check
from pincrew.base_due import is_due
from pincrew.cli.doctor_lines import failed, note, ok, wrong
from pincrew.errors import DamagedStore, PincrewError, StoreFault
from pincrew.identity import load_key
from pincrew.limits import AUDIT_FAULTS_SHOWN
from pincrew.paths import ClusterPaths
from pincrew.store.audit import Audit
from pincrew.store.bases import BaseStore
from pincrew.store.database import Database, bytes_on_disk
from pincrew.store.schema import SCHEMA_VERSION
from pincrew.store.trust_store import TrustStore
from pincrew.trust import TrustChain
from pincrew.trust_view import kept_trust

MEND = "`pincrew doctor --repair`"
ANEW = f"{MEND} has the list fetched anew from the other peers, and says what that means before it does it"
_REFUSED = "The list stays as it was. Ask the owners of the cluster which list they mean"


class StoreLook:
    """One look at one store. Afterwards it tells what there is to repair."""

    def __init__(self, paths: ClusterPaths, *, is_whole: bool, is_daemon_running: bool) -> None:
        self._paths = paths
        self._is_whole = is_whole
        self._is_daemon_running = is_daemon_running
        self.shards: set[int] = set()
        """Of the base in force, which are to be fetched anew."""
        self.is_miscounted = False
        self.is_broken = False
        """Nothing mends it but fetching the list anew."""

    def checks(self) -> Iterator[Check]:
        """Yield the lines."""
        name, state = self._paths.name, self._paths.state
        if not state.exists():
            yield ok("store", "nothing stored yet", name)
            return
        try:
            database = Database(state, read_only=True)
        except StoreFault as error:
            self.is_broken = isinstance(error, DamagedStore)
            yield failed("store", error, name)
            return
        with closing(database):
            chain = self._chain(database)
            bits = 0 if chain is None else chain.genesis.shard_bits
            audit = Audit(database, bits, is_whole=self._is_whole, luck=Random())
            looks: list[tuple[str, Callable[[], Iterator[Check]]]] = [
                ("store", lambda: self._pages(audit)),
                ("counters", lambda: self._figures(audit)),
            ]
            if chain is not None:
                looks += [
                    ("rows", lambda: self._rows(audit, bits)),
                    ("heads", lambda: self._heads(audit)),
                    ("base", lambda: self._base(audit, database, chain)),
                ]
            for check, look in looks:
                try:
                    yield from look()
                except StoreFault as error:
                    self.is_broken = self.is_broken or isinstance(error, DamagedStore)
                    yield failed(check, error, name)

    def _chain(self, database: Database) -> TrustChain | None:
        try:
            TrustStore(database).chain()
        except PincrewError:  # the line of trust says what is wrong with it
            self.is_broken = True
            return None
        try:
            return kept_trust(self._paths)
        except PincrewError:  # the line of the config document says so
            return None

    def _pages(self, audit: Audit) -> Iterator[Check]:
        name, pages = self._paths.name, audit.pages()
        if pages.faults:
            self.is_broken = True
            yield wrong("store", f"the file is damaged: {'; '.join(pages.faults)}", ANEW, name)
            return
        seen = "all pages sound" if pages.is_whole else "no damaged page found, and not all were looked at (`--all`)"
        size = figures.size(bytes_on_disk(self._paths.state))
        yield ok("store", f"{size}, format {SCHEMA_VERSION}, {seen}, {pages.took_s:.1f} s", name)

    def _figures(self, audit: Audit) -> Iterator[Check]:
        pins, miscounts = audit.figures()
        if miscounts:
            self.is_miscounted = True
            yield wrong(
                "counters", f"they are not what the rows add up to: {', '.join(miscounts)}", MEND, self._paths.name
            )
        else:
            yield ok("counters", f"{figures.plural(pins, 'pin')}, as counted", self._paths.name)

    def _rows(self, audit: Audit, bits: int) -> Iterator[Check]:
        misfits, name = audit.rows(), self._paths.name
        if not misfits.shards:
            yield ok("rows", f"they fit what was written, in {_part(misfits.looked_at, 1 << bits)}", name)
            return
        self.is_miscounted = True
        self.shards |= misfits.shards
        if misfits.lost:
            self.is_broken = True
            text = f"puts are missing in {figures.plural(len(misfits.lost), 'shard')}, and no base has them"
            yield wrong("rows", text, ANEW, name)
        else:
            text = f"they do not fit what was written, in {figures.plural(len(misfits.shards), 'shard')}"
            yield wrong("rows", text, MEND, name)

    def _heads(self, audit: Audit) -> Iterator[Check]:
        chain, name = audit.chain(), self._paths.name
        if chain.faults:
            self.is_broken = True
            yield wrong("heads", "; ".join(chain.faults[:AUDIT_FAULTS_SHOWN]), ANEW, name)
        else:
            sessions = figures.plural(chain.sessions, "session")
            text = f"the log of {sessions} has no holes, {figures.plural(chain.envelopes, 'envelope')} read and checked"
            yield ok("heads", text, name)

    def _base(self, audit: Audit, database: Database, chain: TrustChain) -> Iterator[Check]:
        name, look = self._paths.name, audit.base()
        n = 0 if look.base is None else look.base.n
        if look.fault is not None:
            self.is_broken = True
            yield wrong("base", f"the base in force is damaged: {look.fault}", ANEW, name)
        elif look.base is None:
            self.is_broken = self.is_broken or bool(self.shards)
            yield ok("base", "there is none yet", name)
        elif look.different:
            self.shards |= set(look.different)
            text = f"{figures.plural(len(look.different), 'shard')} of base {n} are not what was signed"
            yield wrong("base", f"{text}, of {figures.count(look.looked_at)} looked at", MEND, name)
        else:
            yield ok("base", f"base {n} is what was signed, in {_part(look.looked_at, audit.shards)}", name)
        refused = audit.refused()
        if refused is not None and refused[0] > n:
            fix = f"That may be because of the damage here: {MEND}" if self.shards or self.is_broken else _REFUSED
            yield wrong("base", f"base {refused[0]} was refused: {refused[1]}", fix, name)
        yield from self._due(database, chain, 0 if look.base is None else look.base.size)

    def _due(self, database: Database, chain: TrustChain, base_bytes: int) -> Iterator[Check]:
        """Tell of a keeper that has not made a base for longer than a busy list is a reason."""
        try:
            is_keeper = load_key(self._paths.identity).public == chain.keeper
        except PincrewError:  # the line of the identity says so
            return
        stored = BaseStore(database, chain.genesis.shard_bits).figures()
        if is_keeper and is_due(base_bytes=base_bytes, is_quiet=False, **stored):
            fix = "`pincrew state base` makes it and says what is in its way"
            if not self._is_daemon_running:
                fix = "`pincrew daemon start`: the daemon makes it"
            yield note("base", f"the next is due: {figures.size(stored['log_bytes'])} of log", fix, self._paths.name)


def _part(looked_at: int, shards: int) -> str:
    """Return how many shards were looked at."""
    if looked_at == shards:
        return "all shards"
    return f"{figures.count(looked_at)} of {figures.count(shards)} shards (`--all` looks at all)"
