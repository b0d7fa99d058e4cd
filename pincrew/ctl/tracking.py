"""`status` and `recover`: how far the peers are."""

from __future__ import annotations

from pincrew.ctl import text
from pincrew.ctl.call import Call, canonical_cid, target
from pincrew.ctl.faults import Stopped
from pincrew.ctl.grammar import Command, Kind, Option
from pincrew.limits import CTL_CIDS_PER_REQUEST_MAX
from pincrew.rest.shapes import GlobalPinInfo

# `error` and `queued` are several of the others at once.
STATUSES = (
    "cluster_error",
    "error",
    "pin_error",
    "pin_queued",
    "pinned",
    "pinning",
    "queued",
    "remote",
    "sharded",
    "unexpectedly_unpinned",
    "unpin_error",
    "unpin_queued",
    "unpinned",
    "unpinning",
)
LOCAL = Option(("local",), Kind.FLAG, "Only at the peer that is asked.")


def _status(call: Call) -> None:
    cids = [canonical_cid(cid) for cid in call.words.arguments]
    local = call.option("local")
    if len(cids) == 1:
        call.show_object("GET", target(f"/pins/{cids[0]}", local=local), GlobalPinInfo, text.status)
        return
    words = [word for word in call.option("filter").replace(" ", "").split(",") if word]
    unknown = [word for word in words if word not in STATUSES]
    if unknown:
        raise Stopped("parsing filter flag", f"invalid filter name {unknown[0]!r}")
    for start in range(0, max(1, len(cids)), CTL_CIDS_PER_REQUEST_MAX):
        some = ",".join(cids[start : start + CTL_CIDS_PER_REQUEST_MAX])
        where = target("/pins", local=local, filter=",".join(words), cids=some)
        call.show_stream("GET", where, GlobalPinInfo, text.status)


def _recover(call: Call) -> None:
    local = call.option("local")
    if call.argument:
        path = f"/pins/{canonical_cid(call.argument)}/recover"
        call.show_object("POST", target(path, local=local), GlobalPinInfo, text.status)
    else:
        call.show_stream("POST", target("/pins/recover", local=local), GlobalPinInfo, text.status)


STATUS = Command(
    "status",
    "Show how far the peers are with pins",
    arguments="[CID1] [CID2]...",
    arguments_max=None,
    description="Without a CID all pins; with --filter of them those that are in one of these states at some peer, "
    "and only those peers:\n\n" + "\n".join(f"  - {word}" for word in STATUSES),
    options=(LOCAL, Option(("filter",), Kind.TEXT, "States, separated by commas.")),
    action=_status,
)

RECOVER = Command(
    "recover",
    "Try again what failed",
    arguments="[CID]",
    arguments_max=1,
    description="Without a CID all pins that failed.",
    options=(LOCAL,),
    action=_recover,
)
