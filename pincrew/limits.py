"""Every bound on what a stranger, a neighbour or a backlog can make a peer hold or do.

The first group are constants of the wire version: acceptance depends on them (invariant 9), so they change only
together with ``WIRE_VERSION`` and stand in docs/protocol.md. The second group are this process's own manners.
Units come last in each name.
"""

from __future__ import annotations

# ---- constants of wire version 1 --------------------------------------------------------------------------------
WIRE_VERSION = 1
ENVELOPE_BYTES_MAX = 256 * 1024
ENVELOPE_OPERATIONS_MAX = 1_000
ENVELOPE_DEPENDENCIES_MAX = 1_000
ENVELOPE_REFERENCES_MAX = 1_000
DELETE_TARGETS_MAX = 64
RECORD_BYTES_MAX = 4 * 1024
CID_BYTES_MAX = 128
SHARD_BITS_DEFAULT = 12
SHARD_BITS_MAX = 16
TRUST_RECORD_BYTES_MAX = 64 * 1024
TRUST_KEYS_MAX = 256
CONFIG_DOCUMENT_BYTES_MAX = 256 * 1024

# What a writer refuses; a reader keeps what it does not understand.
PIN_NAME_BYTES_MAX = 1_024
PIN_ALLOCATIONS_MAX = 60
PIN_ORIGINS_MAX = 10
PIN_METADATA_MAX = 64

# ---- pages and frames of the sync stream ------------------------------------------------------------------------
PAGE_BYTES_MAX = 320 * 1024
PAGE_ENVELOPES_MAX = 4_096
FRAME_BYTES_MAX = PAGE_BYTES_MAX + 64 * 1024
HEADS_PER_FRAME_MAX = 3_000
TRUST_RECORDS_PER_FRAME_MAX = 64
ANNOUNCEMENTS_PER_FRAME_MAX = 32
SESSIONS_MAX = 100_000
WANTS_IN_FLIGHT_MAX = 4
OUTBOX_FRAMES_MAX = 256
WANT_TIMEOUT_S = 20.0
ANTI_ENTROPY_INTERVAL_S = 45.0
HEADS_INTERVAL_S = 1.0

# ---- the reorder buffer (verified envelopes only) ----------------------------------------------------------------
REORDER_ENVELOPES_MAX = 64
REORDER_BYTES_MAX = 4 * 1024 * 1024
REORDER_TOTAL_BYTES_MAX = 32 * 1024 * 1024

# ---- windows: how much is applied between two commits -----------------------------------------------------------
WINDOW_OPERATIONS_MAX = 20_000
WINDOW_BYTES_MAX = 4 * 1024 * 1024
WRITE_ORDERS_WAITING_MAX = 1_000
APPLY_SLICE_S_MAX = 0.001

# ---- announcements ----------------------------------------------------------------------------------------------
ANNOUNCED_PEERS_MAX = 5_000
ANNOUNCEMENT_BYTES_MAX = 8 * 1024
ANNOUNCEMENT_INTERVAL_S = 30.0
ANNOUNCEMENT_LOOK_INTERVAL_S = 5.0
ANNOUNCEMENT_GATHER_S = 0.25
ANNOUNCEMENT_TTL_S = 180.0
ANNOUNCEMENT_ADDRESSES_MAX = 16
ANNOUNCED_NODES_CONNECTED_MAX = 50

# ---- network ------------------------------------------------------------------------------------------------------
NEIGHBOURS_MAX = 8
NEIGHBOURS_CURATOR_MAX = 512
REMEMBERED_PEERS_MAX = 200
REQUESTS_IN_FLIGHT_PER_PEER_MAX = 4
REQUEST_TIMEOUT_S = 15.0
REQUEST_CIDS_MAX = 1_000
REJECTED_PER_WINDOW_MAX = 50
DUPLICATES_PER_SECOND_MAX = 200
FLOOD_WINDOW_S = 10.0
FLOOD_BAN_S = 600.0
FLOOD_PEERS_MAX = 4_096

CONNECTIONS_MAX = 1_000
CONNECTIONS_PER_PEER_MAX = 4
INBOUND_FACTOR = 4  # a peer accepts this many times the neighbours that it looks for, so that newcomers find room
STREAMS_PER_CONNECTION_MAX = 24
STREAM_WINDOW_BYTES_MAX = 2 * 1024 * 1024
DIAL_TIMEOUT_S = 5.0
UPGRADE_TIMEOUT_S = 4.0
NEGOTIATION_TIMEOUT_S = 4.0
SYNC_OPEN_TIMEOUT_S = 8.0
SYNC_INBOUND_GRACE_S = 1.0
SYNC_TIE_S = 15.0
RESOLVE_TIMEOUT_S = 5.0
RESOLVED_ADDRESSES_MAX = 16
REDIAL_DELAY_S_MIN = 0.5
REDIAL_DELAY_S_MAX = 60.0
REDIAL_STEADY_S = 3.0
# After the loss of a peer that was there: most such losses are restarts, which take seconds. The last one is repeated.
REDIAL_QUICK_DELAYS_S = (0.2, 0.5, 1.0)
REDIAL_QUICK_TRIES_MAX = 20
LIVENESS_INTERVAL_S = 10.0
LIVENESS_TIMEOUT_S = 15.0
FRAME_TIMEOUT_S = 60.0
STREAM_IDLE_TIMEOUT_S = 180.0
SEND_STALL_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 2.0
SHUTDOWN_TIMEOUT_S = 4.0
HANDSHAKE_REPORTS_MAX = 256
HANDSHAKE_REPORT_INTERVAL_S = 600.0

GOSSIP_QUEUE_MAX = 4_096
GOSSIP_MESSAGE_BYTES_MAX = ENVELOPE_BYTES_MAX + 1024
GOSSIP_CONTROL_IDS_MAX = 500
GOSSIP_MESSAGES_PER_RPC_MAX = 1_000
GOSSIP_BACKOFF_S_MAX = 3_600

MDNS_PEERS_MAX = 64
MDNS_ADDRESSES_MAX = 8

# ---- source fetching ----------------------------------------------------------------------------------------------
SOURCE_REDIRECTS_MAX = 5
SOURCE_CONNECT_TIMEOUT_S = 10.0
SOURCE_TIMEOUT_S = 30.0
SOURCE_RECHECK_INTERVAL_S = 3_600.0

# ---- keeping ------------------------------------------------------------------------------------------------------
PINS_IN_FLIGHT_DEFAULT = 10
PIN_NO_PROGRESS_TIMEOUT_S = 600.0
# A pin of which no block ever came holds its slot for this long only: dead pins must not keep the others waiting.
PIN_FIRST_BLOCK_TIMEOUT_S = 60.0
RETRY_DELAY_S_MIN = 10.0
RETRY_DELAY_S_MAX = 6 * 3_600.0
UNPIN_GRACE_S = 24 * 3_600.0
REMOVALS_HOLD_S = 7 * 86_400.0
REMOVALS_FRACTION_MAX = 0.10
REMOVALS_FREE_PINS = 20
REMOVALS_PINS_MAX = 1_000
EVENTS_KEPT_MAX = 10_000
EVENTS_INTERVAL_S = 0.25

# ---- the API ------------------------------------------------------------------------------------------------------
API_BODY_BYTES_MAX = 64 * 1024
API_LINE_BYTES_MAX = 64 * 1024
SOCKET_PATH_BYTES_MAX = 100

# ---- trust chains and config documents (constants of their format version 1) ---------------------------------------
TRUST_FORMAT_VERSION = 1
TRUST_RECORDS_MAX = 1_000
TRUST_CHAIN_BYTES_MAX = 160 * 1024
CONFIG_FORMAT_VERSION = 1
CONFIG_NAME_BYTES_MAX = 128
CONFIG_DESCRIPTION_BYTES_MAX = 2_048
CONFIG_PEERS_MAX = 64
CONFIG_PEER_BYTES_MAX = 512
CONFIG_DOTS_PER_LINE_MAX = 256
CONFIG_FOLLOWERS_PUBLISHED_MAX = 20
CLUSTER_NAME_BYTES_MAX = 64
PEER_NAME_BYTES_MAX = 64

# ---- the node's RPC, and driving it --------------------------------------------------------------------------------
NODE_CONNECT_TIMEOUT_S = 5.0
NODE_REQUEST_TIMEOUT_S = 30.0
NODE_SILENCE_TIMEOUT_S = 120.0
NODE_CONNECTIONS_MAX = 64
NODE_CONNECTION_IDLE_S_MAX = 30.0
NODE_DIRECT_PINS_FRESH_S = 1.0
NODE_DIRECT_PINS_LISTED_MAX = 1_000
# One listing instead of a question for each CID: worth it up to so many pins a CID (a question costs what 35 lines
# cost), believed for so long, and not tried again for so long on a node that has more or failed.
NODE_PINS_LISTED_PER_CID_MAX = 30
NODE_PINS_FRESH_S = 1.0
NODE_PINS_COUNT_FRESH_S = 60.0
NODE_LINE_BYTES_MAX = 64 * 1024
NODE_ANSWER_BYTES_MAX = 8 * 1024 * 1024
NODE_HEADERS_BYTES_MAX = 64 * 1024
NODE_ADDRESS_FILE_BYTES_MAX = 1_024
NODE_ROOT_BLOCK_BYTES_MAX = 1024 * 1024
NODE_BLOCK_TIMEOUT_S = 20.0
NODE_CONNECT_PEER_TIMEOUT_S = 15.0
NODE_PROBE_INTERVAL_S = 10.0
NODE_PROBE_DELAY_S_MIN = 0.5
NODE_PROBE_DELAY_S_MAX = 30.0
NODE_ADDRESSES_CONNECTED_IN_FLIGHT = 4
NODE_ROOM_INTERVAL_S = 60.0
NODE_ROOM_LOOK_INTERVAL_S = 2.0
CAUSE_CHARACTERS_MAX = 120
ERROR_CHARACTERS_MAX = 1_000
PROGRESS_INTERVAL_S = 1.0
CHANGES_PER_SLICE = 1_000
CANDIDATES_PER_SLICE = 64
LANE_DRY_S = 2.0
STATUS_INTERVAL_S = 0.1
STATUS_DELAY_S_MAX = 0.5
RECONCILE_DELAY_S = 20.0
RECONCILE_INTERVAL_S = 3_600.0
RECONCILE_ROWS_PER_SLICE = 500
RECONCILE_SECOND_LOOK_S = 1.0
UNPINS_IN_FLIGHT_MAX = 4
UNPINS_PER_SLICE = 200
UNPIN_RETRY_DELAY_S = 60.0
STORE_RETRY_DELAY_S = 5.0
RATE_WINDOW_S = 10.0
