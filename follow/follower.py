"""A follower's peer: a peer with nothing that writes, and the source that it re-reads."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from pincrew.follow.copies import document_in_force, pending_document, read_note
from pincrew.follow.keeping import InForce, Keeping
from pincrew.follow.refreshing import Refreshed, accept_pending, refresh, reject_pending
from pincrew.follow.source import parse_source

from pincrew.api import shapes
from pincrew.api.lines import time_text
from pincrew.assembly import assemble
from pincrew.bell import Bell
from pincrew.cluster import Cluster
from pincrew.config_document import ConfigDocument
from pincrew.denylist import Denylist
from pincrew.denylist_files import DenylistFiles
from pincrew.errors import Misuse, PincrewError
from pincrew.health import ReasonCode, ReasonText, silence_of
from pincrew.nodes import Nodes
from pincrew.ownership import Ownership
from pincrew.paths import ClusterPaths
from pincrew.peer import Peer, now_ms
from pincrew.quantities import age_text
from pincrew.rescue import RescueSlice
from pincrew.settings import ClusterSettings, PartMode, Settings
from pincrew.trust import differences
from pincrew.verdict import Older, document_changes


class Follower(Cluster):
    """A cluster that this daemon follows."""

    role = "follower"

    def __init__(
        self,
        peer: Peer,
        paths: ClusterPaths,
        api_address: str,
        *,
        source: str,
        gateway: str,
        timeout_s: float,
        recheck_s: float,
        document: ConfigDocument,
        part_mode: PartMode,
    ) -> None:
        super().__init__(peer, paths, api_address)
        self.part_mode = part_mode
        self.keeping = Keeping(
            peer.part_rows,
            peer.crew_watch,
            peer.key.public,
            limit=lambda: peer.pinner.room.limit,
            wish=lambda: self.part_mode,
            now_ms=now_ms,
            is_current=self._has_all_of_the_list,
            use=self._keep,
            ready=lambda: peer.pinner.settled.set(),
            on_event=peer.diary.happened,
        )
        peer.settled = self.keeping.settled
        self.limits.parts = self.keeping
        if self.keeping.is_waiting:
            peer.pinner.settled = trio.Event()  # else it would fetch much of what is not its part
        self._source = source
        self._gateway = gateway
        self._timeout_s = timeout_s
        self._recheck_s = recheck_s
        self._document = document
        self._last: Refreshed | None = None
        self._last_ms = 0  # when that was
        self._since_ms: int | None = None
        self._bell = Bell()
        self._checked = trio.Event()
        self._denylists = DenylistFiles((paths.denylist_of_all, paths.denylist), self._denied)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._denylists.run)  # before anything is fetched that they deny
            await nursery.start(self.peer.run)
            nursery.start_soon(self._recheck)
            nursery.start_soon(self.keeping.run)
            task_status.started()

    def _denied(self, lists: Sequence[Denylist], trouble: str | None) -> None:
        self.peer.pinner.selection.denylists = lists
        if trouble is None:
            self.peer.reasons.pop(ReasonCode.DENYLIST, None)
        else:
            self.peer.note(ReasonCode.DENYLIST, trouble)
        rules = sum(one.rules for one in lists)
        self.peer.diary.happened("denylist_changed", {"rules": rules, "trouble": trouble})
        self.peer.pinner.reconsider()

    async def _recheck(self) -> None:
        """Ask the source now and then; it being down is a state, and the last good copy is used."""
        while True:
            if self._source:
                await self._refresh()
            self._checked.set()
            self._checked = trio.Event()
            await self._bell.wait(self._recheck_s)

    async def _refresh(self) -> None:
        try:
            source = parse_source(self._source, self.paths.folder)
            refreshed = await refresh(
                self.paths,
                source,
                self.peer.member.chain,
                gateway=self._gateway,
                timeout_s=self._timeout_s,
                now_ms=now_ms(),
            )
        except PincrewError as fault:
            self.peer.diary.happened("source_fault", {"error": fault.sentence})
            return
        if refreshed.code and (self._last is None or self._last.code != refreshed.code):
            self._since_ms = now_ms()
            self.peer.diary.happened(refreshed.code, {"error": refreshed.text})
        self._last, self._last_ms = refreshed, now_ms()
        self._use(refreshed.document)
        self.peer.member.adopt(refreshed.chain)

    def _has_all_of_the_list(self) -> bool:
        member, sync = self.peer.member, self.peer.sync
        have = sum(head.number for head in member.heads().values())
        best = sum(head.number for head in sync.best_heads().values())
        return sync.has_compared and have >= best and not member.bases.is_taking

    def _keep(self, part: InForce | None) -> None:
        """Have the pinner keep a part from now on, None: all that there is room for."""
        self.peer.pinner.selection.part = part
        self.peer.pinner.reconsider()

    def rescued(self) -> RescueSlice | None:
        """Return what is kept because too few others do."""
        return self.keeping.slice()

    def limits_changed(self, local: ClusterSettings) -> None:
        """Another limit holds, or another part is wished."""
        self.part_mode = local.part
        super().limits_changed(local)
        self.keeping.wake()

    def _use(self, document: ConfigDocument) -> None:
        self._document = document
        self.peer.seek(document.peers)

    def clock_jumped(self, seconds: int) -> None:
        """Look at the source as well, which may have changed meanwhile."""
        super().clock_jumped(seconds)
        self._bell.ring()

    def own_reasons(self) -> list[ReasonText]:
        """What the source is up to, and whether anybody still looks after the list."""
        reasons = []
        if self._last is not None and self._last.code:
            reasons.append(ReasonText(ReasonCode(self._last.code), self._last.text, self._since_ms))
        silence = silence_of(self.peer.last_change_ms(), self._document.silent_after_days, now_ms())
        return reasons if silence is None else [*reasons, silence]

    def own_checks(self) -> list[shapes.Check]:
        """Whether the source can be read, and what it serves."""
        if not self._source:
            return []
        if self._last is None:
            return [shapes.Check(self.name, "source", "ok", f"{self._source} is being asked", None)]
        if not self._last.code:
            age = age_text((now_ms() - self._last_ms) / 1000)
            text = f"{self._source} served revision {self._document.revision}, which is in force, when asked {age} ago"
            return [shapes.Check(self.name, "source", "ok", text, None)]
        fixes = {
            "source_unreachable": "nothing is lost: the last good copy is used. Ask the curators if it stays so",
            "config_from_cache": "ask the curators for a correct document; the last good copy is used",
            "config_changed": "`pincrew source show` says more",
            "trust_conflict": "ask the owners which record they mean",
        }
        return [shapes.Check(self.name, "source", "note", self._last.text, fixes.get(self._last.code))]

    async def source(self) -> shapes.SourceInfo:
        """Return where the config document comes from, and what waits for the user's word."""
        return await trio.to_thread.run_sync(self._source_info)

    def _source_info(self) -> shapes.SourceInfo:
        document = document_in_force(self.paths)
        note = read_note(self.paths, document)
        waiting = pending_document(self.paths)
        state, text = "current", None
        if waiting is not None:
            state = "changed"
        elif self._last is not None and isinstance(self._last.verdict, Older):
            state = "older"
        elif self._last is not None and self._last.code == "source_unreachable":
            state = "unreachable"
        elif self._last is not None and self._last.code:
            state = "cached"
        if self._last is not None and self._last.code:
            text = self._last.text
        lines: list[str] = []
        if waiting is not None:
            lines = [*document_changes(document, waiting), *differences(self.peer.member.chain, waiting.trust)]
        return shapes.SourceInfo(
            cluster=self.name,
            source=self._source or None,
            state=state,
            revision=document.revision,
            fetched=time_text(note.confirmed_ms or None),
            text=text,
            differences=lines,
        )

    async def decide_source(self, decision: str) -> shapes.SourceInfo:
        """Accept or reject the document that waits, or look at the source now. Raises NotFound when none waits."""
        if decision == "accept":
            document = await trio.to_thread.run_sync(lambda: accept_pending(self.paths, now_ms=now_ms()))
            self._use(document)
            self.peer.member.adopt(document.trust)
            self._last = None
        elif decision == "reject":
            await trio.to_thread.run_sync(reject_pending, self.paths)
            self._last = None
        elif decision == "check":
            checked = self._checked
            self._bell.ring()
            await checked.wait()
        else:
            raise Misuse(f"{decision!r} is not a decision", next_step="There are: accept, reject, check")
        return await self.source()


def open_follower(
    paths: ClusterPaths,
    local: ClusterSettings,
    settings: Settings,
    ownership: Ownership,
    nodes: Nodes,
    api_address: str,
) -> Follower:
    """Return the follower whose cluster is in ``paths``. Blocks; raises StoreFault or Misuse in words."""
    document = document_in_force(paths)
    peer = assemble(paths, local, settings, document, ownership, nodes, writes=False)
    return Follower(
        peer,
        paths,
        api_address,
        source=local.source,
        gateway=settings.gateway,
        timeout_s=settings.source_timeout,
        recheck_s=settings.source_recheck,
        document=document,
        part_mode=local.part,
    )
