"""The OpenAPI document of ipfs-cluster's REST API, made from the table of routes and the shapes of the answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from pincrew import __version__
from pincrew.api.shapes import GlobalPinInfo, PinObject
from pincrew.rest import shapes
from pincrew.rest.access import Scope
from pincrew.rest.routing import Route

_JSON = "application/json"
_CONVERTOR = re.compile(r"\{(\w+):\w+\}")


class Parameter(NamedTuple):
    """What can stand in a query."""

    name: str
    kind: str
    meaning: str


class Operation(NamedTuple):
    """What a route does. ``answer`` is the type of its object, or of each where ``is_list``; None: it has none."""

    summary: str
    answer: Any = None
    is_list: bool = False
    query: tuple[Parameter, ...] = ()
    body: Any = None


_LOCAL = Parameter("local", "boolean", "This peer alone; only the word `true` counts.")
_PIN_OPTIONS = (
    Parameter("name", "string", "What it is called."),
    Parameter("mode", "string", "`recursive` or `direct`; everything else is recursive."),
    Parameter("replication", "integer", "Sets both of the next."),
    Parameter(
        "replication-min", "integer", "How many peers keep it at least; -1: every peer, 0: the cluster's default."
    ),
    Parameter("replication-max", "integer", "How many peers keep it at most."),
    Parameter("shard-size", "integer", "With `shard`: bytes of blocks in a shard, at most; 0: 100 MiB."),
    Parameter("user-allocations", "string", "Peer ids with commas in between, preferred where peers are chosen."),
    Parameter("expire-at", "string", "RFC 3339; decides over the next."),
    Parameter("expire-in", "string", "A duration as Go writes it, like `24h`; at least a second."),
    Parameter("meta-KEY", "string", "An entry of the metadata, under any KEY."),
    Parameter("pin-update", "string", "The CID whose options it takes over."),
    Parameter("origins", "string", "Multiaddresses with `/p2p/`, with commas in between, that have the content."),
)
_ADD_OPTIONS = (
    Parameter("format", "string", "`unixfs` (files), or `car`."),
    Parameter("layout", "string", "How files become DAGs."),
    Parameter("chunker", "string", "How files are cut, like `size-262144`."),
    Parameter("cid-version", "integer", "0 or 1."),
    Parameter("hash", "string", "The hash function."),
    Parameter("raw-leaves", "boolean", "Whether leaves are raw blocks."),
    Parameter("wrap-with-directory", "boolean", "Put a folder around it."),
    Parameter("progress", "boolean", "Tell how far each file is."),
    Parameter("stream-channels", "boolean", "`false`: one array at the end."),
    Parameter("no-pin", "boolean", "Put nothing on the list."),
    Parameter("shard", "boolean", "Cut it into shards, each kept by peers of its own."),
    Parameter("local", "boolean", "Into this peer's node alone."),
)
_TYPES = Parameter(
    "filter", "string", "Types with commas in between: `pin`, `meta-pin`, `clusterdag-pin`, `shard-pin`."
)
_STATUSES = (
    Parameter("filter", "string", "Statuses with commas in between; `error` and `queued` stand for several."),
    Parameter("cids", "string", "CIDs with commas in between; the filter is not heeded then."),
    _LOCAL,
)
_PATH = "/pins/{kind}/{path}"
OPERATIONS: dict[tuple[str, str], Operation] = {
    ("GET", "/allocations"): Operation("The list.", PinObject, is_list=True, query=(_TYPES,)),
    ("GET", "/allocations/{cid}"): Operation("One pin of the list; 404 where it is not there.", PinObject),
    ("GET", "/pins"): Operation("How far every peer got with each pin.", GlobalPinInfo, is_list=True, query=_STATUSES),
    ("GET", "/pins/{cid}"): Operation(
        "How far every peer got with one CID, on the list or not.", GlobalPinInfo, query=(_LOCAL,)
    ),
    ("POST", "/pins/recover"): Operation(
        "Try again what failed; what that is.", GlobalPinInfo, is_list=True, query=(_LOCAL,)
    ),
    ("POST", "/pins/{cid}/recover"): Operation("Try one again where it failed.", GlobalPinInfo, query=(_LOCAL,)),
    ("POST", "/pins/{cid}"): Operation("Put a pin on the list, or change it.", PinObject, query=_PIN_OPTIONS),
    ("DELETE", "/pins/{cid}"): Operation("Take a pin off the list; as it was.", PinObject),
    ("POST", _PATH): Operation("Put what a path ends at on the list.", PinObject, query=_PIN_OPTIONS),
    ("DELETE", _PATH): Operation("Take what a path ends at off the list; as it was.", PinObject),
    ("POST", "/add"): Operation(
        "Add files, or a CAR, and pin them.", shapes.AddedOutput, is_list=True, query=(*_PIN_OPTIONS, *_ADD_OPTIONS)
    ),
    ("GET", "/id"): Operation("Who this peer is.", shapes.Id),
    ("GET", "/version"): Operation("The version of its program.", shapes.Version),
    ("GET", "/peers"): Operation("All peers that are connected or announced themselves.", shapes.Id, is_list=True),
    ("POST", "/peers"): Operation(
        "Ask a connected peer who it is; peers join by themselves.", shapes.Id, body=shapes.PeerWanted
    ),
    ("DELETE", "/peers/{peer}"): Operation("Always refused: nobody removes a peer from a CRDT cluster."),
    ("POST", "/ipfs/gc"): Operation("Have this peer's node collect garbage.", shapes.GlobalRepoGc),
    ("GET", "/health/graph"): Operation("Who is connected to whom.", shapes.ConnectGraph),
    ("GET", "/health/alerts"): Operation("Whose announcements expired, newest first.", list[shapes.Alert]),
    ("GET", "/monitor/metrics"): Operation("Of what there are metrics.", list[str]),
    ("GET", "/monitor/metrics/{name}"): Operation(
        "The valid metrics of a name, one for each peer.", list[shapes.Metric]
    ),
    ("GET", "/health/bandwidth"): Operation("How much passed between peers, by protocol.", dict[str, shapes.Bandwidth]),
    ("GET", "/health"): Operation("Whether it answers at all."),
    ("POST", "/token"): Operation("Make a bearer token for who shows a password.", shapes.BearerToken),
    ("GET", "/openapi.json"): Operation("This document.", dict[str, Any]),
}
_PARTS = {
    "cid": "A CID.",
    "peer": "A peer id.",
    "kind": "`ipfs`, `ipns` or `ipld`.",
    "path": "What follows: a CID or a name, and folders below it.",
    "name": "The name of a metric.",
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """Return it, in version 3.1 of OpenAPI, as objects of JSON."""
    types = {each for one in OPERATIONS.values() for each in (one.answer, one.body) if each is not None}
    ordered = sorted([*types, shapes.Fault], key=str)
    schemas, components = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(ordered, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = plain(route.path)
        paths.setdefault(path, {})[route.method.lower()] = _described(route, path, schema_of)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ipfs-cluster's REST API, as pincrew has it", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def plain(path: str) -> str:
    """Return a route's path as OpenAPI writes it."""
    return _CONVERTOR.sub(r"{\1}", path)


def _described(route: Route, path: str, schema_of: dict[Any, Any]) -> dict[str, Any]:
    operation = OPERATIONS[route.method, path]
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [
            *(_parameter("path", name, "string", _PARTS[name]) for name in re.findall(r"\{(\w+)\}", path)),
            *(_parameter("query", *each) for each in operation.query),
        ],
        "responses": _responses(operation, schema_of),
        # Nobody is asked on the socket of the peer's own user, nor where there are neither users nor tokens.
        "security": [] if route.scope is Scope.FREE else [{}, {"basic": []}, {"bearer": []}],
        "x-scope": route.scope.value,
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema_of[operation.body]}}}
    elif route.takes_files:
        described["requestBody"] = {
            "required": True,
            "content": {"multipart/form-data": {"schema": {"type": "object"}}},
        }
    return described


def _parameter(place: str, name: str, kind: str, meaning: str) -> dict[str, Any]:
    schema = {"type": kind}
    return {"name": name, "in": place, "required": place == "path", "description": meaning, "schema": schema}


def _responses(operation: Operation, schema_of: dict[Any, Any]) -> dict[str, Any]:
    fault = {_JSON: {"schema": schema_of[shapes.Fault]}}
    found: dict[str, Any] = {"default": {"description": "Why it was not done.", "content": fault}}
    if operation.answer is None or operation.is_list:
        found["204"] = {"description": "Done, and there is nothing to say."}
    if operation.answer is not None:
        lines = "JSON Lines of such objects, whole if the trailer X-Stream-Error is empty."
        content = {_JSON: {"schema": schema_of[operation.answer]}}
        found["200"] = {"description": lines if operation.is_list else "The object.", "content": content}
    return found
