"""The pins of content in shards: what is written of it, and what goes when its root is taken off the list.

    meta pin      of the content's root, kept by nobody         reference: the cluster DAG
    cluster DAG   of the list of the shards, kept by everybody  reference: the root
    shard pins    one each, kept by the peers they name         reference: the shard before

That is what ipfs-cluster writes. It finds the shards of a root by reading the cluster DAG from a node; here they are
found on the list alone, so that no node is needed: the cluster DAG's metadata name the last shard, whose references
lead to the others, and a shard's metadata name its cluster DAG. Metadata go through state files as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from pincrew.trusted.pin_requests import EVERYWHERE, Allocation, WantedPin

from pincrew import limits
from pincrew.api.shapes import PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Conflict, Misuse
from pincrew.values import Pin, PinMode, PinType

CLUSTER_DAG = "pincrew-cluster-dag"
LAST_SHARD = "pincrew-last-shard"
_NAME_BYTES_KEPT = limits.PIN_NAME_BYTES_MAX - 24

Find = Callable[[bytes], Pin | None]


class ShardWanted(NamedTuple):
    """A shard that is stored, as its pin is to say it."""

    cid: bytes
    size: int
    depth: int
    allocation: Allocation


def requests_for(whole: PinRequest, cluster_dag: bytes, shards: Sequence[ShardWanted]) -> list[PinRequest]:
    """Return what puts content on the list. ``whole`` is the request that would pin its root without shards."""
    last = shards[-1].cid
    requests = []
    before: str | None = None
    for number, shard in enumerate(shards):
        cid = cid_text(shard.cid)
        requests.append(
            PinRequest(
                cid=cid,
                name=_part_name(whole.name, f"shard-{number}"),
                replication_factor_min=shard.allocation.minimum,
                replication_factor_max=shard.allocation.maximum,
                allocations=list(shard.allocation.peers) or None,
                metadata={CLUSTER_DAG: cid_text(cluster_dag)},
                origins=whole.origins,
                expire_at=whole.expire_at,
                size=shard.size,
                type=PinType.SHARD.value,
                max_depth=shard.depth,
                reference=before,
            )
        )
        before = cid
    requests.append(
        PinRequest(
            cid=cid_text(cluster_dag),
            name=_part_name(whole.name, "clusterDAG"),
            mode=PinMode.DIRECT.value,
            replication_factor_min=EVERYWHERE,
            replication_factor_max=EVERYWHERE,
            metadata={LAST_SHARD: cid_text(last)},
            expire_at=whole.expire_at,
            type=PinType.CLUSTER_DAG.value,
            reference=whole.cid,
        )
    )
    requests.append(
        PinRequest(
            cid=whole.cid,
            name=whole.name,
            mode=PinMode.DIRECT.value,
            replication_factor_min=shards[-1].allocation.minimum,
            replication_factor_max=shards[-1].allocation.maximum,
            metadata=whole.metadata,
            expire_at=whole.expire_at,
            type=PinType.META.value,
            reference=cid_text(cluster_dag),
        )
    )
    return requests


def _part_name(name: str, part: str) -> str:
    shortened = name.encode()[:_NAME_BYTES_KEPT].decode(errors="ignore")
    return f"{shortened}-{part}" if shortened else part


def check_whole(wanted: Iterable[WantedPin], find: Find) -> None:
    """Raise Conflict where an ordinary pin would take the place of one of content in shards.

    Everybody would fetch the content whole then, and its shards would stay behind.
    """
    for one in wanted:
        if one.pin is None or one.pin.type is not PinType.DATA:
            continue
        before = find(one.cid)
        if before is not None and before.type is not PinType.DATA:
            raise Conflict(
                f"cannot repin a CID which is a {before.type.value} of content in shards",
                where=cid_text(one.cid),
                means="Nothing was written",
                next_step="Unpin it first",
            )


def taken_along(wanted: Iterable[WantedPin], find: Find) -> list[bytes]:
    """Return what must be removed along with what is ``wanted``: parts of content whose root goes, or is added anew.

    ``find`` gives such pins of the list. Raises Conflict where a part would go while its root stays.
    """
    latest = {one.cid: one.pin for one in wanted if one.takes_along}
    going: dict[bytes, None] = {}
    for cid, pin in latest.items():
        before = find(cid)
        if before is None or before.type is PinType.DATA:
            continue
        if pin is None:
            _check_alone(before, latest, find)
        if pin is None or (pin.type is PinType.META and pin.reference != before.reference):
            going.update(dict.fromkeys(_parts(before, find)))
    return [cid for cid in going if cid not in latest]


def _check_alone(pin: Pin, latest: dict[bytes, Pin | None], find: Find) -> None:
    owner = _owner(pin, find)
    if owner is None or latest.get(owner.cid, owner) is None:
        return
    root = _owner(owner, find) or owner
    if latest.get(root.cid, root) is None:
        return
    what = "a shard" if pin.type is PinType.SHARD else "a Cluster DAG"
    raise Conflict(
        f"cannot unpin {what} directly. Unpin content root CID instead",
        where=cid_text(pin.cid),
        means="Nothing was written",
        next_step=f"Unpin {cid_text(root.cid)}",
    )


def _owner(pin: Pin, find: Find) -> Pin | None:
    """Return the pin that a part of content goes with, as long as that one says the same of it."""
    if pin.type is PinType.CLUSTER_DAG and pin.reference is not None:
        root = find(pin.reference)
        return root if root is not None and root.type is PinType.META and root.reference == pin.cid else None
    if pin.type is PinType.SHARD and (named := _named(pin, CLUSTER_DAG)) is not None:
        dag = find(named)
        return dag if dag is not None and dag.type is PinType.CLUSTER_DAG else None
    return None


def _parts(pin: Pin, find: Find) -> Iterator[bytes]:
    """Yield the parts of content below a pin. What is no part of it any more ends the chain; it stands for itself."""
    if pin.type is PinType.META and pin.reference is not None:
        dag = find(pin.reference)
        if dag is not None and dag.type is PinType.CLUSTER_DAG and dag.reference == pin.cid:
            yield dag.cid
            yield from _parts(dag, find)
    elif pin.type is PinType.CLUSTER_DAG:
        at = _named(pin, LAST_SHARD)
        for _ in range(limits.SHARDS_PER_ADD_MAX):
            shard = None if at is None else find(at)
            if shard is None or shard.type is not PinType.SHARD or _named(shard, CLUSTER_DAG) != pin.cid:
                return
            yield shard.cid
            at = shard.reference


def _named(pin: Pin, key: str) -> bytes | None:
    """Return the CID in a pin's metadata; who wrote it may have been of another version."""
    text = dict(pin.metadata).get(key)
    try:
        return None if text is None else parse_cid(text)
    except Misuse:
        return None
