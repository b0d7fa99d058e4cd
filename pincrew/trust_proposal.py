"""A trust record on its way from owner to owner: a file of TOML with words for people on top. No I/O.

    # what the record changes, who signed it and what to type; comments, which prove nothing
    format = 1
    name = "..."                  of the cluster, for people
    trust = ["base64", ...]       every trust record in force
    record = "base64"             the next one, with the signatures that it has so far

An owner may sign on a machine that is in no cluster: whoever reads the file works out the words anew from the records,
which name each other by hash from record 0 on.
"""

from __future__ import annotations

import base64
import binascii
import tomllib
from dataclasses import dataclass, replace

from pincrew import limits
from pincrew.errors import Malformed
from pincrew.keys import peer_id
from pincrew.trust import TrustChain, TrustRecord, differences

_FORMAT = 1


@dataclass(frozen=True)
class Proposal:
    """The next record of ``chain``; ``missing`` owners have not signed it yet (0: it can be put in force)."""

    name: str
    chain: TrustChain
    record: TrustRecord
    missing: int

    @property
    def changes(self) -> tuple[str, ...]:
        """Say in lines for a person what the record changes."""
        return differences(self.chain, replace(self.chain, records=(*self.chain.records, self.record)))


def propose(name: str, chain: TrustChain, record: TrustRecord) -> Proposal:
    """Return ``record`` as what could follow ``chain``. Raises Conflict, Malformed or Forged."""
    return Proposal(name, chain, record, chain.signatures_missing(record))


def render_proposal(proposal: Proposal) -> bytes:
    """Return the file."""
    chain, record = proposal.chain, proposal.record
    signed = ", ".join(peer_id(owner) for owner, _ in record.signatures) or "nobody"
    words = [
        f"Trust record {record.n} of the cluster {proposal.name} ({chain.cluster_id.hex()}).",
        *proposal.changes,
        f"{chain.head.threshold} of {len(chain.owners)} owners must sign it. So far: {signed}.",
        "An owner types: pincrew trust sign THIS-FILE --owner-key KEY-FILE",
    ]
    lines = [f"# {word}" for word in words]
    lines += [f"format = {_FORMAT}", f'name = "{proposal.name}"', "trust = ["]
    lines += [f'  "{_text(encoded)}",' for encoded in chain.encoded()]
    lines += ["]", f'record = "{_text(record.encode())}"', ""]
    return "\n".join(lines).encode()


def parse_proposal(data: bytes) -> Proposal:
    """Read the file and check everything in it but its words. Raises Malformed, Forged or Conflict."""
    if len(data) > limits.TRUST_PROPOSAL_BYTES_MAX:
        raise Malformed("The file is too large for a trust record")
    try:
        table = tomllib.loads(data.decode())
        name, trust, record = table["name"], table["trust"], table["record"]
        if table["format"] != _FORMAT or not isinstance(name, str) or not name.isprintable():
            raise ValueError
        chain = TrustChain.from_encoded([_bytes(text) for text in trust])
        return propose(name, chain, TrustRecord.decode(_bytes(record)))
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error) as error:
        raise Malformed(
            "That is no trust record that waits for signatures",
            next_step="Give the file that `pincrew trust` wrote for the owners to sign",
        ) from error


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
