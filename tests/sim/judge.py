"""Holds a swarm to the invariants: after every commit of every peer, and to the oracle once all is quiet.

A base's *lineage* is the bases that led to it, with their cuts, which the oracle begins anew at. That of a liar has
none: whoever took it is *fooled* until an owner's base that was made elsewhere, and nothing is asked of its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pincrew.base_form import Cut
from pincrew.store.database import Database
from pincrew.store.rows import Rows
from pincrew.values import Head, SessionId
from pincrew.wire import decode_envelope, envelope_hash
from sim.oracle import Row, applied_at, expected_rows, in_causal_order

if TYPE_CHECKING:
    from pincrew.member import Member
    from sim.swarm import Node, Swarm


def rows_of(node: Node) -> list[Row]:
    """A peer's rows, in order."""
    return list(Rows(node.disk).contents())


def base_hash(member: Member) -> bytes:
    """The hash of the base in force at a peer, empty for base 0."""
    base = member.bases.in_force.base
    return b"" if base is None else base.hash


class Judge:
    """What is known of acknowledged writes, of bases and of rows, and what must follow from it."""

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm
        self.written: dict[tuple[SessionId, int], bytes] = {}  # every envelope that anybody made durable
        self._acknowledged: dict[tuple[SessionId, int], tuple[bytes, int]] = {}  # its hash, and the trust it was under
        self._void: dict[str, set[SessionId]] = {}  # at each peer the sessions of which a base made something void
        self._lineages: dict[bytes, tuple[tuple[bytes, dict[SessionId, int]], ...] | None] = {b"": ()}
        self._cuts: dict[bytes, dict[SessionId, int]] = {}  # of every base, whatever became of it
        self._rows_at: dict[tuple[bytes, bytes], list[Row]] = {}

    # ---- what happens -----------------------------------------------------------------------------------------------

    def acknowledged(self, body: bytes) -> None:
        """Somebody was told that an envelope is durable."""
        envelope = decode_envelope(body, 2)
        name = envelope.session, envelope.number
        known = self._acknowledged.setdefault(name, (envelope_hash(body), envelope.trust))
        assert known[0] == envelope_hash(body), "invariant 4: one number was handed out twice"
        self.written[name] = body

    def base_made(self, made: bytes, previous: bytes, cut: Cut) -> None:
        """An honest peer that stood on ``previous`` made a base."""
        before = self._lineages[previous]
        numbers = self._cuts[made] = {session: head.number for session, head in cut.items()}
        self._lineages[made] = None if before is None else (*before, (made, numbers))

    def lie_told(self, made: bytes, cut: Cut) -> None:
        """A keeper signed a base that is not what its cut makes."""
        self._lineages[made], self._cuts[made] = None, {session: head.number for session, head in cut.items()}

    def made_void(self, node: Node, before: Mapping[SessionId, Head]) -> None:
        """A base made something void at a peer whose heads were these ``before``."""
        assert node.member is not None
        fell = {session for session, head in before.items() if node.member.head(session).number < head.number}
        self._void.setdefault(node.name, set()).update(fell)

    def is_fooled(self, node: Node) -> bool:
        """Whether the base in force at a peer, which is up, is a lie or was made upon one."""
        assert node.member is not None
        return self._lineages[base_hash(node.member)] is None

    def stands_on(self, node: Node, base: bytes) -> bool:
        """Whether a base led to the one in force at a peer, which is up."""
        assert node.member is not None
        lineage = self._lineages[base_hash(node.member)] or ()
        return any(made == base for made, _ in lineage)

    def is_split(self, nodes: Sequence[Node]) -> bool:
        """Whether some peers, which are up, stand on bases that do not lead to one another."""
        members = [node.member for node in nodes if node.member is not None]
        furthest = max(members, key=lambda member: member.bases.n)
        on_the_way = {b"", *(made for made, _ in self._lineages[base_hash(furthest)] or ())}
        return any(base_hash(member) not in on_the_way for member in members)

    # ---- what must hold ---------------------------------------------------------------------------------------------

    def note(self, node: Node) -> None:
        """Hold a peer to the invariants 1, 3, 7, 11 and 14; called after every commit."""
        assert node.member is not None
        heads = node.member.heads()
        for session, head in heads.items():
            assert session.author in self._swarm.owner.ever, "invariant 1: an untrusted author took effect"
            assert node.restored or head.number >= node.highest.get(session, 0), "invariant 14: a head fell"
            node.highest[session] = head.number
        db = node.disk.writer
        on_disk = {
            SessionId(author, nonce): (number, digest)
            for author, nonce, number, digest in db.execute("SELECT author, nonce, number, hash FROM sessions")
            if number
        }
        assert on_disk == heads, "invariant 7: heads in memory are not those on disk"
        for sid, number, last, count, hashed in db.execute(
            "SELECT sid, sessions.number, max_number, held,"
            " (SELECT hash FROM log WHERE log.sid=sessions.sid AND log.number=sessions.number)"
            " FROM sessions LEFT JOIN (SELECT sid, max(log.number) AS max_number, count(*) AS held"
            " FROM log JOIN sessions USING (sid) WHERE log.number <= sessions.number AND log.number > cut"
            " GROUP BY sid) USING (sid) WHERE sessions.number > cut"
        ):
            (cut,) = db.execute("SELECT cut FROM sessions WHERE sid=?", (sid,)).fetchone()
            assert number == last == cut + count, f"invariant 3: the log of session {sid} has a hole"
            assert hashed == db.execute("SELECT hash FROM sessions WHERE sid=?", (sid,)).fetchone()[0]
        rows = rows_of(node)
        (live,) = db.execute("SELECT count(*) FROM items WHERE pin IS NOT NULL").fetchone()
        (counted,) = db.execute("SELECT sum(pins) FROM counters").fetchone()
        assert live == len(rows) == counted, "invariant 7: rows, items and counters differ"
        stands = node.member.standing().digest, base_hash(node.member)
        assert self._rows_at.setdefault(stands, rows) == rows, "invariant 11: equal heads, other rows"

    def agreed(self, disks: Sequence[Database] = ()) -> list[Row]:
        """Hold the settled swarm to the oracle and return its rows: all equal, right, and nothing acknowledged lost."""
        nodes = [node for node in self._swarm.nodes.values() if node.member is not None]
        first = nodes[0].member
        assert first is not None
        rows = rows_of(nodes[0])
        for node in nodes:
            self.note(node)
            assert rows_of(node) == rows, f"invariant 11: {node.name} has other rows"
        lineage = self._lineages[base_hash(first)]
        assert lineage is not None, "the swarm settled on a lie"
        known = [*self.written.values(), *applied_at([nodes[0].disk, *disks])]
        envelopes = [
            envelope for envelope in in_causal_order(known, 2) if envelope.number <= first.head(envelope.session).number
        ]
        assert expected_rows(envelopes, [cut for _, cut in lineage]) == rows, "the oracle has other rows"
        self._nothing_is_lost(nodes, dict(lineage))
        return rows

    def _nothing_is_lost(self, nodes: list[Node], lineage: Mapping[bytes, Mapping[SessionId, int]]) -> None:
        """Invariant 13: what was acknowledged is there, was written again, or was beyond what an owner let count.

        But where an owner's base overruled a keeper's that she had not seen, or a lie: what only that one settled is
        gone with it, for nobody has to keep the log of what is settled.
        """
        settled = list(lineage.values())[-1] if lineage else {}
        overruled = [cut for made, cut in self._cuts.items() if made not in lineage]
        held = {
            (SessionId(author, nonce), number): digest
            for author, nonce, number, digest in nodes[0].disk.writer.execute(
                "SELECT author, nonce, log.number, log.hash FROM log JOIN sessions USING (sid)"
                " WHERE log.number <= sessions.number"
            )
        }
        excused = self._excused()
        for (session, number), (digest, _) in self._acknowledged.items():
            if number <= settled.get(session, 0) or held.get((session, number)) == digest:
                continue
            if number >= excused.get(session, number + 1) or any(number <= cut.get(session, 0) for cut in overruled):
                continue
            authors = [node for node in nodes if node.key is not None and node.key.public == session.author]
            assert any(node.restored or self._wrote_again(node, session) for node in authors), (
                "an acknowledged write is lost"
            )

    def _excused(self) -> dict[SessionId, int]:
        """From which number on sessions need not count: an owner said so, also of what a revoked author built on."""
        owner, excused = self._swarm.owner, dict[SessionId, int]()
        envelopes = [(decode_envelope(self.written[name], 2), trust) for name, (_, trust) in self._acknowledged.items()]
        is_stable = False
        while not is_stable:
            is_stable = True
            for envelope, trust in envelopes:
                session, number = envelope.session, envelope.number
                builds = any(one.number >= excused.get(one.session, one.number + 1) for one in envelope.dependencies)
                may_go = owner.cut_off(session, number, trust) or (builds and owner.revoked(session.author, trust))
                if may_go and number < excused.get(session, number + 1):
                    excused[session], is_stable = number, False
        return excused

    def _wrote_again(self, node: Node, session: SessionId) -> bool:
        """Whether a base made some of a session void and its author has nothing left of it to write again."""
        assert node.member is not None
        return session in self._void.get(node.name, ()) and not node.member.bases.store.reissues(1)
