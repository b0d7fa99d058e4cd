"""The one table of who may import whom (docs/architecture.md tells the same in words).

Every module of the packages belongs to exactly one row: a new module fails the tests until it is placed here on
purpose. A name covers its submodules, unless a longer name is listed too.
"""

from __future__ import annotations

# From the bottom up. A module imports from its own layer and from those below it.
LAYERS: dict[str, tuple[str, ...]] = {
    "values": (
        "pincrew",  # the package root: a docstring and the version
        "pincrew.cid",
        "pincrew.domains",
        "pincrew.errors",
        "pincrew.keys",
        "pincrew.limits",
        "pincrew.values",
    ),
    "pure": (
        "pincrew.announcement",
        "pincrew.announcement_sync",
        "pincrew.base_due",
        "pincrew.base_form",
        "pincrew.base_sync",
        "pincrew.config_document",
        "pincrew.folding",
        "pincrew.frames",
        "pincrew.gate",
        "pincrew.health",
        "pincrew.inbox",
        "pincrew.manners",
        "pincrew.node.bitswap.asking",
        "pincrew.node.bitswap.ledger",
        "pincrew.node.bitswap.message",
        "pincrew.node.bitswap.orders",
        "pincrew.node.bitswap.partner",
        "pincrew.node.bitswap.want_book",
        "pincrew.node.bitswap.wantlist",
        "pincrew.node.bitswap.wants",
        "pincrew.node.car",
        "pincrew.node.chunking",
        "pincrew.node.dag_pb",
        "pincrew.node.dht_message",
        "pincrew.node.dialable",
        "pincrew.node.hamt",
        "pincrew.node.inner_paths",
        "pincrew.node.layout",
        "pincrew.node.links",
        "pincrew.node.multihash",
        "pincrew.node.protobuf",
        "pincrew.node.segments",
        "pincrew.node.store.mark_set",
        "pincrew.node.store.schema",
        "pincrew.node.unixfs",
        "pincrew.node_acquaintance",
        "pincrew.node_address",
        "pincrew.page_sync",
        "pincrew.pinset",
        "pincrew.policy",
        "pincrew.proof_sync",
        "pincrew.quantities",
        "pincrew.record",
        "pincrew.record_rest",
        "pincrew.removals",
        "pincrew.requests",
        "pincrew.steps",
        "pincrew.sync",
        "pincrew.tracker",
        "pincrew.trust",
        "pincrew.trust_change",
        "pincrew.trust_proposal",
        "pincrew.trust_record",
        "pincrew.verdict",
        "pincrew.wire",
        "pincrew.yjs",
    ),
    "edges": (
        "pincrew.addresses",
        "pincrew.api",
        "pincrew.bell",
        "pincrew.doors",
        "pincrew.files",
        "pincrew.holdings",
        "pincrew.home_lock",
        "pincrew.identity",
        "pincrew.kubo_process",
        "pincrew.kubo_rpc",
        "pincrew.multipart",
        "pincrew.network",
        "pincrew.node",
        "pincrew.node_calls",
        "pincrew.node_choice",
        "pincrew.node_client",
        "pincrew.node_connection",
        "pincrew.node_finding",
        "pincrew.paths",
        "pincrew.settings",
        "pincrew.store",
        "pincrew.trust_role",
        "pincrew.trust_view",
    ),
    "peer": (
        "pincrew.announcer",
        "pincrew.applier",
        "pincrew.assembly",
        "pincrew.attempts",
        "pincrew.base_candidate",
        "pincrew.base_desk",
        "pincrew.base_in_force",
        "pincrew.base_making",
        "pincrew.base_reach",
        "pincrew.bases",
        "pincrew.bookkeeper",
        "pincrew.cluster",
        "pincrew.diary",
        "pincrew.letting_go",
        "pincrew.member",
        "pincrew.moving",
        "pincrew.neighbourhood",
        "pincrew.node_keeper",
        "pincrew.node_room",
        "pincrew.node_watch",
        "pincrew.nodes",
        "pincrew.overview",
        "pincrew.ownership",
        "pincrew.peer",
        "pincrew.pinner",
        "pincrew.proofs",
        "pincrew.reconciling",
        "pincrew.repair_desk",
        "pincrew.replica",
        "pincrew.self_report",
        "pincrew.succession",
        "pincrew.trust_desk",
        "pincrew.workplace",
        "pincrew.windows",
    ),
    "roles": (
        "pincrew.follow",
        "pincrew.trusted",
    ),
    "daemon": (
        "pincrew.daemon",
        "pincrew.leaving",
        "pincrew.publisher",
        "pincrew.roster",
    ),
    "doors": (
        "pincrew.__main__",
        "pincrew.cli",
        "pincrew.tui",
    ),
}

# Pairs that their layers would allow and that are still refused, each with its reason.
REFUSED: tuple[tuple[str, str, str], ...] = (
    ("pincrew.follow", "pincrew.trusted", "a follower is put together without a writer"),
    ("pincrew.trusted", "pincrew.follow", "publishing knows nothing of joining"),
    ("pincrew.api.client", "pincrew.store", "the API's client must import nothing of the daemon's"),
)

# The doors see little of what is below them: they are clients of the API. Whatever is not named here is refused.
DOORS_SEE: dict[str, tuple[str, ...]] = {
    "pincrew.cli": (
        "pincrew",
        "pincrew.api",
        "pincrew.base_due",
        "pincrew.base_form",
        "pincrew.cid",
        "pincrew.config_document",
        "pincrew.domains",
        "pincrew.errors",
        "pincrew.files",
        "pincrew.follow.source",
        "pincrew.holdings",
        "pincrew.home_lock",
        "pincrew.identity",
        "pincrew.keys",
        "pincrew.kubo_process",
        "pincrew.limits",
        "pincrew.multipart",
        "pincrew.node_address",
        "pincrew.node_calls",
        "pincrew.node_choice",
        "pincrew.node_finding",
        "pincrew.paths",
        "pincrew.quantities",
        "pincrew.record",
        "pincrew.record_rest",
        "pincrew.settings",
        "pincrew.store",
        "pincrew.trust",
        "pincrew.trust_change",
        "pincrew.trust_proposal",
        "pincrew.trust_view",
        "pincrew.trusted.creation",
        "pincrew.trusted.cutting",
        "pincrew.trusted.publishing",
        "pincrew.tui",
        "pincrew.values",
    ),
    "pincrew.tui": ("pincrew", "pincrew.api", "pincrew.errors", "pincrew.values"),
}

# Doors that start the daemon's own loop import it inside the function that does so, after the command line was read.
DAEMON_IN_FUNCTIONS: tuple[str, ...] = ("pincrew.cli",)
# `node run` is the embedded node, as `daemon run` is the daemon.
NODE_IN_FUNCTIONS: tuple[str, str] = ("pincrew.cli.node", "pincrew.node.process")

# Third-party libraries that one module alone imports: (library, who may).
ONLY_IN: dict[str, tuple[str, ...]] = {
    "libp2p": ("pincrew.network", "pincrew.node"),
    "pycrdt": ("pincrew.pinset",),
    "textual": ("pincrew.tui",),
    "sqlite3": ("pincrew.store", "pincrew.holdings", "pincrew.node"),
}

# Dependencies that no module imports by name: (distribution, why it is one all the same).
NOT_IMPORTED: dict[str, str] = {}

# What the values and pure layers never import: no I/O, no clock, no chance, no logging.
PURE_NEVER: tuple[str, ...] = (
    "asyncio",
    "httpx",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "time",
    "trio",
    "urllib.request",
)

# Randomness may arrive as an argument: a seeded generator.
PURE_MAY: tuple[str, ...] = ("random.Random",)

# Names that say nothing about what is inside.
REFUSED_NAMES: tuple[str, ...] = ("base", "common", "helpers", "manager", "utils")
