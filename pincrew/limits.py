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
BASE_FORMAT_VERSION = 1
BASE_HEADER_BYTES_MAX = 1024
BASE_BLOB_BYTES_MAX = 16 * 1024 * 1024

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
CLAIMS_BEYOND_OURS_MAX = 8_000  # sessions that one neighbour says it has, and nobody here heard of
# A base's blobs travel in pieces; so many may be asked of one neighbour at once.
BLOB_PIECE_BYTES_MAX = 256 * 1024
BLOBS_IN_FLIGHT_MAX = 16
BLOBS_PARTIAL_BYTES_MAX = 64 * 1024 * 1024  # of all that are under way together
BLOBS_SERVED_KEPT = 8
BLOBS_REMEMBERED_MAX = 2**SHARD_BITS_MAX + 1_000  # that one neighbour was sent
BASE_LOG_BYTES_MIN = 16 * 1024 * 1024
BASE_TOMBSTONES_MIN = 20_000
BASE_QUIET_S = 10.0  # without a write, before a keeper makes a base that is due
REISSUED_ENVELOPES_MAX = 64  # written again in one go
BASES_PER_TRUST_RECORD_MAX = 2**42
BASES_KEPT = 16  # headers and cuts, by which a peer that holds the log goes on base by base; rows of the newest alone
FORGOTTEN_PER_STEP = 2_000  # envelopes of the log, in one transaction
SHARDS_PER_STEP = 4  # computed as of a cut
BASE_SHARDS_READ_AHEAD = 4  # while one is written; of the largest list some 16 MB each
WANTS_IN_FLIGHT_MAX = 4
OUTBOX_FRAMES_MAX = 256
WANT_TIMEOUT_S = 20.0
OVERDUE_WANTS_MAX = 1_000  # of one neighbour; who answers one that is forgotten is blamed
ANTI_ENTROPY_INTERVAL_S = 45.0
HEADS_INTERVAL_S = 1.0
# The proof of a fork is shown to one neighbour at a time, for it is read from the store each time.
PROOF_INTERVAL_S = 0.25
PROOF_RUNS_MAX = 2  # the two branches
PROVEN_SESSIONS_MAX = 64  # whose proofs are shown; those of older ones are kept, and wait for an owner's base
HEADS_AT_ONCE_MAX = 4  # neighbours that hear of news the moment it is there; most others have it before their turn

# ---- the reorder buffer (verified envelopes only) ----------------------------------------------------------------
REORDER_ENVELOPES_MAX = 64
REORDER_BYTES_MAX = 4 * 1024 * 1024
REORDER_TOTAL_BYTES_MAX = 32 * 1024 * 1024
REORDER_SESSIONS_MAX = 10_000

# ---- a cluster's store -------------------------------------------------------------------------------------------
READERS_KEPT = 4  # connections that stay open while nobody reads

# ---- windows: how much is applied between two commits -----------------------------------------------------------
WINDOW_OPERATIONS_MAX = 20_000
WINDOW_BYTES_MAX = 4 * 1024 * 1024
WRITE_ORDERS_WAITING_MAX = 1_000
APPLY_SLICE_S_MAX = 0.001

# ---- announcements ----------------------------------------------------------------------------------------------
ANNOUNCED_PEERS_MAX = 5_000
ANNOUNCEMENT_BYTES_MAX = 8 * 1024
ANNOUNCEMENT_INTERVAL_S = 30.0
# In a crowd everybody passes on what everybody says: each speaks more rarely, but three times before it expires.
ANNOUNCEMENT_INTERVAL_S_MAX = 55.0
ANNOUNCEMENT_INTERVAL_PER_PEER_S = 0.5
# Gathered for this long on each link, and in a crowd for longer: a frame costs about as much as what is in it.
ANNOUNCEMENTS_PASSED_ON_INTERVAL_S = 2.0
ANNOUNCEMENTS_PASSED_ON_INTERVAL_S_MAX = 10.0
ANNOUNCEMENTS_PASSED_ON_PER_PEER_S = 0.05
ANNOUNCEMENT_LOOK_INTERVAL_S = 5.0
ANNOUNCEMENT_GATHER_S = 0.25  # and in a crowd for longer: each look is at everybody
ANNOUNCEMENT_GATHER_PER_PEER_S = 0.02
ANNOUNCEMENT_TTL_S = 180.0
ANNOUNCEMENT_ADDRESSES_MAX = 16
TAGS_MAX = 16
TAG_BYTES_MAX = 64  # of a name, and of a value
ANNOUNCED_NODES_CONNECTED_MAX = 50

# ---- network ------------------------------------------------------------------------------------------------------
NEIGHBOURS_MAX = 8
NEIGHBOURS_CURATOR_MAX = 512
REMEMBERED_PEERS_MAX = 200
SOUGHT_PEERS_MAX = 512  # curators come on top
DIALS_AT_ONCE_MAX = 3  # curators come on top; more would only make each other slow
REQUESTS_IN_FLIGHT_PER_PEER_MAX = 4
REQUEST_TIMEOUT_S = 15.0
REQUEST_CIDS_MAX = 1_000
HTTP_REQUESTS_PER_CONNECTION_MAX = 1_000_000_000  # whoever asks for much keeps its connection
HTTP_CLOSE_TIMEOUT_S = 1.0
HTTP_SEND_STALL_S = 120.0  # a client that takes nothing of an answer, where connections are counted
REST_CONNECTIONS_MAX = 256  # at once, of each door of a cluster's REST API
REST_CIDS_MAX = 1_000  # named in one request of ipfs-cluster's API
REST_ADDED_LINES_WAITING_MAX = 100_000  # for a client that reads only after it has sent all
REST_BODY_SILENCE_S = 120.0  # in the midst of a request; whoever adds may be slow
REST_COLLECTED_SHOWN_MAX = 100_000  # keys of blocks that a collection names
EXPIRE_IN_S_MAX = 1_000 * 366 * 86_400.0
ANSWER_PEERS_MAX = 1_000  # connected to whoever answers
DELIVERY_PIECE_BYTES_MAX = 256 * 1024
SHARD_BYTES_DEFAULT = 100 * 1024 * 1024  # of blocks, where content is added in shards
SHARD_BLOCKS_MAX = 100_000  # of tiny ones: what is noted of a shard while it is made stays below 30 MB
SHARD_NODE_LINKS_MAX = 5_984  # ipfs-cluster's number; such a node has less than 300 KB
SHARDS_PER_ADD_MAX = SHARD_NODE_LINKS_MAX  # so that the list of them is one block
ADDS_AT_ONCE_MAX = 12  # each has a connection to the node, and a delivery to every other curator; others wait
DELIVERIES_PER_PEER_MAX = ADDS_AT_ONCE_MAX  # so many windows fit into CONNECTION_BUFFER_BYTES_MAX
DELIVERY_TIMEOUT_S = 24 * 3_600.0  # of all of one; a stream on which nothing passes ends much earlier
DELIVERY_IDLE_S = 600.0  # whoever adds may be slow
DELIVERY_PIECES_WAITING_MAX = 4  # for a destination that is slower than the others
REJECTED_PER_WINDOW_MAX = 50
DUPLICATES_PER_SECOND_MAX = 200
NEEDLESS_QUESTION_WEIGHT = 4  # duplicates that a sync frame counts for which has to be answered
FLOOD_WINDOW_S = 10.0
FLOOD_BAN_S = 600.0
FLOOD_PEERS_MAX = 4_096

CONNECTIONS_MAX = 1_000
CONNECTIONS_PER_PEER_MAX = 4
HALF_OPEN_PER_ADDRESS_MAX = 32  # inbound and before the end of the handshake; no limit for this machine itself
INBOUND_FACTOR = 4  # a peer accepts this many times the neighbours that it looks for, so that newcomers find room
STREAMS_PER_CONNECTION_MAX = 24
GUEST_STREAMS_PER_PEER_MAX = 16  # of clients that speak HTTP over libp2p
GUEST_STREAMS_MAX = 64
TRAFFIC_WINDOW_S = 10  # over which rates are taken
STREAM_WINDOW_BYTES_MAX = 2 * 1024 * 1024
CONNECTION_BUFFER_BYTES_MAX = 32 * 1024 * 1024
DIAL_TIMEOUT_S = 5.0
# Long enough for a slow machine that a whole crowd dials at once, as after a restart: all of these handshakes go on
# side by side, and were they given up before the last one is done, none would ever be.
HANDSHAKES_AT_ONCE_MAX = 16  # that others begin
HANDSHAKE_HEAD_START_S = 1.0
UPGRADE_TIMEOUT_S = 7.0  # and a missing key of a closed cluster is named within ten seconds
NEGOTIATION_TIMEOUT_S = 7.0
SYNC_OPEN_TIMEOUT_S = 10.0
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
# Between tries of peers that are not needed, while handshakes come to nothing: somebody's processor has too much to do.
CONGESTION_DELAY_S_MIN = 1.0
CONGESTION_DELAY_S_MAX = 16.0
LIVENESS_INTERVAL_S = 10.0  # of silence
LIVENESS_ANSWER_INTERVAL_S = 60.0  # between pings of who is not silent
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
LIFETIME_INTERVAL_S = 60.0

# ---- told to others: the service manager, and whoever the user named -------------------------------------------------
SERVICE_STATUS_INTERVAL_S = 10.0
SERVICE_STATUS_CHARACTERS_MAX = 200
PAUSE_LOOK_INTERVAL_S = 5.0
LINE_LOOK_INTERVAL_S = 1.0
MONTH_LOOK_INTERVAL_S = 10.0
MONTH_KEEP_INTERVAL_S = 45.0  # with the look before it, a crash loses less than a minute
MONTHS_KEPT_MAX = 24
MONTHS_BYTES_MAX = 64 * 1024
SILENCE_S = 30.0  # for so long our node serves nobody when told once: whose daemon is gone does not stay silent
SILENCE_S_MAX = 3_600.0
NODE_NICENESS = 10
STEERING_ACCOUNT_S = 10.0  # of the limit: so much arrives at once after a rest, and so long is a rest at most by itself
PAUSE_S_MAX = 366 * 86_400.0
CLOCK_LOOK_INTERVAL_S = 5.0
CLOCK_JUMP_S = (
    60.0  # that the clock and the time spent here differ by, before it is taken for sleep or a clock set anew
)
TELLING_LOOK_INTERVAL_S = 2.0
TELLING_SETTLE_S = 10.0  # a state or a reason that lasts no longer is not told
TELLING_SETTLE_START_S = 60.0  # after the daemon's start
TELLING_MEMORY_BYTES_MAX = 4 * 1024 * 1024
TELLING_QUEUE_MAX = 100  # that wait for one command or one address; beyond, the oldest are dropped
TELLING_COMMAND_TIMEOUT_S = 30.0
TELLING_OUTPUT_BYTES_MAX = 2 * 1024
TELLING_POST_TIMEOUT_S = 10.0
TELLING_POST_DELAYS_S = (5.0, 30.0, 180.0)  # before the tries after the first one

# ---- keeping a part, and what others keep -------------------------------------------------------------------------
RESCUE_SLICE = 0.20  # of a limit: for what too few others keep
PART_FILLED = 0.97  # of its room, when a part is fitted anew
PART_FILLED_MIN = 0.90  # of its room: one that fills less grows
PART_LEAVES_PER_DAY = 0.05  # of what is pinned of a part, as the set outgrows it
COPIES_WANTED = 2  # CIDs with fewer are rescued
COPIES_PER_NETWORK_MAX = 1.0  # that all peers of a public IPv4 /24 or IPv6 /48 count for together
RESCUERS_LOOKED_AT = 16  # of all peers in the order of a CID, about: beyond them nobody counts as one of the first
RESCUE_LATER_SHARE = 0.9  # of the slice: what is left of it is for CIDs of which this peer is among the first
RESCUE_LOWEST_SHARE = 1 / 3  # of all CIDs, those with the fewest copies, are helped though none may lack
RESCUE_LOWEST_SLICE = 0.5  # of the slice, at most, for them
RESCUE_SAMPLE = 1_000  # CIDs by which it is known what is few
RESCUED_PINS_MAX = 200_000
CREW_SILENT_S_MAX = 7 * 86_400.0  # while we were listening; who was silent for longer does not count
CREW_NETWORKS_MAX = 4  # of one peer
CREW_LOOK_INTERVAL_S = 60.0
CREW_SAVE_INTERVAL_S = 600.0
PART_LOOK_INTERVAL_S = 1.0  # at whether the list, the limit or the user's wish changed
PART_WAIT_S_MAX = 120.0  # for the list to be current, before a first part is fitted and anything fetched
PART_INTERVAL_S_MAX = 3_600.0  # sizes become known meanwhile
PART_REST_SHARE = 20.0  # a pass over the rows is followed by a rest of so many times its own time
PART_ROWS_PER_SLICE = 2_000
RESCUE_INTERVAL_S = 600.0
RESCUE_DELAY_S = 600.0  # of listening after a start, so that everybody had his say
RESCUE_ROWS_PER_SLICE = 500
COVERAGE_MIXES_MAX = 2_000_000  # in one estimate of the whole set, about a second; a larger one is sampled
COVERAGE_MIXES_OF_A_ROW = 8  # what reading a row costs beside them
COVERAGE_RUN_ROWS = 20  # of a sample, beside each other
COVERAGE_RUNS_PER_SLICE = 50
COVERAGE_SHOWN_DEFAULT = 20
COVERAGE_SHOWN_MAX = 1_000
SPOT_CHECK_PEERS = 5
SPOT_CHECK_CIDS = 20
SPOT_CHECK_ROWS = 5_000  # among which those are looked for
RESCUE_MIXES_MAX = 2_000_000  # in one pass

# ---- who keeps a pin: allocation, expiry, re-pinning -----------------------------------------------------------------
FREE_SPACE_MEDIANS_MAX = 4  # so many times the median of free space is all that counts of anybody's
QUEUE_HALVES = 1_000  # a peer with so many pins waiting gets half of what it would get with none
ALLOCATION_DRAWS_PER_SLICE = 2_000  # of one peer for one pin, about 3 us each
ALLOCATION_LOOK_INTERVAL_S = 15.0  # between looks at what expired, and at what too few peers keep
ALLOCATION_REST_SHARE = 20  # so many times as long as a look searched, none follows
REPIN_AFTER_S = 300.0
REPIN_STANDSTILL_S = 60.0  # by which a rest lasted too long: nothing could be heard meanwhile
REPIN_TAKEOVER_S = 600.0  # of a pin still waiting, before the next closest curator re-pins it
REPINNED_PER_LOOK = 5_000
EXPIRED_PER_LOOK = 5_000
EXPIRING_KEPT_MAX = 20_000  # that are next to expire; what comes later is looked for when those are gone
WATCHED_ROWS_PER_SLICE = 1_000
WATCHED_CHANGES_PER_SLICE = 50_000
ALERTS_KEPT_MAX = 1_000

# ---- a cluster's limit, and what is not kept -----------------------------------------------------------------------
KEEP_FREE_PERCENT_DEFAULT = 10
KEEP_FREE_PERCENT_MAX = 95
ROOM_RESUME_SHARE_OF_LIMIT = 0.03  # once it is full, so much must be free before anything is fetched again
ROOM_RESUME_SHARE_OF_VOLUME = 0.01
NODE_FULL_FREED_SHARE_OF_VOLUME = 0.05  # more than a node frees by itself of what it had begun with
ROOM_LOOK_INTERVAL_S = 2.0
NODE_FULL_RETRY_S = 600.0  # a node that said that it has no room is not asked again for so long, unless something went
CLAIM_TIMEOUT_S = 10.0  # for the root block of a pin whose size nobody said
READMITTED_PER_SLICE = 64

# ---- before joining ------------------------------------------------------------------------------------------------
JOIN_LIMIT_PERCENT_OF_FREE = 90  # of the volume, less the bytes below, is the limit that is proposed
JOIN_LIMIT_BYTES_LEFT = 10 * 1000**3
JOIN_LIMIT_BYTES_MIN = 1000**3  # less than this is not proposed: the user says what is meant
PROSPECT_TIMEOUT_S = 5.0  # for the node and all of those at once whom the document names
PROSPECT_ADDRESSES_PER_PEER_MAX = 4
PROSPECT_WRITE_BYTES = 4_096
REFUSED_PER_SLICE = 2_000
RECONSIDERED_PER_SLICE = 1_000
CENSUS_INTERVAL_S = 1.0  # between counts of why pins are skipped
SEARCH_REST_SHARE = 20  # so many times as long as a look through all that is skipped took, none follows
DENYLIST_BYTES_MAX = 512 * 1024 * 1024
DENYLIST_HEADER_BYTES_MAX = 1024 * 1024
DENYLIST_LINE_BYTES_MAX = 2 * 1024 * 1024
DENYLIST_FAULTS_KEPT = 10
DENYLIST_LOOK_INTERVAL_S = 5.0
CHOICES_MAX = 100_000

# ---- re-reading what is pinned --------------------------------------------------------------------------------------
VERIFY_SHARE_A_WEEK = 0.01  # of the pins, unasked
VERIFY_WEEK_S = 7 * 86_400.0
VERIFY_START_DELAY_S = 600.0  # after a start, which has other things to do
VERIFY_UNASKED_BYTES_PER_S = 4 * 1024 * 1024
VERIFY_READS_AT_ONCE = 4
VERIFY_BLOCK_BYTES_MAX = 32 * 1024 * 1024  # a node may store larger blocks than it exchanges, and damaged ones any
VERIFY_BLOCK_TIMEOUT_S = 60.0  # for reading one from the node's disk
VERIFY_HASH_IN_LOOP_BYTES_MAX = 64 * 1024
VERIFY_CIDS_MAX = 100_000  # named at once
VERIFY_BRANCHES_MAX = 500_000  # blocks with links in one pin, which are remembered: 60 bytes each
VERIFY_BAD_BLOCKS_MAX = 1_000  # of one pin, before looking on is of no use
VERIFY_SAMPLE_PINS_MIN = 20
VERIFY_FETCH_TIMEOUT_S = 60.0  # for another node to come up with one good block
VERIFY_MEND_TIMEOUT_S = 600.0  # for one round of mending a pin
VERIFY_ROUNDS_MAX = 8  # below a block that was fetched again, others may be bad
VERIFY_RETRY_S = 3_600.0  # between tries to mend what could not be mended
VERIFY_MENDED_LOOK_S = 30.0  # between looks at whether the pinner has pinned again what was mended
VERIFY_DAMAGED_KEPT_MAX = 1_000  # pins

# ---- doctor: what is looked at without `--all` --------------------------------------------------------------------
AUDIT_ROWS = 50_000  # of the list; a list of fewer is looked at whole
AUDIT_SHARDS_MIN = 16
AUDIT_ENVELOPES = 200  # the newest of the log, and as many at random
AUDIT_PAGES_S_MAX = 30.0
AUDIT_FAULTS_SHOWN = 3

# ---- doctor: a running cluster ------------------------------------------------------------------------------------
CHECKUP_NODE_TIMEOUT_S = 10.0
CHECKUP_STORAGE_SHARE = 0.9  # of the node's own limit
CHECKUP_VOLUME_BYTES = 1_000_000_000
CHECKUP_CLOCK_OFF_S = 300.0  # announcements come every 30 s, and may be passed on for a while

# ---- the API ------------------------------------------------------------------------------------------------------
HTTP_HEAD_BYTES_MAX = 64 * 1024  # of a request: its line and its headers; REST_CIDS_MAX of CIDs fit in
HTTP_IDLE_TIMEOUT_S = 5.0  # until a connection's next request is there with its whole head
HTTP_HANDSHAKE_TIMEOUT_S = 10.0
CORS_MAX_AGE_S = 600
TOKENS_MAX = 256  # of a cluster
TOKENS_BYTES_MAX = 1024 * 1024
TOKEN_NAME_BYTES_MAX = 128
REST_USER_BYTES_MAX = 64
GUESSES_MAX = 10  # wrong credentials from an address within the window; then no password of its is looked at
GUESS_WINDOW_S = 60.0
GUESSING_ADDRESSES_MAX = 1_024
TOKEN_LIFETIME_S = 30 * 86_400.0  # where nobody says another
TOKEN_LIFETIME_S_MAX = 100 * 365 * 86_400.0
API_BODY_BYTES_MAX = 64 * 1024
API_LINE_BYTES_MAX = 64 * 1024
API_CIDS_BYTES_MAX = 16 * 1024 * 1024
FEED_INTERVAL_S = 1.0  # between two looks at all clusters, while anybody listens
FEED_SILENCE_S_MAX = 10.0  # then a listener is told that nothing changed
FEED_LISTENERS_MAX = 16
SERIES_STEP_S = 5
SERIES_SAMPLES_KEPT = 120
STORE_SIZE_INTERVAL_S = 30.0  # between two looks at how large a store's files are
SOCKET_PATH_BYTES_MAX = 100

# ---- trust chains and config documents (constants of their format version 1) ---------------------------------------
TRUST_FORMAT_VERSION = 1
TRUST_RECORDS_MAX = 1_000
TRUST_CHAIN_BYTES_MAX = 160 * 1024
TRUST_PROPOSAL_BYTES_MAX = 384 * 1024  # a chain and one record, as base64, and words
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
NODE_COLLECT_TIMEOUT_S = 24 * 3_600.0  # of garbage; Kubo is silent while it looks at everything that is pinned
ADD_SOURCE_SILENCE_TIMEOUT_S = 3_600.0  # for a slow pipe: between two pieces of what is added on this machine
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
NODE_CONFIG_BYTES_MAX = 1024 * 1024
NODE_ROOT_BLOCK_BYTES_MAX = 1024 * 1024
NODE_BLOCK_TIMEOUT_S = 20.0
NODE_CONNECT_PEER_TIMEOUT_S = 15.0
NODE_PROBE_INTERVAL_S = 10.0
NODE_PROBE_DELAY_S_MIN = 0.5
NODE_PROBE_DELAY_S_MAX = 30.0
NODE_ADDRESSES_CONNECTED_IN_FLIGHT = 4
NODE_RECONNECT_DELAY_S_MIN = 2.0
NODE_RECONNECT_DELAY_S_MAX = 600.0
NODE_RECONNECT_INTERVAL_S = 300.0
NODE_ROOM_INTERVAL_S = 60.0
NODE_ROOM_LOOK_INTERVAL_S = 2.0
NODE_ROOM_FIRST_LOOK_INTERVAL_S = 0.25  # while the node is not up
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
QUEUED_PER_SLICE = 5_000  # where another node answers than the one that had everything
RECONCILE_SECOND_LOOK_S = 1.0
GIVEN_UP_SECOND_LOOK_S = 0.5  # a pin that was stopped as the node completed it is there by then
UNPINS_IN_FLIGHT_MAX = 4
UNPINS_PER_SLICE = 200
UNPIN_RETRY_DELAY_S = 60.0
STORE_RETRY_DELAY_S = 5.0
RATE_SHORT_S = 10.0
RATE_MIDDLE_S = 600.0
RATE_LONG_S = 6 * 3_600.0
RATE_SLOTS = 60
REACHED_KEPT_MAX = 4_096  # interrupted pins of which it is remembered how far they came
TIME_LEFT_SEEN_S_MIN = 20.0
TIME_LEFT_SIZED_SHARE_MIN = 0.9
TIME_LEFT_HIGH_S_MAX = 3 * 366 * 86_400.0
FLIGHTS_SHOWN = 3
FLIGHT_NAME_CHARACTERS_MAX = 60
SENDERS_SPAN_S = 10.0  # peers that sent a block within it serve us
SENDERS_REMEMBERED_MAX = 1_000
SENDERS_PER_LINE_MAX = 64  # that the node names at once

# ---- embedded node --------------------------------------------------------------------------------------------------
NODE_PEERS_MAX = 256
NODE_STREAMS_PER_CONNECTION_MAX = 512  # Kubo opens one for every message in which it sends blocks
NODE_DIALLED_SHARE = 0.25  # of the connections, this much is kept for peers that the node dials itself
NODE_ADDRESS_BOOK_PEERS_MAX = 1_000
NODE_RATE_SPAN_S = 10.0
HEAP_LARGE_BYTES = 1024 * 1024  # from this size on, a buffer is a memory map of its own
HEAP_FREE_BYTES_MAX = 8 * 1024 * 1024  # at the end of the heap, before it is given back
BLOCK_BYTES_MAX = 2 * 1024 * 1024  # Kubo's: larger ones are not exchanged
DIGEST_BYTES_MIN = 20
IDENTITY_BYTES_MAX = 128
CAR_HEADER_BYTES_MAX = 1024 * 1024
CAR_CID_BYTES_MAX = 256

# ---- embedded node: Bitswap -----------------------------------------------------------------------------------------
BITSWAP_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
BITSWAP_ENTRIES_MAX = 65_536
BITSWAP_WANTS_PER_MESSAGE_MAX = 1_024

# ---- embedded node: files and folders -------------------------------------------------------------------------------
CHUNK_BYTES_MAX = 2 * 1024 * 1024 - 256  # Kubo's: a block of 2 MiB less room for the framing of dag-pb and UnixFS
ADD_BATCH_BYTES = 4 * 1024 * 1024
ADD_BATCH_BLOCKS = 1_024
ADD_BATCH_PIECES = 1_024  # of a sender whose pieces are tiny
ADD_DEPTH_MAX = 1_000  # of folders in each other
ADD_PROGRESS_BYTES = 1024 * 1024
HASHED_IN_LOOP_BYTES_MAX = 64 * 1024  # about 0.1 ms; more goes to a thread
LINKS_IN_LOOP_MAX = 500  # a folder of more is written in a thread
READ_AHEAD_BLOCKS = 32
READ_AHEAD_BYTES = 8 * 1024 * 1024
FILE_DEPTH_MAX = 64
SHARD_FANOUT_MAX = 1_024
LISTED_BATCH = 256
# Asking: what may be in flight with one peer is what it sends in WINDOW_SPAN_S, within these bounds.
BITSWAP_WINDOW_WANTS_START = 16
BITSWAP_WINDOW_WANTS_MIN = 4
BITSWAP_WINDOW_WANTS_MAX = 256
BITSWAP_WINDOW_BYTES_MIN = 1024 * 1024
BITSWAP_WINDOW_BYTES_MAX = 8 * 1024 * 1024
BITSWAP_WINDOW_SPAN_S = 2.0
BITSWAP_RATE_SPAN_S = 0.5
BITSWAP_IN_FLIGHT_BYTES_MAX = 16 * 1024 * 1024  # with all peers together; half of it with those that are not quick
BITSWAP_UNMEASURED_BLOCK_BYTES = 512 * 1024
BITSWAP_TIMEOUT_S_MIN = 5.0
BITSWAP_TIMEOUT_S_MAX = 60.0
BITSWAP_SEARCH_DELAY_S_MIN = 1.0
BITSWAP_SEARCH_DELAY_S_MAX = 60.0
BITSWAP_PROBED_PEERS_MAX = 64
BITSWAP_PROBES_MAX = 64
BITSWAP_MISSES_MAX = 16
BITSWAP_STANDING_MAX = 768
BITSWAP_FORGOTTEN_MAX = 4_096
BITSWAP_UNTAKEN_BYTES_MAX = 4 * 1024 * 1024
BITSWAP_STORING_BYTES_MAX = 4 * 1024 * 1024
BITSWAP_UNSOLICITED_BYTES_MAX = 4 * 1024 * 1024
BITSWAP_UNSOLICITED_BYTES_PER_S = 64 * 1024
# Answering.
BITSWAP_LEDGER_WANTS_MAX = 1_024
BITSWAP_DENIALS_MAX = 4 * 1_024  # waiting to be sent to one peer; as many as a list and all its replies can hold
BITSWAP_REFUSED_WANTS_MAX = 20_000
BITSWAP_REFUSED_WANTS_PER_S = 200
BITSWAP_REPLY_BYTES = 256 * 1024
BITSWAP_REPLY_ENTRIES_MAX = 1_024
BITSWAP_REPLIES_PER_PEER_MAX = 3
BITSWAP_SENDING_BYTES_PER_PEER = 1024 * 1024  # from so much on, a peer gets no further reply under way
BITSWAP_SENDING_BYTES_MAX = 32 * 1024 * 1024
BITSWAP_SEND_PATIENCE_S = 2.0
BITSWAP_SEND_STALL_S = 30.0
BITSWAP_MESSAGE_TIMEOUT_S = 300.0
BITSWAP_SMALL_BLOCK_BYTES_MAX = 1_024
BITSWAP_REOPEN_DELAY_S_MIN = 0.25
BITSWAP_REOPEN_DELAY_S_MAX = 30.0

# ---- embedded node: the block store ---------------------------------------------------------------------------------
STORE_LIMIT_BYTES_MIN = 64 * 1024 * 1024
STORE_JOURNAL_BYTES_MAX = 32 * 1024 * 1024  # SQLite's write-ahead log and its index, at their largest
STORE_CHECKPOINT_BYTES = 16 * 1024 * 1024  # from this size on, the log is emptied before the next transaction
STORE_TRANSACTION_BYTES_MAX = 12 * 1024 * 1024  # what one transaction adds to the log, at most
STORE_PINS_BYTES = 4 * 1024 * 1024  # below the limit, kept for pins: a store full of blocks can still pin and unpin
STORE_VOLUME_FREE_BYTES_MIN = 64 * 1024 * 1024  # so that there is room to collect garbage on a volume that is full
STORE_BUSY_TIMEOUT_S = 10.0
STORE_READERS = 4
STORE_THREADS_MAX = 6
STORE_WRITER_CACHE_BYTES = 8 * 1024 * 1024
STORE_READER_CACHE_BYTES = 1024 * 1024
STORE_PUT_BYTES = 4 * 1024 * 1024  # in one transaction; a larger block has one of its own
STORE_PUT_BLOCKS = 256
STORE_PUT_QUEUE_BYTES_MAX = 8 * 1024 * 1024
STORE_READ_BYTES = 8 * 1024 * 1024  # in one trip to a thread; a larger block has one of its own
STORE_READ_BLOCKS = 256
STORE_READ_QUEUE_BLOCKS_MAX = 4_096
STORE_PINS_PER_COMMIT = 256
STORE_SLICE_BLOCKS = 256  # marked, swept or verified in one go
STORE_SLICE_BYTES = 8 * 1024 * 1024
STORE_SLICE_ROWS = 4_096  # looked at in one go, without touching the blocks
STORE_SLICE_PAGES = 256  # given back to the file system in one go
BITSWAP_RECEIVING_BYTES_PER_PEER_MAX = 20 * 1024 * 1024
BITSWAP_RECEIVING_BYTES_MAX = 48 * 1024 * 1024
BITSWAP_HASH_IN_THREAD_BYTES_MIN = 320 * 1024  # hashing a block of the usual size is quicker than a trip to a thread
BITSWAP_LOCAL_READ_BLOCKS_MAX = 64
BITSWAP_LOCAL_READ_BYTES_MAX = 4 * 1024 * 1024
WALK_WANTS = 512
WALK_READ_BYTES = 2 * 1024 * 1024
WALK_LINKS_HELD_MAX = 200_000
WALK_LINKS_IN_LOOP_BYTES_MAX = 64 * 1024
COLLECT_DELAY_S = 60.0
FETCHING_KEPT_S = 7 * 86_400  # a half fetched pin that nobody asked for; tries of one that is wanted are hours apart
FETCHING_CHECK_INTERVAL_S = 86_400.0
REFETCH_INTERVAL_S_MIN = 60.0  # between looks for blocks that were lost; twice as long after each that brought nothing
REFETCH_INTERVAL_S_MAX = 3_600.0
REFETCH_BLOCKS = 256  # asked for at a time
REFETCH_LISTED = 4_096
REFETCH_PATIENCE_S = 60.0  # for the next of them to come
SEEK_PEERS_MAX = 20
SEEK_DIALS_IN_FLIGHT = 4

# ---- embedded node: finding content ---------------------------------------------------------------------------------
ROUTING_PROVIDERS_ENOUGH = 20  # a search ends with them
ROUTING_PROVIDERS_MAX = 100  # that one answer may name
ROUTING_ADDRESSES_MAX = 16  # of one peer, from one answer
ROUTING_RECONNECTS_MAX = 8  # peers that are known and not connected, in one search
ROUTING_RECONNECT_REST_S_MIN = 30.0
ROUTING_RECONNECT_REST_S_MAX = 3_600.0
ROUTER_ANSWER_BYTES_MAX = 1024 * 1024
ROUTER_LINE_BYTES_MAX = 64 * 1024
ROUTER_RECORDS_MAX = 1_000
ROUTER_TIMEOUT_S = 20.0
ROUTER_SETTLE_S = 3.0  # once somebody has been named, more are waited for no longer than this
DHT_ALPHA = 10  # peers that are asked at the same time
DHT_CLOSEST = 20
DHT_ASKED_MAX = 100  # in one lookup
DHT_CANDIDATES_MAX = 500
DHT_REMEMBERED_PEERS_MAX = 500
DHT_REQUEST_TIMEOUT_S = 10.0
DHT_LOOKUP_TIMEOUT_S = 45.0
DHT_LOOKUPS_AT_ONCE = 2
DHT_HOMELESS_PROVIDERS_MAX = 4  # providers without an address for which a search goes on
WEB_CONNECT_TIMEOUT_S = 10.0
WEB_SILENCE_TIMEOUT_S = 60.0  # a gateway looks for content before its first byte
WEB_REDIRECTS_MAX = 3
WEB_REST_S_MIN = 60.0  # after a failure; twice as long after each further one
WEB_REST_S_MAX = 3_600.0
GATEWAY_BLOCK_TIMEOUT_S = 120.0  # waiting for one block
GATEWAY_REQUESTS_AT_ONCE = 8
GATEWAY_BATCH_BYTES = 4 * 1024 * 1024
GATEWAY_BATCH_BLOCKS = 256
GATEWAY_STREAM_BLOCKS_WORTH = 16  # a stream that brought fewer is the last one
GATEWAY_USELESS_BYTES_MAX = 16 * 1024 * 1024  # of blocks that are here already, before their stream is ended
GATEWAY_UNASKED_BYTES_MAX = 4 * 1024 * 1024
GATEWAY_LINKS_HELD_MAX = 200_000
GATEWAY_FETCH_BLOCKS_MAX = 250_000  # by one fetch; what they were is kept in memory, 70 bytes each
NODE_PORT_DEFAULT = 4_001

# ---- the embedded node as a child of the daemon ---------------------------------------------------------------------
NODE_START_TIMEOUT_S = 30.0  # for whoever waits for it
NODE_STARTING_PROBE_DELAY_S = 0.2
NODE_STOP_TIMEOUT_S = 10.0
NODE_LINGER_S = 20.0  # after the last cluster that needed it: most often that one is only started anew
NODE_RESTART_DELAY_S_MIN = 0.5
NODE_RESTART_DELAY_S_MAX = 60.0
NODE_STEADY_S = 60.0  # a node that lived so long is started again without a longer delay than the first
NODE_LOOK_INTERVAL_S = 5.0  # at a node that somebody else started
NODE_READY_LINE_BYTES_MAX = 4 * 1024
NODE_STORAGE_RETRY_S = 1.0  # between tries to tell a node that does not answer yet how much it may store
NODE_LOG_BYTES_MAX = 16 * 1024 * 1024  # when the node starts: a larger log is put aside, in place of the one before
MOVE_INTERVAL_S = 2.0  # between looks at whether a node that a cluster moves away from may let go
MOVE_CIDS_PER_SLICE = 500
NODE_SWITCH_INTERVAL_S = 0.001
SEEK_GATEWAY_DELAY_S = 2.0
SEEK_GATEWAY_FETCHES_MAX = 2

# ---- embedded node: RPC and gateway ---------------------------------------------------------------------------------
RPC_ARGUMENTS_MAX = 1_000
RPC_TIMEOUT_S_MAX = 10 * 365 * 86_400.0
RPC_WAITING_BYTES_MAX = 1024 * 1024  # of an answer, before what makes it waits for the caller to read
RPC_DRAINED_BYTES_MAX = 16 * 1024 * 1024  # of a request that was refused while its body was still being sent
RPC_DRAINED_S_MAX = 10.0
RPC_PART_HEADER_BYTES_MAX = 16 * 1024
RPC_SYMLINK_BYTES_MAX = 4 * 1024
RPC_PROGRESS_INTERVAL_S = 0.5
RPC_POLL_INTERVAL_S_MIN = 0.1
RPC_PINS_PER_SLICE = 1_000
RPC_IMPORT_BYTES = 4 * 1024 * 1024
ADD_LINES_BYTES_MAX = 64 * 1024 * 1024  # about half a million lines
PIN_NAME_BYTES_MAX = 255
GATEWAY_FIRST_BYTES_TIMEOUT_S = 60.0
GATEWAY_STALL_TIMEOUT_S = 120.0
GATEWAY_SNIFFED_BYTES = 512
GATEWAY_LISTED_SORTED_MAX = 10_000

# ---- embedding ------------------------------------------------------------------------------------------------------
EMBEDDED_REQUESTS_AT_ONCE = 10_000  # written to the list by one turn
EMBEDDED_PINS_AT_ONCE = 1_000  # read of the list by one turn
EMBEDDED_LOOK_INTERVAL_S = 0.1  # whether a pin that is waited for has come

# ---- the asynchronous client ----------------------------------------------------------------------------------------
CLIENT_QUESTIONS_AT_ONCE_MAX = 16  # threads that wait for the daemon; each event stream has one besides
CLIENT_LINES_AT_ONCE = 256  # read of a list by one turn in a thread

# ---- the terminal view ----------------------------------------------------------------------------------------------
VIEW_QUESTIONS_AT_ONCE_MAX = 4  # threads that wait for the daemon
VIEW_QUESTION_TIMEOUT_S = 60.0
VIEW_RETRY_S = 3.0  # after a question that failed
VIEW_RECONNECT_S_MAX = 5.0
VIEW_RECONNECT_S_MIN = 0.25
VIEW_POLL_S = 1.0  # where the daemon has no feed
VIEW_PAGE_ROWS = 256
VIEW_PAGES_KEPT = 16
VIEW_LINES_KEPT = 2_000  # drawn ones
VIEW_REVALIDATE_S = 2.0  # between two looks at the rows on the screen, where something has moved
VIEW_MARKED_LOOKED_AT_MAX = 200  # whose sizes a dialog asks for, one by one
VIEW_PEERS_INTERVAL_S = 5.0
VIEW_ERRORS_INTERVAL_S = 5.0
VIEW_EVENTS_INTERVAL_S = 1.0
VIEW_COVERAGE_INTERVAL_S = 60.0
VIEW_DOCTOR_INTERVAL_S = 30.0
VIEW_COVERAGE_PINS = 100
VIEW_PEERS_SHOWN_MAX = 2_000
VIEW_CAUSE_PINS_MAX = 2_000  # shown of one cause
VIEW_CAUSE_PINS_READ_MAX = 20_000  # and looked through for them
VIEW_TYPING_PAUSE_S = 0.15  # before a filter is asked for, or the details of a row
VIEW_SAMPLES_KEPT = 120  # of each graph
VIEW_MARKS_MAX = 1_000

# ---- ctl ------------------------------------------------------------------------------------------------------------
CTL_CONNECT_TIMEOUT_S = 30.0
CTL_HEAD_LINE_BYTES_MAX = 64 * 1024
CTL_LINE_BYTES_MAX = 16 * 1024 * 1024
CTL_ANSWER_BYTES_MAX = 256 * 1024 * 1024  # of one object: what a collection of garbage removed is one
CTL_FAULT_BYTES_MAX = 64 * 1024
CTL_REDIRECTS_MAX = 5
CTL_CIDS_PER_REQUEST_MAX = 40  # ipfs-cluster takes request lines of some 4 KB
CTL_WAIT_INTERVAL_S = 1.0
CTL_WAIT_UNREACHABLE_MAX = 5  # looks in a row at which some peer could not be asked
CTL_DOWNLOAD_STALL_TIMEOUT_S = 120.0
