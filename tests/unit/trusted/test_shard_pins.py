"""The pins of content in shards: what is written, and what goes with its root."""

from __future__ import annotations

import pytest
from pincrew.trusted.pin_requests import Allocation, WantedPin, wanted_pin
from pincrew.trusted.shard_pins import CLUSTER_DAG, LAST_SHARD, ShardWanted, check_whole, requests_for, taken_along

from pincrew.api.shapes import PinRequest
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import Conflict
from pincrew.keys import peer_id
from pincrew.record import decode_record, encode_record
from pincrew.values import Pin, PinMode, PinType
from sim.swarm import key_of
from support.machines import made_up_cids

ROOT, DAG, ONE, TWO, THREE, OTHER, OTHER_DAG = map(parse_cid, made_up_cids(7, "shard pins"))
PEER = peer_id(key_of("keeper").public)
HERE, BOTH = Allocation(1, 2, (PEER,)), Allocation(-1, -1, ())


def written(root: bytes = ROOT, dag: bytes = DAG, shards: tuple[bytes, ...] = (ONE, TWO, THREE)) -> dict[bytes, Pin]:
    whole = PinRequest(
        cid_text(root), name="big", replication_factor_min=1, replication_factor_max=2, metadata={"a": "b"}
    )
    wanted = [ShardWanted(cid, 100, 1, HERE) for cid in shards]
    requests = requests_for(whole, dag, wanted)
    pins = [wanted_pin(request, 1_000).pin for request in requests]
    return {pin.cid: decode_record(pin.cid, encode_record(pin)) for pin in pins if pin is not None}


def test_the_pins_are_those_of_ipfs_cluster() -> None:
    pins = written()
    assert list(pins) == [ONE, TWO, THREE, DAG, ROOT], "the root comes last"
    meta, dag, second = pins[ROOT], pins[DAG], pins[TWO]
    assert (meta.type, meta.reference, meta.allocations, meta.name) == (PinType.META, DAG, (), "big")
    assert (meta.replication_min, meta.metadata, meta.size) == (1, (("a", "b"),), None)
    assert (dag.type, dag.reference, dag.mode, dag.replication_min) == (PinType.CLUSTER_DAG, ROOT, PinMode.DIRECT, -1)
    assert (dag.name, dict(dag.metadata)) == ("big-clusterDAG", {LAST_SHARD: cid_text(THREE)})
    assert (second.type, second.reference, second.depth, second.size) == (PinType.SHARD, ONE, 1, 100)
    assert (second.name, second.allocations, second.mode) == ("big-shard-1", (PEER,), PinMode.RECURSIVE)
    assert (second.replication_min, second.replication_max) == (1, 2)
    assert dict(second.metadata) == {CLUSTER_DAG: cid_text(DAG)}
    assert pins[ONE].reference is None and pins[THREE].reference == TWO


def test_a_long_name_leaves_place_for_what_a_part_is_called() -> None:
    whole = PinRequest(cid_text(ROOT), name="é" * 512)
    requests = requests_for(whole, DAG, [ShardWanted(ONE, 1, 2, BOTH)])
    names = [pin.name for request in requests if (pin := wanted_pin(request, 1_000).pin) is not None]
    assert names[0].endswith("é-shard-0") and names[1].endswith("é-clusterDAG") and names[2] == whole.name
    assert requests_for(PinRequest(cid_text(ROOT)), DAG, [ShardWanted(ONE, 1, 2, BOTH)])[0].name == "shard-0"


def going(*cids: bytes) -> list[WantedPin]:
    return [WantedPin(cid, None) for cid in cids]


def test_all_of_it_goes_with_its_root_and_what_is_none_of_it_stays() -> None:
    pins = {**written(), OTHER: Pin(OTHER)}
    assert set(taken_along(going(ROOT, OTHER), pins.get)) == {DAG, ONE, TWO, THREE}
    assert taken_along(going(OTHER), pins.get) == []
    assert set(taken_along(going(ROOT, TWO), pins.get)) == {DAG, ONE, THREE}
    assert taken_along(going(ROOT), {ROOT: pins[ROOT]}.get) == []


@pytest.mark.parametrize("part", [DAG, ONE, THREE])
def test_a_part_does_not_go_alone_while_its_root_stays(part: bytes) -> None:
    pins = written()
    with pytest.raises(Conflict, match=r"directly\. Unpin content root CID instead") as caught:
        taken_along(going(part), pins.get)
    assert cid_text(ROOT) in caught.value.sentence
    alone = WantedPin(part, None, is_only=True)
    assert taken_along([alone], pins.get) == []


def test_what_belongs_to_nothing_any_more_goes_alone() -> None:
    pins = written()
    del pins[ROOT]
    assert set(taken_along(going(DAG), pins.get)) == {ONE, TWO, THREE}
    with pytest.raises(Conflict, match="Unpin"):
        taken_along(going(TWO), pins.get)
    del pins[DAG]
    assert taken_along(going(TWO), pins.get) == []
    foreign = Pin(ONE, type=PinType.SHARD, depth=1, metadata=((CLUSTER_DAG, "no CID"),))
    assert taken_along(going(ONE), {ONE: foreign}.get) == [], "another version's metadata"


def test_the_root_that_two_made_at_once_belongs_to_one_of_them() -> None:
    first, second = written(), written(dag=OTHER_DAG, shards=(OTHER,))
    pins = {**first, **second}
    assert set(taken_along(going(ROOT), pins.get)) == {OTHER_DAG, OTHER}
    assert set(taken_along(going(DAG), pins.get)) == {ONE, TWO, THREE}, "nobody refers to these"


def test_a_root_takes_no_cluster_dag_that_is_another_s() -> None:
    pins = {**written(), OTHER: Pin(OTHER, type=PinType.META, reference=DAG)}
    assert taken_along(going(OTHER), pins.get) == []


def test_adding_it_anew_takes_the_old_shards_along() -> None:
    old, new = written(), written(dag=OTHER_DAG, shards=(OTHER,))
    wanted = [WantedPin(cid, pin) for cid, pin in new.items()]
    assert set(taken_along(wanted, old.get)) == {DAG, ONE, TWO, THREE}
    assert taken_along([WantedPin(cid, pin) for cid, pin in old.items()], old.get) == [], "the same once more"


def test_a_chain_that_bites_its_tail_ends() -> None:
    pins = written()
    pins[ONE] = Pin(ONE, type=PinType.SHARD, depth=1, reference=THREE, metadata=((CLUSTER_DAG, cid_text(DAG)),))
    assert set(taken_along(going(ROOT), pins.get)) == {DAG, ONE, TWO, THREE}


@pytest.mark.parametrize("cid", [ROOT, DAG, TWO])
def test_no_ordinary_pin_takes_the_place_of_content_in_shards(cid: bytes) -> None:
    pins = written()
    with pytest.raises(Conflict, match=f"cannot repin a CID which is a {pins[cid].type.value}"):
        check_whole([WantedPin(OTHER, Pin(OTHER)), WantedPin(cid, Pin(cid))], pins.get)
    check_whole([WantedPin(OTHER, Pin(OTHER)), WantedPin(cid, None), WantedPin(cid, pins[cid])], pins.get)
