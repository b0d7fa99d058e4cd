"""`health` and `ipfs gc`: how peers and their nodes are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pincrew.ctl import text
from pincrew.ctl.answers import shaped
from pincrew.ctl.call import Call, target
from pincrew.ctl.faults import Stopped
from pincrew.ctl.grammar import Command, Kind, Option
from pincrew.ctl.graph import dot
from pincrew.ctl.tracking import LOCAL
from pincrew.figures import printable
from pincrew.rest.shapes import Alert, Bandwidth, ConnectGraph, GlobalRepoGc, Metric


def _graph(call: Call) -> None:
    graph = shaped(ConnectGraph, call.client.object("GET", "/health/graph"))
    lines = dot(graph, all_ipfs_peers=call.option("all-ipfs-peers"))
    if not call.option("file"):
        call.output.lines(lines)
        return
    try:
        Path(call.option("file")).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise Stopped("creating output file", f"{error.filename}: {error.strerror}") from error


def _metrics(call: Call) -> None:
    if not call.argument:
        names = _entries(call.client.object("GET", "/monitor/metrics"))
        call.output.answer(names, (printable(str(name)) for name in names))
        return
    found = _entries(call.client.object("GET", target(f"/monitor/metrics/{call.argument}")))
    now_s = call.now()
    call.output.answer(found, (line for one in found for line in text.metric(shaped(Metric, one), now_s)))


def _alerts(call: Call) -> None:
    found = _entries(call.client.object("GET", "/health/alerts"))
    now_s = call.now()
    call.output.answer(found, (line for one in found for line in text.alert(shaped(Alert, one), now_s)))


def _bandwidth(call: Call) -> None:
    found = call.client.object("GET", "/health/bandwidth")
    if not isinstance(found, dict | None):
        raise Stopped("reading the answer", "it is not what ipfs-cluster's API says")
    call.output.answer(found or {}, _bandwidth_lines(found or {}))


def _bandwidth_lines(found: dict[str, Any]) -> Iterator[str]:
    for protocol in sorted(found):
        yield from text.bandwidth(protocol, shaped(Bandwidth, found[protocol]))


def _collect(call: Call) -> None:
    where = target("/ipfs/gc", local=call.option("local"))
    call.show_object("POST", where, GlobalRepoGc, text.collected)


def _entries(value: Any) -> list[Any]:
    """Return a list that was answered; null is an empty one."""
    if not isinstance(value, list | None):
        raise Stopped("reading the answer", "it is not what ipfs-cluster's API says")
    return value or []


HEALTH = Command(
    "health",
    "Show how the cluster is",
    commands=(
        Command(
            "graph",
            "Show who is connected to whom, as a DOT file",
            options=(
                Option(("file", "f"), Kind.TEXT, "Write it there."),
                Option(("all-ipfs-peers",), Kind.FLAG, "Also nodes that belong to no peer of the cluster."),
            ),
            action=_graph,
        ),
        Command(
            "metrics",
            "Show what peers say of themselves",
            arguments="[metric name]",
            arguments_max=1,
            description="Without a name: the names. Mostly these are ping, freespace, pinqueue and the tags.",
            action=_metrics,
        ),
        Command("alerts", "Show whose metrics expired", action=_alerts),
        Command("bandwidth", "Show how much passed, by protocol", action=_bandwidth),
    ),
)

IPFS = Command(
    "ipfs",
    "Manage the peers' IPFS nodes",
    commands=(
        Command(
            "gc",
            "Collect garbage on the nodes of all peers",
            description="What no pin needs goes. It returns when all of them are done.",
            options=(LOCAL,),
            action=_collect,
        ),
    ),
)
