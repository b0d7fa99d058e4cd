"""Options of a pin, as ipfs-cluster's clients write them in a query."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pincrew import limits
from pincrew.api.lines import time_text
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Misuse
from pincrew.keys import peer_id
from pincrew.rest.pin_options import PinOptions, go_duration_s, read_pin_options
from pincrew.values import PinMode
from support.rest_door import NOW_MS
from support.shape_examples import CID, CID_2, PEER

NAMES = (
    "name",
    "mode",
    "replication",
    "replication-min",
    "replication-max",
    "shard-size",
    "user-allocations",
    "expire-at",
    "expire-in",
    "meta-x",
    "meta-",
    "pin-update",
    "origins",
)
PEERS = st.binary(min_size=32, max_size=32).map(peer_id)
CIDS = st.binary(min_size=32, max_size=32).map(lambda digest: b"\x01\x55\x12\x20" + digest)
NUMBERS = st.integers(-1, 10**17)


@st.composite
def options(draw: st.DrawFn) -> PinOptions:
    """Whatever a client may want."""
    text = st.text(st.characters(exclude_categories=["Cs"]))
    return PinOptions(
        name=draw(text),
        mode=draw(st.sampled_from(PinMode)),
        replication_min=draw(NUMBERS),
        replication_max=draw(NUMBERS),
        shard_size=draw(st.integers(0, 10**17)),
        user_allocations=tuple(draw(st.lists(PEERS, unique=True, max_size=3))),
        expire_ms=draw(st.none() | st.integers(0, 4_000_000_000).map(lambda seconds: seconds * 1_000)),
        metadata=draw(st.dictionaries(text.filter(bool), text, max_size=3)),
        update_of=draw(st.none() | CIDS),
        origins=tuple(f"/ip4/1.2.3.4/tcp/5/p2p/{peer}" for peer in draw(st.lists(PEERS, max_size=2))),
    )


def as_a_client_of_go_writes_them(wanted: PinOptions) -> str:
    fields = {
        "replication-min": str(wanted.replication_min),
        "replication-max": str(wanted.replication_max),
        "name": wanted.name,
        "mode": wanted.mode.value,
        "shard-size": str(wanted.shard_size),
        "user-allocations": ",".join(wanted.user_allocations),
        **{f"meta-{key}": value for key, value in wanted.metadata.items()},
    }
    if wanted.expire_ms is not None:
        fields["expire-at"] = time_text(wanted.expire_ms) or ""
    if wanted.update_of is not None:
        fields["pin-update"] = cid_text(wanted.update_of)
    if wanted.origins:
        fields["origins"] = ",".join(wanted.origins)
    return urlencode(fields)


@given(options())
def test_what_a_client_writes_is_read(wanted: PinOptions) -> None:
    query = dict(parse_qsl(as_a_client_of_go_writes_them(wanted), keep_blank_values=True))
    assert read_pin_options(query, NOW_MS) == wanted


ODD = st.text() | st.sampled_from(["-1", "0", "9" * 40, "1h", "٣", "²", "recursive", CID, PEER, "/p2p/", ","])


@given(st.dictionaries(st.sampled_from(NAMES), ODD), st.integers(0, 2**50))
@example({"expire-at": "9999-12-31T23:59:59-23:59"}, 0)
@example({"expire-at": "0001-01-01T00:00:00+05:00"}, 0)
def test_any_query_is_read_or_refused(query: dict[str, str], now_ms: int) -> None:
    try:
        found = read_pin_options(query, now_ms)
    except Misuse as error:
        assert error.http_status == 400
    else:
        assert found.expire_ms is None or time_text(found.expire_ms)


def test_nothing_said_is_the_cluster_default() -> None:
    assert read_pin_options({}, NOW_MS) == PinOptions()
    assert read_pin_options(dict.fromkeys(NAMES, ""), NOW_MS) == PinOptions(metadata={"x": ""})


@pytest.mark.parametrize("mode", ["recursive", "", "Direct", "anything"])
def test_every_other_mode_is_recursive(mode: str) -> None:
    assert read_pin_options({"mode": mode}, NOW_MS).mode is PinMode.RECURSIVE


def test_replication_stands_for_both() -> None:
    found = read_pin_options({"replication": "2", "replication-min": "5", "replication-max": "6"}, NOW_MS)
    assert (found.replication_min, found.replication_max) == (2, 2)
    found = read_pin_options({"replication-min": "-1", "replication-max": "+6"}, NOW_MS)
    assert (found.replication_min, found.replication_max) == (-1, 6)


@pytest.mark.parametrize("name", ["replication", "replication-min", "replication-max", "shard-size"])
@pytest.mark.parametrize("text", ["abc", "1.5", "1e3", " 1", "0x10", "--1", "9" * 19, "1_000"])
def test_what_is_no_number(name: str, text: str) -> None:
    with pytest.raises(Misuse, match=r"replication|shard-size"):
        read_pin_options({name: text}, NOW_MS)


def test_a_shard_is_not_below_nothing() -> None:
    with pytest.raises(Misuse, match="below 0"):
        read_pin_options({"shard-size": "-1"}, NOW_MS)


def test_peers_that_are_none_are_left_out_and_nobody_is_there_twice() -> None:
    found = read_pin_options({"user-allocations": f" {PEER}, nobody,,{PEER}"}, NOW_MS)
    assert found.user_allocations == (PEER,)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2030-01-31T00:00:00Z", datetime(2030, 1, 31, tzinfo=UTC)),
        ("2030-01-31T01:00:00.5+01:00", datetime(2030, 1, 31, 0, 0, 0, 500_000, tzinfo=UTC)),
        ("2020-01-01T00:00:00-09:30", datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=-9.5)))),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_when_it_expires_at(text: str, moment: datetime | None) -> None:
    expected = None if moment is None else int(moment.timestamp() * 1_000)
    assert read_pin_options({"expire-at": text, "expire-in": "nonsense"}, NOW_MS).expire_ms == expected


@pytest.mark.parametrize(
    "text", ["tomorrow", "2030-01-31", "2030-01-31T00:00:00", "1900000000", "2030-13-01T00:00:00Z"]
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(Misuse, match="expire-at"):
        read_pin_options({"expire-at": text}, NOW_MS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("24h", 86_400), ("1h30m", 5_400), ("1.5s", 1.5), ("1h1m1s1ms1us1ns", 3_661.001001001), (".5h", 1_800)],
)
def test_durations_as_go_writes_them(text: str, seconds: float) -> None:
    assert go_duration_s("expire-in", text) == pytest.approx(seconds)
    assert read_pin_options({"expire-in": text}, NOW_MS).expire_ms == NOW_MS + int(seconds * 1_000)


@pytest.mark.parametrize(
    "text", ["0.5s", "999ms", "1", "1d", "h", "-1h", "1h ", "1 h", "9" * 30 + "h", "1" * 50_000, "1h-1m", "NaNs"]
)
def test_what_is_no_duration_or_out_of_bounds(text: str) -> None:
    with pytest.raises(Misuse, match="expire-in"):
        read_pin_options({"expire-in": text}, NOW_MS)


def test_the_longest_time_can_still_be_said() -> None:
    hours = int(limits.EXPIRE_IN_S_MAX // 3_600)
    found = read_pin_options({"expire-in": f"{hours}h"}, NOW_MS)
    assert time_text(found.expire_ms)
    with pytest.raises(Misuse):
        read_pin_options({"expire-in": f"{hours + 1}h"}, NOW_MS)


def test_origins_name_their_peer() -> None:
    address = f"/ip4/1.2.3.4/tcp/5/p2p/{PEER}"
    assert read_pin_options({"origins": f"{address}, {address},"}, NOW_MS).origins == (address, address)
    for wrong in ("/ip4/1.2.3.4/tcp/5", "p2p", f"x/p2p/{PEER}"):
        with pytest.raises(Misuse, match="origins"):
            read_pin_options({"origins": f"{address},{wrong}"}, NOW_MS)


def test_the_pin_that_it_takes_the_place_of() -> None:
    assert read_pin_options({"pin-update": CID_2}, NOW_MS).update_of == parse_cid(CID_2)
    with pytest.raises(Misuse, match="not a CID"):
        read_pin_options({"pin-update": CID[:-1]}, NOW_MS)
