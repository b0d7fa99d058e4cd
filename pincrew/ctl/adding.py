"""`add`: files, folders and addresses, sent to a peer that adds them to nodes and puts them on the list."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from pincrew.ctl import pin_options, text
from pincrew.ctl.answers import shaped
from pincrew.ctl.call import Call, target, with_query
from pincrew.ctl.faults import Refused, Stopped
from pincrew.ctl.grammar import Command, Kind, Option
from pincrew.ctl.pins import WAIT_TIMEOUT, wait_for
from pincrew.ctl.sources import Source, body_of, source_of
from pincrew.ctl.waiting import PINNED
from pincrew.rest.shapes import AddedOutput, PinObject

SHARD_BYTES = 100 * 1024 * 1024
_HASH = "sha2-256"


def _add(call: Call) -> None:
    sources = _sources(call)
    where = with_query("/add", _query(call, len(sources)))
    boundary = os.urandom(24).hex()
    added = call.client.stream(
        "POST",
        where,
        lambda: body_of(sources, boundary, hidden=call.option("hidden")),
        f"multipart/form-data; boundary={boundary}",
    )
    last = _shown(call, added)
    if last is None:
        return
    if call.option("wait"):
        _wait(call, shaped(AddedOutput, last).cid or "")


def _sources(call: Call) -> list[Source]:
    """Look at what is named. Raises Stopped."""
    if not call.words.arguments:
        raise Stopped("", "need at least one path")
    if call.option("format") == "car" and (len(call.words.arguments) > 1 or call.option("wrap-with-directory")):
        raise Stopped("", "only a single CAR file can be added and wrap-with-directory is not supported")
    if call.option("wait") and call.option("no-pin"):
        raise Stopped("", "what is not pinned cannot be waited for: leave out --wait or --no-pin")
    sources = [source_of(argument, recursive=call.option("recursive")) for argument in call.words.arguments]
    if call.option("nocopy") and any(source.path is not None for source in sources):
        raise Stopped("", "nocopy option is only valid for URLs")
    return sources


def _query(call: Call, sources: int) -> dict[str, str]:
    """Return what ipfs-cluster-ctl sends: each of its options, whether it was typed or not."""
    hash_name = call.option("hash")
    version = call.option("cid-version") if hash_name == _HASH else 1
    flags = {
        "hidden": call.option("hidden"),
        "local": call.option("local"),
        "no-pin": call.option("no-pin"),
        "nocopy": call.option("nocopy"),
        "progress": False,
        "raw-leaves": call.option("raw-leaves") or version > 0 or call.option("nocopy"),
        "recursive": call.option("recursive"),
        "shard": False,
        "stream-channels": True,
        "wrap-with-directory": call.option("wrap-with-directory") or sources > 1,
    }
    query = pin_options.pin_query(
        name=call.option("name"),
        replication_min=call.option("replication-min"),
        replication_max=call.option("replication-max"),
        shard_size=SHARD_BYTES,
        allocations=call.option("allocations"),
        expire_in=call.option("expire-in"),
        metadata=call.option("metadata"),
        now_s=call.now(),
    )
    return {
        **query,
        **{name: "true" if value else "false" for name, value in flags.items()},
        "chunker": call.option("chunker"),
        "cid-version": str(version),
        "format": call.option("format"),
        "hash": hash_name,
        "layout": call.option("layout"),
    }


def _shown(call: Call, added: Iterator[Any]) -> Any:
    """Print what was added as it was asked for; return the last of it, which is the whole. None: nothing was added."""
    only_last, is_gathered = call.option("quieter"), call.option("no-stream")
    lines = text.added_quietly if only_last or call.option("quiet") else text.added
    last: Any = None
    gathered: list[Any] = []
    try:
        for last in added:
            if is_gathered and not only_last:
                gathered.append(last)
            elif not only_last:
                call.show(AddedOutput, last, lines)
    finally:
        # What was added is told, whatever happened behind it; which of it is the whole nobody knows then.
        if gathered:
            call.output.answer(gathered, (line for one in gathered for line in lines(shaped(AddedOutput, one))))
    if last is not None and only_last:
        whole = [last] if is_gathered else last
        call.output.answer(whole, lines(shaped(AddedOutput, last)))
    return last


def _wait(call: Call, cid: str) -> None:
    limit = call.option("replication-min")
    try:
        pin = call.client.object("GET", target(f"/allocations/{cid}"))
        limit = shaped(PinObject, pin).replication_factor_min
    except Refused:
        pass  # then what was asked for goes
    wait_for(call, cid, PINNED, limit)


ADD = Command(
    "add",
    "Add files and folders, and put them on the list",
    arguments="<path or URL>...",
    arguments_max=None,
    description="They go to the nodes of the peers that shall keep them, block by block, and then onto the list. "
    "Addresses (http, https) are downloaded here and passed on. Several at once come into one folder.\n\n"
    "The options are those of `ipfs add`. A CAR file (--format car) needs a single root.",
    options=(
        Option(("recursive", "r"), Kind.FLAG, "Also folders."),
        Option(("quiet", "q"), Kind.FLAG, "Print CIDs alone."),
        Option(("quieter", "Q"), Kind.FLAG, "Print the CID of the whole alone."),
        Option(("no-stream",), Kind.FLAG, "Print all at the end; with --enc=json an array."),
        Option(("local",), Kind.FLAG, "Add to the node of the peer that is asked."),
        pin_options.NAME,
        pin_options.REPLICATION_MIN,
        pin_options.REPLICATION_MAX,
        pin_options.EXPIRE_IN,
        pin_options.METADATA,
        pin_options.ALLOCATIONS,
        Option(("no-pin",), Kind.FLAG, "Do not put it on the list."),
        Option(("wait",), Kind.FLAG, "Return once enough peers have it."),
        WAIT_TIMEOUT,
        Option(("wrap-with-directory", "w"), Kind.FLAG, "Put it into a folder."),
        Option(("format",), Kind.TEXT, "unixfs, or car: a CAR file.", "unixfs"),
        Option(("layout",), Kind.TEXT, "balanced or trickle."),
        Option(("hidden", "H"), Kind.FLAG, "Also what begins with a dot in folders."),
        Option(("chunker", "s"), Kind.TEXT, "size-N, rabin-MIN-AVG-MAX or buzhash.", "size-262144"),
        Option(("raw-leaves",), Kind.FLAG, "Leaves are raw blocks."),
        Option(("cid-version",), Kind.NUMBER, "0 or 1, which has raw leaves.", 0),
        Option(("hash",), Kind.TEXT, "Hash function; others have CID version 1.", _HASH),
        Option(("nocopy",), Kind.FLAG, "Keep the address instead of the data."),
    ),
    action=_add,
)
