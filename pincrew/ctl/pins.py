"""`pin add`, `rm`, `update`, `ls`: the list."""

from __future__ import annotations

import math
import posixpath
from typing import Any

from pincrew.cid import parse_cid
from pincrew.ctl import pin_options, text
from pincrew.ctl.answers import shaped
from pincrew.ctl.call import Call, canonical_cid, target, with_query
from pincrew.ctl.faults import Exit, Stopped
from pincrew.ctl.grammar import Command, Kind, Option
from pincrew.ctl.waiting import PINNED, UNPINNED, Failing, Wait
from pincrew.errors import Malformed, Misuse
from pincrew.limits import CTL_WAIT_INTERVAL_S
from pincrew.rest.shapes import GlobalPinInfo, PinObject

PIN_TYPES = ("all", "pin", "meta-pin", "clusterdag-pin", "shard-pin")
_NAMESPACES = ("ipfs", "ipns", "ipld")

NO_STATUS = Option(("no-status", "ns"), Kind.FLAG, "Print the pin at once, and not how far peers are.")
WAIT = Option(("wait", "w"), Kind.FLAG, "Return once enough peers are done.")
WAIT_LIMIT = Option(("wait-limit", "wl"), Kind.NUMBER, "How many peers --wait waits for.")
WAIT_TIMEOUT = Option(("wait-timeout", "wt"), Kind.DURATION, "How long, like 30s; then exit code 62.")
_AFTERWARDS = (NO_STATUS, WAIT, WAIT_LIMIT, WAIT_TIMEOUT)


def _add(call: Call) -> None:
    both = call.option("replication")
    query = pin_options.pin_query(
        name=call.option("name"),
        mode=call.option("mode"),
        replication_min=both or call.option("replication-min"),
        replication_max=both or call.option("replication-max"),
        allocations=call.option("allocations"),
        expire_in=call.option("expire-in"),
        metadata=call.option("metadata"),
        now_s=call.now(),
    )
    _told(call, call.client.object("POST", with_query(_path(call.argument), query)), PINNED)


def _remove(call: Call) -> None:
    _told(call, call.client.object("DELETE", target(_path(call.argument))), UNPINNED)


def _update(call: Call) -> None:
    old, new = (*call.words.arguments, "", "")[:2]
    query = pin_options.pin_query(name=call.option("name"), expire_in=call.option("expire-in"), now_s=call.now())
    query["pin-update"] = canonical_cid(old, "parsing from Cid")
    _told(call, call.client.object("POST", with_query(_path(new), query)), PINNED)


def _list(call: Call) -> None:
    if call.argument:
        path = f"/allocations/{canonical_cid(call.argument)}"
        call.show_object("GET", target(path), PinObject, text.pin)
        return
    kinds = [kind.strip() for kind in call.option("filter").split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in PIN_TYPES]
    if unknown:
        raise Stopped("parsing filter flag", f"{unknown[0]!r} is no type of pins; there are {', '.join(PIN_TYPES)}")
    wanted = "all" if "all" in kinds or not kinds else ",".join(kinds)
    call.show_stream("GET", target("/allocations", filter=wanted), PinObject, text.pin)


def _path(argument: str) -> str:
    """Return the path of a request for a CID or an IPFS path. Raises Stopped."""
    path = argument if argument.startswith("/") else f"/ipfs/{argument}"
    _, namespace, *segments = posixpath.normpath("/" + path.lstrip("/")).split("/")
    if not segments:
        raise Stopped("", f'invalid path "{path}": path does not have enough components')
    if namespace not in _NAMESPACES:
        raise Stopped("", f'invalid path "{path}": unknown namespace: "{namespace}"')
    if namespace != "ipns":
        try:
            parse_cid(segments[0])
        except (Misuse, Malformed) as error:
            raise Stopped("", f'invalid path "{path}": invalid cid: {error.what}') from error
    return "/".join(("/pins", namespace, *segments))


def _told(call: Call, pin: Any, goal: str) -> None:
    """Print what became of a pin, after as much waiting as was asked for."""
    if pin is None:
        return  # accepted, and the peer says nothing of it
    written = shaped(PinObject, pin)
    status = None
    if call.option("wait"):
        least = written.replication_factor_min if goal == PINNED else 0
        limit = call.option("wait-limit") if "wait-limit" in call.words.given else least
        status = wait_for(call, written.cid, goal, limit)
    if call.option("no-status"):
        call.show(PinObject, pin, text.pin)
        return
    if status is None:
        call.sleep(CTL_WAIT_INTERVAL_S)  # for most pins that is enough
        status = _status(call, written.cid)
    call.show(GlobalPinInfo, status, text.status)


def wait_for(call: Call, cid: str, goal: str, limit: int) -> Any:
    """Return the status of a pin once it is what is waited for. Raises Stopped."""
    doing = "waiting for pin status"
    timeout_s = call.option("wait-timeout")
    deadline = call.clock() + (timeout_s if timeout_s > 0 else math.inf)
    wait = Wait(goal, limit)
    while True:
        call.sleep(max(0.0, min(CTL_WAIT_INTERVAL_S, deadline - call.clock())))
        status = _status(call, cid)
        try:
            if wait.is_over(shaped(GlobalPinInfo, status)):
                return status
        except Failing as failing:
            raise Stopped(doing, str(failing)) from failing
        if call.clock() >= deadline:
            raise Stopped(doing, "context deadline exceeded", Exit.OUT_OF_TIME)


def _status(call: Call, cid: str) -> Any:
    return call.client.object("GET", target(f"/pins/{cid}", local=False))


PIN = Command(
    "pin",
    "Put CIDs on the list, take them off, show it",
    commands=(
        Command(
            "add",
            "Put a CID on the list",
            arguments="<CID|Path>",
            arguments_max=1,
            description="The peers that shall keep it are chosen by the cluster; -1 copies are everywhere, 0 is the "
            "cluster's default. Afterwards it shows how far they are.",
            options=(
                Option(("replication", "r"), Kind.NUMBER, "Copies: --rmin and --rmax in one.", 0),
                pin_options.REPLICATION_MIN,
                pin_options.REPLICATION_MAX,
                pin_options.ALLOCATIONS,
                pin_options.NAME,
                Option(("mode",), Kind.TEXT, "recursive, or direct: the root block alone.", pin_options.MODES[0]),
                pin_options.EXPIRE_IN,
                pin_options.METADATA,
                *_AFTERWARDS,
            ),
            action=_add,
        ),
        Command(
            "rm",
            "Take a CID off the list",
            arguments="<CID|Path>",
            arguments_max=1,
            description="Peers unpin it by and by.",
            options=_AFTERWARDS,
            action=_remove,
        ),
        Command(
            "update",
            "Put a CID on the list with the options of another",
            arguments="<existing-CID> <new-CID|Path>",
            arguments_max=2,
            description="It goes to the peers that keep the other one, which stays on the list. Where both have much "
            "in common, little is fetched.",
            options=(pin_options.NAME, pin_options.EXPIRE_IN, *_AFTERWARDS),
            action=_update,
        ),
        Command(
            "ls",
            "Show the list, or one pin of it",
            arguments="[CID]",
            arguments_max=1,
            description="What ought to be kept, and where; `status` shows how far that is.",
            options=(Option(("filter",), Kind.TEXT, f"Types of pins: {', '.join(PIN_TYPES)}.", "all"),),
            action=_list,
        ),
    ),
)
