"""What `pin add` takes, checked as a whole before anything is sent."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pincrew.cli import pin_input
from pincrew.cli.pin_input import PinOptions, from_arguments, from_lines
from pincrew.errors import Misuse
from support.shape_examples import CID, CID_2, PEER

NONE = PinOptions()
_OPEN: list[pin_input.Batch] = []


@pytest.fixture(autouse=True)
def _closing() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


def read(text: str | bytes, options: PinOptions = NONE, *, skip: bool = False) -> pin_input.Batch:
    raw = text.encode() if isinstance(text, str) else text
    batch = from_lines(io.BytesIO(raw), options, is_skipping_bad=skip)
    _OPEN.append(batch)
    return batch


def test_cids_and_objects_may_stand_in_one_file() -> None:
    batch = read(f'\ufeff{CID}\r\n\n  {CID_2}  \n{{"cid":"{CID}","name":"a","mode":"direct","size":7}}')
    assert [(pin.cid, pin.name, pin.mode) for pin in batch.requests()] == [
        (CID, "", "recursive"),
        (CID_2, "", "recursive"),
        (CID, "a", "direct"),
    ]
    assert [pin.size for pin in batch.requests()] == [None, None, 7]


def test_a_line_of_an_ipfs_cluster_export_is_taken_as_it_is() -> None:
    line = {
        "replication_factor_min": 2,
        "replication_factor_max": 3,
        "name": "x",
        "mode": "recursive",
        "shard_size": 0,
        "user_allocations": None,
        "expire_at": "0001-01-01T00:00:00Z",
        "metadata": None,
        "pin_update": None,
        "origins": None,
        "cid": CID,
        "type": "pin",
        "allocations": [PEER],
        "max_depth": -1,
        "reference": None,
        "timestamp": "2023-01-01T00:00:00+02:00",
    }
    (pin,) = read(json.dumps(line)).requests()
    assert (pin.replication_factor_min, pin.replication_factor_max) == (2, 3)
    assert (pin.expire_at, pin.metadata, pin.origins, pin.allocations) == (None, None, None, [PEER])


def test_missing_fields_take_the_defaults_unlike_the_go_import() -> None:
    (pin,) = read(f'{{"cid":"{CID}"}}').requests()
    assert (pin.mode, pin.replication_factor_min, pin.replication_factor_max) == ("recursive", 0, 0), "as is usual here"
    for more in ("", ',"replication_factor_min":0,"replication_factor_max":0'):
        (pin,) = read(f'{{"cid":"{CID}"{more}}}', PinOptions(is_state=True)).requests()
        assert (pin.replication_factor_min, pin.replication_factor_max) == (-1, -1), "a state file says what it is"
    with pytest.raises(Misuse, match="0 is no number of copies"):
        read(CID, PinOptions(replication_min=0))


def test_depth_0_is_direct() -> None:
    (pin,) = read(f'{{"cid":"{CID}","max_depth":0}}').requests()
    assert pin.mode == "direct"


@pytest.mark.parametrize(("mode", "depth", "meant"), [("recursive", 0, "direct"), ("direct", -1, "recursive")])
def test_where_a_line_has_both_the_depth_decides_as_in_ipfs_cluster(mode: str, depth: int, meant: str) -> None:
    (pin,) = read(f'{{"cid":"{CID}","mode":"{mode}","max_depth":{depth}}}').requests()
    assert pin.mode == meant


def test_what_ipfs_cluster_imported_without_a_type_is_a_pin() -> None:
    (pin,) = read(f'{{"cid":"{CID}","type":"bad-type","max_depth":0,"replication_factor_min":0}}').requests()
    assert (pin.mode, pin.replication_factor_min) == ("direct", 0)


LINE = f'{{"cid":"{CID}","timestamp":"2023-01-01T00:00:00.7+02:00","expire_at":"2024-01-01T00:00:00Z"}}'


def test_new_pins_are_of_now_and_have_not_expired() -> None:
    with pytest.raises(Misuse, match=r"Line 1 .*expired at 2024"):
        read(LINE)
    (pin,) = read(LINE.replace("2024", "2124")).requests()
    assert (pin.timestamp, pin.expire_at) == (None, "2124-01-01T00:00:00Z")


def test_a_state_file_tells_when_pins_were_added_and_may_be_old() -> None:
    (pin,) = read(LINE, PinOptions(is_state=True)).requests()
    assert (pin.timestamp, pin.expire_at) == ("2022-12-31T22:00:00Z", "2024-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("flags", "line", "meant"),
    [
        ((2, None), (1, 3), (2, 3)),
        ((2, None), (-1, -1), (2, 2)),
        ((4, None), (1, 3), (4, 4)),
        ((None, 2), (1, 3), (1, 2)),
        ((None, 2), (3, 4), (2, 2)),
        ((None, -1), (1, 3), (-1, -1)),
        ((-1, None), (1, 3), (-1, -1)),
        ((2, 3), (-1, -1), (2, 3)),
    ],
)
def test_a_flag_stands_for_the_number_of_the_line(
    flags: tuple[int | None, int | None], line: tuple[int, int], meant: tuple[int, int]
) -> None:
    options = PinOptions(replication_min=flags[0], replication_max=flags[1])
    text = f'{{"cid":"{CID}","replication_factor_min":{line[0]},"replication_factor_max":{line[1]}}}'
    (pin,) = read(text, options).requests()
    assert (pin.replication_factor_min, pin.replication_factor_max) == meant


def test_a_flag_that_says_everywhere_takes_the_peers_of_the_line_away() -> None:
    text = f'{{"cid":"{CID}","replication_factor_min":1,"replication_factor_max":1,"allocations":["{PEER}"]}}'
    (pin,) = read(text, PinOptions(replication_min=-1)).requests()
    assert pin.allocations is None
    (pin,) = read(text, PinOptions(replication_min=-1, allocations=(PEER,))).requests()
    assert pin.allocations == [PEER]


@pytest.mark.parametrize(
    "bad",
    [
        "not a cid",
        "{}",
        "{",
        '{"cid":{"/":"Qm"}}',
        f'{{"cid":"{CID}","name":7}}',
        f'{{"cid":"{CID}","type":"shard-pin","max_depth":1}}',
        f'{{"cid":"{CID}","type":"soup"}}',
        f'{{"cid":"{CID}","mode":"sideways"}}',
        f'{{"cid":"{CID}","expire_at":"tomorrow"}}',
        f'{{"cid":"{CID}","replication_factor_min":3,"replication_factor_max":2}}',
        f'{{"cid":"{CID}","name":"{"x" * 2_000}"}}',
        f'{{"cid":"{CID}","pin_update":"nothing"}}',
        f'{{"cid":"{CID}","allocations":["nobody"]}}',
        f'{{"cid":"{CID}","expire_at":"0001-01-01T00:00:00+02:00"}}',
        "x" * 70_000,
    ],
)
def test_a_bad_line_is_told_by_its_number_or_left_out(bad: str) -> None:
    text = f"{CID}\n{bad}\n{CID_2}\n"
    with pytest.raises(Misuse, match=r"Line 2 .*Nothing was written"):
        read(text)
    batch = read(text, skip=True)
    assert [pin.cid for pin in batch.requests()] == [CID, CID_2]
    assert len(batch.skipped) == 1
    assert batch.skipped[0].startswith("line 2: ")


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(Misuse, match=r"Line 1 .*UTF-8"):
        read(b"\xff\xfe\n")


def test_flags_go_for_every_line() -> None:
    options = PinOptions(name="n", replication_min=2, metadata={"a": "1"}, origins=("/ip4/1.2.3.4/tcp/1/p2p/Q",))
    (pin,) = read(f'{{"cid":"{CID}","name":"old","metadata":{{"b":"2"}}}}', options).requests()
    assert (pin.name, pin.metadata) == ("n", {"a": "1", "b": "2"})
    assert (pin.replication_factor_min, pin.replication_factor_max) == (2, 2)


@pytest.mark.parametrize(("least", "most"), [(0, 1), (2, 1), (-1, 2), (-2, -2), (1, -1)])
def test_replication_that_means_nothing(least: int, most: int) -> None:
    with pytest.raises(Misuse):
        from_arguments([CID], PinOptions(replication_min=least, replication_max=most))


def test_a_long_list_is_spooled_and_can_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pin_input, "SPOOLED_BYTES_MAX", 1_000)
    with read(f"{CID}\n" * 1_500) as batch:
        assert batch.count == 1_500
        assert batch.cids is None
        assert sum(1 for _ in batch.requests()) == sum(1 for _ in batch.requests()) == 1_500


def test_up_to_1000_are_named() -> None:
    with from_arguments([CID] * 1_000, NONE) as batch:
        assert batch.cids == [CID] * 1_000


@given(st.binary(max_size=400))
def test_no_input_raises_anything_but_misuse(raw: bytes) -> None:
    read(raw, skip=True)
    try:
        read(raw)
    except Misuse as error:
        assert error.what.startswith("Line ")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f'{{"cid":"{CID}","type":"shard-pin","max_depth":-1}}', "not -1 levels deep"),
        (f'{{"cid":"{CID}","type":"meta-pin","max_depth":0}}', "without a reference"),
        (f'{{"cid":"{CID}","type":"clusterdag-pin","reference":"soup"}}', "is not a CID"),
    ],
)
def test_a_state_file_s_parts_of_content_must_be_whole(line: str, why: str) -> None:
    with pytest.raises(Misuse, match=why):
        read(line, PinOptions(is_state=True))
