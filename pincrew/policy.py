"""Who may ask a peer for what: data, not code.

A curator may ask a follower how it is doing and to try failed pins again. Nobody may make another peer run, read or
collect anything, and there is no method for it. Authority over the pinset is no matter of this table: it binds to the
author of an operation (``pincrew.gate``).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Who(StrEnum):
    """Groups of askers."""

    ANYONE = "anyone"  # whoever is connected in this cluster
    CURATORS = "curators"


class Method(StrEnum):
    """What can be asked."""

    ID = "id"
    STATUS = "status"
    RECOVER = "recover"


POLICY: Mapping[Method, Who] = {
    Method.ID: Who.ANYONE,  # the same facts stand in its announcement
    Method.STATUS: Who.CURATORS,  # what exactly somebody keeps is between them and the curators
    Method.RECOVER: Who.CURATORS,  # only ever repeats what the volunteer agreed to
}


def may(method: Method, *, is_curator: bool) -> bool:
    """Return whether an asker may use a method."""
    return POLICY[method] is Who.ANYONE or is_curator
