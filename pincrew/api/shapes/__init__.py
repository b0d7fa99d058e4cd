"""The shapes that server and clients share: what `--json` prints is what travels (docs/json.md).

Keys are always present, unknown is null, bytes are integers, times are RFC 3339 UTC. Shapes only ever gain fields.

Routes, on the daemon's unix socket (all JSON; lists are JSON Lines):

    GET    /api/v1/daemon                              DaemonInfo
    POST   /api/v1/daemon/stop                         {}
    GET    /api/v1/status                              Status
    GET    /api/v1/feed                                Status as server-sent events: at once, then whenever something
                                                       changed, at most one a second; a comment each 10 s
    GET    /api/v1/network                             NetworkLimits
    POST   /api/v1/network             NetworkLimitsRequest
                                                       other limits of the line hold: NetworkLimits
    POST   /api/v1/offers              OfferRequest    fetch a source and check it, join nothing: Offer
    POST   /api/v1/offers/prospect     ProspectRequest what joining would meet here: node, disk, curators: Prospect
    POST   /api/v1/offers/accept       AcceptRequest   join what was offered and run it (again: harmless): Followed
    POST   /api/v1/clusters            {"name", "publish": null | "HOST:PORT"}
                                                       load a cluster's folder and run it (harmless when it runs), and
                                                       offer its config document over HTTP: Summary
    DELETE /api/v1/clusters/{name}                     stop running it, keep everything: {}
    GET    /api/v1/clusters/{name}/summary             Summary
    GET    /api/v1/clusters/{name}/series              Series: how much came and went lately
    GET    /api/v1/clusters/{name}/ready               Ready: where a running cluster is reached
    GET    /api/v1/clusters/{name}/pins                PinLine per line; query: state, name, find, sort, limit, offset;
                                                       headers X-Total, X-Rev
    GET    /api/v1/clusters/{name}/pins/locate         PinPlace; query: cid or prefix, and state, name, find, sort
    GET    /api/v1/clusters/{name}/pins/{cid}          PinDetail
    POST   /api/v1/clusters/{name}/pins                PinRequest per line in; PinsWritten
    GET    /api/v1/clusters/{name}/pinset              PinObject per line (ipfs-cluster's Pin); query: cid (repeatable)
    GET    /api/v1/clusters/{name}/pins/status         GlobalPinInfo per line; query: cid (repeatable), local=1
    GET    /api/v1/clusters/{name}/peers               PeerLine per line
    GET    /api/v1/clusters/{name}/errors              ErrorLine per line (grouped by cause)
    GET    /api/v1/clusters/{name}/events              EventLine per line; query: after, follow=1 (never ends)
    POST   /api/v1/clusters/{name}/retry               {"cid": null (every pin in error) | CID}: Retried
    GET    /api/v1/clusters/{name}/limits              Limits
    POST   /api/v1/clusters/{name}/limits              LimitsRequest: LimitsChanged
    POST   /api/v1/clusters/{name}/pause               PauseRequest: nothing new is fetched; Paused
    POST   /api/v1/clusters/{name}/resume              {}: Paused
    POST   /api/v1/clusters/{name}/choices             ChoiceRequest (skip, next, null): Chosen
    GET    /api/v1/clusters/{name}/coverage            Coverage; query: limit
    POST   /api/v1/clusters/{name}/verify              VerifyOrder: re-read pins, have what is bad fetched again;
                                                       Verified per line
    GET    /api/v1/clusters/{name}/removals            Removals
    POST   /api/v1/clusters/{name}/removals            {"decision": "accept" | "reject"}: Removals
    POST   /api/v1/clusters/{name}/publish             {"force_secret": false, "silent_after_days": null | DAYS}:
                                                       Published (the document as text); null: as before, 0: none
    GET    /api/v1/clusters/{name}/source              SourceInfo
    POST   /api/v1/clusters/{name}/source              {"decision": "accept" | "reject" | "check"}: SourceInfo
    POST   /api/v1/clusters/{name}/leave               {"dry_run": bool}: Left
    POST   /api/v1/clusters/{name}/node                {"ipfs": "embedded" | "kubo" | ADDRESS, "keep_old": bool}:
                                                       NodeSwitched
    GET    /api/v1/clusters/{name}/doctor              Check per line
    GET    /api/v1/clusters/{name}/trust               TrustInfo
    POST   /api/v1/clusters/{name}/trust               TrustRecordSigned: it is put in force; TrustInfo
    GET    /api/v1/clusters/{name}/trust/records       TrustRecords
    GET    /api/v1/clusters/{name}/base                BaseInfo
    POST   /api/v1/clusters/{name}/base                BaseSealed: it is put in force; BaseInfo
    GET    /api/v1/clusters/{name}/base/header         BaseHeader
    POST   /api/v1/clusters/{name}/repair              MendOrder: figures are recounted, shards of the base fetched
                                                       anew; Mended
    GET    /api/v1/clusters/{name}/trust/sessions      SessionHead per line; query: author (a peer id), before (counting
                                                       only envelopes of lower numbers)

An error is ``{"error": {"code", "what", "where", "means", "next_step"}}`` with its HTTP status.
"""

from __future__ import annotations

from pincrew.api.shapes.bases import BaseCandidate, BaseHeader, BaseInfo, BaseSealed
from pincrew.api.shapes.clusters import (
    ByteCounts,
    Check,
    CuratorCounts,
    DaemonInfo,
    ErrorLine,
    EventLine,
    Flight,
    Lifetime,
    ListProgress,
    NodeInfo,
    NodeSwitched,
    PeerCounts,
    PeerLine,
    PinCounts,
    Progress,
    Ready,
    Reason,
    Series,
    Status,
    Summary,
)
from pincrew.api.shapes.coverage import CopiesBar, Coverage, CoverageBasis, CoveragePin, RescueState, SpotCheck
from pincrew.api.shapes.joining import (
    AcceptRequest,
    Followed,
    Left,
    Offer,
    OfferRequest,
    Prospect,
    ProspectRequest,
    Published,
    SourceInfo,
)
from pincrew.api.shapes.limits import (
    ChoiceRequest,
    Chosen,
    Limits,
    LimitsChanged,
    LimitsRequest,
    NetworkLimits,
    NetworkLimitsRequest,
    Paused,
    PauseRequest,
)
from pincrew.api.shapes.pins import (
    GlobalPinInfo,
    PinDetail,
    PinInfo,
    PinLine,
    PinObject,
    PinPlace,
    PinRequest,
    PinsWritten,
    Removals,
    Retried,
)
from pincrew.api.shapes.repairs import Mended, MendOrder
from pincrew.api.shapes.trust import (
    FormerCurator,
    SessionHead,
    TrustConflict,
    TrustedPeer,
    TrustInfo,
    TrustRecords,
    TrustRecordSigned,
    WaitingRecord,
)
from pincrew.api.shapes.verify import Verified, VerifyOrder

__all__ = [
    "AcceptRequest",
    "BaseCandidate",
    "BaseHeader",
    "BaseInfo",
    "BaseSealed",
    "ByteCounts",
    "Check",
    "ChoiceRequest",
    "Chosen",
    "CopiesBar",
    "Coverage",
    "CoverageBasis",
    "CoveragePin",
    "CuratorCounts",
    "DaemonInfo",
    "ErrorLine",
    "EventLine",
    "Flight",
    "Followed",
    "FormerCurator",
    "GlobalPinInfo",
    "Left",
    "Lifetime",
    "Limits",
    "LimitsChanged",
    "LimitsRequest",
    "ListProgress",
    "MendOrder",
    "Mended",
    "NetworkLimits",
    "NetworkLimitsRequest",
    "NodeInfo",
    "NodeSwitched",
    "Offer",
    "OfferRequest",
    "PauseRequest",
    "Paused",
    "PeerCounts",
    "PeerLine",
    "PinCounts",
    "PinDetail",
    "PinInfo",
    "PinLine",
    "PinObject",
    "PinPlace",
    "PinRequest",
    "PinsWritten",
    "Progress",
    "Prospect",
    "ProspectRequest",
    "Published",
    "Ready",
    "Reason",
    "Removals",
    "RescueState",
    "Retried",
    "Series",
    "SessionHead",
    "SourceInfo",
    "SpotCheck",
    "Status",
    "Summary",
    "TrustConflict",
    "TrustInfo",
    "TrustRecordSigned",
    "TrustRecords",
    "TrustedPeer",
    "Verified",
    "VerifyOrder",
    "WaitingRecord",
]
