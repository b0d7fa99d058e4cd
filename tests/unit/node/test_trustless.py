from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from urllib.parse import parse_qs, urlsplit

import pytest
import trio

from pincrew import limits
from pincrew.cid import cid_text, parse_cid
from pincrew.errors import NoRoom
from pincrew.node import dag_pb, trustless
from pincrew.node.car import header_of, section_of
from pincrew.node.links import links_of
from pincrew.node.multihash import DAG_PB, RAW, cid_from, cid_of, inlined, matches, multihash_of
from pincrew.node.throttle import Throttle
from pincrew.node.trustless import Block, Gateways
from support.web_server import Exchange, Script, WebServer, web_server

DEADLINE_S = 10.0
RAW_TYPE, CAR_TYPE = "application/vnd.ipld.raw", "application/vnd.ipld.car"
_PREFIXES = {RAW: b"\x01\x55\x12\x20", DAG_PB: b"\x01\x70\x12\x20"}


class Dag:
    """A DAG of a root, branches and leaves; ``order`` is depth first, as a CAR has it."""

    def __init__(self, branches: int, leaves: int, *, leaf_bytes: int = 100, seed: int = 0) -> None:
        self.blocks: dict[bytes, bytes] = {}
        chance = random.Random(seed)
        tops = []
        for _ in range(branches):
            bottoms = [self.add(RAW, chance.randbytes(leaf_bytes)) for _ in range(leaves)]
            tops.append(self.add(DAG_PB, dag_pb.encode([dag_pb.Link(cid, b"", 0) for cid in bottoms], b"branch")))
        self.root = self.add(DAG_PB, dag_pb.encode([dag_pb.Link(cid, b"", 0) for cid in tops], b"root"))
        self.order: list[bytes] = []
        self._visit(self.root)

    def add(self, codec: int, data: bytes) -> bytes:
        cid = cid_of(_PREFIXES[codec], data)
        self.blocks[cid] = data
        return cid

    def _visit(self, cid: bytes) -> None:
        if cid not in self.order and inlined(multihash_of(cid)) is None:
            self.order.append(cid)
            for link in links_of(cid, self.blocks[cid]):
                self._visit(link)

    def below(self, cid: bytes) -> set[bytes]:
        links = links_of(cid, self.blocks[cid])
        return {*links, *(deeper for link in links for deeper in self.below(link))}

    def car(self, order: Sequence[bytes] | None = None) -> bytes:
        sections = [section_of(cid, self.blocks[cid]) for cid in (self.order if order is None else order)]
        return header_of([self.root]) + b"".join(sections)


class Store:
    """A sink that verifies what it gets."""

    def __init__(self, *cids_and_blocks: tuple[bytes, bytes]) -> None:
        self.blocks = {multihash_of(cid): data for cid, data in cids_and_blocks}
        self.put: list[bytes] = []
        self.has_thirty = trio.Event()

    async def has_many(self, multihashes: Sequence[bytes]) -> Mapping[bytes, int]:
        await trio.lowlevel.checkpoint()
        return {each: len(self.blocks[each]) for each in multihashes if each in self.blocks}

    async def put_many(self, blocks: Sequence[Block]) -> None:
        await trio.lowlevel.checkpoint()
        for multihash, data in blocks:
            assert matches(multihash, data)
            self.blocks[multihash] = data
            self.put.append(multihash)
        if len(self.put) >= 30:
            self.has_thirty.set()

    def has_all(self, dag: Dag) -> bool:
        return all(self.blocks.get(multihash_of(cid)) == data for cid, data in dag.blocks.items())


def asked_for(exchange: Exchange) -> tuple[bytes, str]:
    parts = urlsplit(exchange.path)
    return parse_cid(parts.path.removeprefix("/ipfs/")), parse_qs(parts.query)["format"][0]


def gateway(dag: Dag, *, car: Script | None = None, without: Sequence[bytes] = ()) -> Script:
    """Return an honest gateway, but for what it does when it is asked for a CAR."""

    async def script(exchange: Exchange) -> None:
        cid, form = asked_for(exchange)
        if form == "raw":
            if cid in without:
                await exchange.answer(404)
            else:
                await exchange.answer(200, RAW_TYPE, dag.blocks[cid])
        elif car is not None:
            await car(exchange)
        else:
            await exchange.answer(200, f"{CAR_TYPE}; version=1; order=dfs", dag.car())

    return script


Then = Callable[[Gateways], Awaitable[None]]


def serve(scripts: Sequence[Script], then: Then, **options: Throttle) -> list[WebServer]:
    async def main() -> list[WebServer]:
        with trio.fail_after(DEADLINE_S):
            async with AsyncExitStack() as stack:
                served = [await stack.enter_async_context(web_server(script)) for script in scripts]
                await then(Gateways([each.url for each in served], **options))
                return served

    return trio.run(main)


def fetch(
    dag: Dag, *scripts: Script, store: Store | None = None, times: int = 1
) -> tuple[bool, Store, list[WebServer]]:
    sink = store or Store()
    outcomes: list[bool] = []

    async def then(gateways: Gateways) -> None:
        for _ in range(times):
            outcomes.append(await gateways.fetch(dag.root, sink))

    served = serve(scripts, then)
    return outcomes[-1], sink, served


def forms(server: WebServer) -> list[str]:
    return [asked_for(exchange)[1] for exchange in server.asked]


# ---- one block -------------------------------------------------------------------------------------------------------


def block_of(cid: bytes, *scripts: Script, times: int = 1) -> tuple[bytes | None, list[WebServer]]:
    found: list[bytes | None] = []

    async def then(gateways: Gateways) -> None:
        for _ in range(times):
            found.append(await gateways.block(cid))

    served = serve(scripts, then)
    return found[-1], served


def answering(status: int, content_type: str, body: bytes = b"", **headers: str) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(status, content_type, body, **headers)

    return script


def test_a_block_is_asked_for_as_the_specification_says() -> None:
    dag = Dag(1, 1)
    found, (server,) = block_of(dag.root, gateway(dag))
    assert found == dag.blocks[dag.root]
    assert server.paths == [f"/ipfs/{cid_text(dag.root)}?format=raw"]
    assert server.asked[0].headers["accept"] == RAW_TYPE


def test_a_gateway_without_it_is_asked_again_the_next_time() -> None:
    dag = Dag(1, 1)
    found, (first, second) = block_of(dag.root, gateway(dag, without=[dag.root]), gateway(dag), times=2)
    assert found == dag.blocks[dag.root]
    assert len(first.asked) == len(second.asked) == 2
    assert block_of(dag.root, gateway(dag, without=[dag.root]))[0] is None


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (200, RAW_TYPE, b"another block"),
        (200, RAW_TYPE, bytes(limits.BLOCK_BYTES_MAX + 1)),
        (200, "text/html", b"<html>"),
        (500, "text/plain", b""),
        (429, "text/plain", b""),
        (302, "text/plain", b""),
    ],
)
def test_a_gateway_that_fails_or_lies_is_left_alone_for_a_while(status: int, content_type: str, body: bytes) -> None:
    dag = Dag(1, 1)
    found, (first, second) = block_of(dag.root, answering(status, content_type, body), gateway(dag), times=2)
    assert found == dag.blocks[dag.root]
    assert len(first.asked) == 1
    assert len(second.asked) == 2


def test_a_gateway_that_drips_has_stalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trustless, "GATEWAY_BLOCK_TIMEOUT_S", 0.1)
    dag = Dag(1, 1)

    async def drip(exchange: Exchange) -> None:
        await exchange.begin(200, RAW_TYPE)
        while True:
            await exchange.chunk(b"x")
            await trio.sleep(0.01)  # what is tested: bytes come all the time, and yet there is no block

    found, (first, _) = block_of(dag.root, drip, gateway(dag), times=2)
    assert found == dag.blocks[dag.root]
    assert len(first.asked) == 1


# ---- a whole DAG -----------------------------------------------------------------------------------------------------


def test_a_dag_comes_as_one_stream() -> None:
    dag = Dag(5, 20)
    done, store, (server,) = fetch(dag, gateway(dag))
    assert done and store.has_all(dag)
    assert server.paths == [f"/ipfs/{cid_text(dag.root)}?format=car&dag-scope=all"]
    assert server.asked[0].headers["accept"] == "application/vnd.ipld.car; version=1; order=dfs; dups=n"
    assert len(store.put) == len(dag.blocks)


def test_what_was_cut_short_goes_on_block_by_block() -> None:
    dag = Dag(5, 20)
    whole = dag.car()

    async def cut(exchange: Exchange) -> None:
        await exchange.begin(200, CAR_TYPE, length=len(whole))
        await exchange.stream.send_all(whole[: len(whole) // 2])

    async def cut_with_a_proper_end(exchange: Exchange) -> None:
        await exchange.answer(200, CAR_TYPE, whole[: len(whole) // 2])

    for script in (cut, cut_with_a_proper_end):
        done, store, (server,) = fetch(dag, gateway(dag, car=script))
        assert done and store.has_all(dag)
        assert len(store.put) == len(dag.blocks)
        assert 40 < len(server.asked) < 70


@pytest.mark.parametrize("status", [400, 406, 501])
def test_a_gateway_without_cars_is_asked_for_one_once(status: int) -> None:
    dag = Dag(2, 3)
    done, store, (server,) = fetch(dag, gateway(dag, car=answering(status, "text/plain")), times=2)
    assert done and store.has_all(dag)
    assert forms(server).count("car") == 1


def test_a_stream_that_leaves_something_out_or_comes_in_another_order_is_made_up_for() -> None:
    dag = Dag(5, 20)
    for order in (dag.order[::3], [*reversed(dag.order)], [dag.order[0]], []):
        done, store, (server,) = fetch(dag, gateway(dag, car=answering(200, CAR_TYPE, dag.car(order))))
        assert done and store.has_all(dag)
        assert forms(server).count("car") <= 3


def test_what_nobody_asked_for_is_not_kept() -> None:
    dag, other = Dag(2, 3), Dag(2, 3, seed=1)
    dag_and_more = dag.car() + other.car()[len(header_of([other.root])) :]
    done, store, _ = fetch(dag, gateway(dag, car=answering(200, CAR_TYPE, dag_and_more)))
    assert done and store.has_all(dag)
    assert len(store.blocks) == len(dag.blocks)


def test_a_gateway_that_sends_much_for_which_nobody_asked_is_left_alone() -> None:
    dag, other = Dag(2, 3), Dag(2, 10, seed=1, leaf_bytes=limits.GATEWAY_UNASKED_BYTES_MAX // 16)
    body = other.car()
    done, store, (first, second) = fetch(dag, gateway(dag, car=answering(200, CAR_TYPE, body)), gateway(dag))
    assert done and store.has_all(dag)
    assert forms(first) == ["car"]
    assert "car" in forms(second)
    assert len(store.blocks) == len(dag.blocks)


def test_a_lie_in_a_stream_ends_it_and_the_next_gateway_goes_on() -> None:
    dag = Dag(5, 20)
    broken = dict(dag.blocks)
    broken[dag.order[50]] = b"a lie"
    lie = header_of([dag.root]) + b"".join(section_of(cid, broken[cid]) for cid in dag.order)
    done, store, (first, second) = fetch(dag, gateway(dag, car=answering(200, CAR_TYPE, lie)), gateway(dag), times=2)
    assert done and store.has_all(dag)
    assert forms(first) == ["car"]
    assert second.asked


def test_a_stream_that_stalls_is_left_and_what_came_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trustless, "GATEWAY_BLOCK_TIMEOUT_S", 0.1)
    dag = Dag(5, 20)
    whole = dag.car()

    async def stall(exchange: Exchange) -> None:
        await exchange.begin(200, CAR_TYPE, length=len(whole))
        await exchange.stream.send_all(whole[: len(whole) // 2])
        await trio.sleep_forever()

    done, store, (server,) = fetch(dag, gateway(dag, car=stall), times=2)
    assert not done
    assert forms(server) == ["car"]
    assert len(dag.blocks) // 3 < len(store.blocks) < len(dag.blocks)


def test_a_block_that_is_not_there_is_had_from_the_next() -> None:
    dag = Dag(3, 10)
    absent = dag.order[15]
    half = answering(200, CAR_TYPE, dag.car(dag.order[:12]))
    done, store, (_, second) = fetch(dag, gateway(dag, car=half, without=[absent]), gateway(dag))
    assert done and store.has_all(dag)
    assert second.asked
    done, store, _ = fetch(dag, gateway(dag, car=half, without=[absent]))
    assert not done
    assert multihash_of(absent) not in store.blocks


def test_a_gateway_that_has_nothing() -> None:
    done, store, (server,) = fetch(Dag(1, 1), answering(404, "text/plain"), times=2)
    assert not done and not store.blocks
    assert forms(server) == ["car", "car"]


def test_what_is_here_is_not_fetched_again_block_by_block() -> None:
    dag = Dag(5, 20)
    here = [(cid, dag.blocks[cid]) for cid in dag.order[60:]]
    done, store, (server,) = fetch(
        dag, gateway(dag, car=answering(200, CAR_TYPE, dag.car(dag.order[:50]))), store=Store(*here)
    )
    assert done and store.has_all(dag)
    assert len(server.asked) < 20
    assert len(store.put) == 60


def test_a_stream_of_what_is_here_is_ended_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trustless, "GATEWAY_USELESS_BYTES_MAX", 64 * 1024)
    monkeypatch.setattr(trustless, "GATEWAY_BATCH_BYTES", 16 * 1024)
    dag = Dag(20, 20, leaf_bytes=4 * 1024)
    sent = 0
    whole = dag.car()

    async def counted(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.begin(200, CAR_TYPE, length=len(whole))
        for start in range(0, len(whole), 10_000):
            await exchange.stream.send_all(whole[start : start + 10_000])
            sent += 1

    here = [(cid, data) for cid, data in dag.blocks.items() if cid != dag.root]
    done, store, (server,) = fetch(dag, gateway(dag, car=counted), store=Store(*here))
    assert done
    assert forms(server) == ["car"]
    assert store.put == [multihash_of(dag.root)]


def test_a_gateway_that_gives_only_so_much_in_one_stream_is_asked_for_the_parts_that_are_missing() -> None:
    dag = Dag(10, 50)

    async def some(exchange: Exchange) -> None:
        top, _ = asked_for(exchange)
        below = [cid for cid in dag.order if cid == top or cid in dag.below(top)]
        await exchange.answer(200, CAR_TYPE, dag.car(below[:70]))

    done, store, (server,) = fetch(dag, gateway(dag, car=some))
    assert done and store.has_all(dag)
    assert forms(server).count("car") == 9
    assert len(server.asked) < 60


def test_a_single_block_of_data_needs_no_stream() -> None:
    dag = Dag(1, 1)
    dag.root = dag.order[-1]
    done, _, (server,) = fetch(dag, gateway(dag))
    assert done
    assert forms(server) == ["raw"]


def test_links_that_hold_their_data_and_those_nobody_can_have() -> None:
    dag = Dag(1, 1)
    deep = dag.add(RAW, b"below what is inside a link")
    node = dag_pb.encode([dag_pb.Link(deep, b"", 0)], None)
    inside = cid_from(DAG_PB, bytes([0, len(node)]) + node)
    short = cid_from(RAW, b"\x12\x05abcde")
    dag.root = dag.add(DAG_PB, dag_pb.encode([dag_pb.Link(cid, b"", 0) for cid in (inside, short)], None))
    done, store, _ = fetch(dag, gateway(dag, car=answering(501, "text/plain")))
    assert done
    assert set(store.blocks) == {multihash_of(dag.root), multihash_of(deep)}


def test_a_block_that_nobody_can_read_is_not_the_gateways_fault() -> None:
    dag = Dag(1, 1)
    dag.root = dag.add(DAG_PB, b"\xff" * 20)
    done, _, (server,) = fetch(dag, gateway(dag, car=answering(200, CAR_TYPE, dag.car([dag.root]))), times=2)
    assert done
    assert forms(server) == ["car", "car"]


def test_more_than_one_fetch_keeps_track_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trustless, "GATEWAY_FETCH_BLOCKS_MAX", 30)
    dag = Dag(5, 20, leaf_bytes=16 * 1024)
    done, store, _ = fetch(dag, gateway(dag))
    assert not done
    assert len(store.blocks) >= 30


def test_a_full_disk_is_not_the_gateways_fault() -> None:
    dag = Dag(5, 20)

    class Full(Store):
        async def put_many(self, blocks: Sequence[Block]) -> None:
            raise NoRoom

    for car in (None, answering(501, "text/plain")):

        async def then(gateways: Gateways) -> None:
            for _ in range(2):
                with pytest.raises(NoRoom):
                    await gateways.fetch(dag.root, Full())

        (server,) = serve([gateway(dag, car=car)], then)
        assert len(server.asked) >= 2


def test_cancelled_in_the_middle_what_came_before_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trustless, "GATEWAY_BATCH_BLOCKS", 10)
    dag = Dag(5, 20)
    whole = dag.car()
    store = Store()

    async def stall(exchange: Exchange) -> None:
        await exchange.begin(200, CAR_TYPE, length=len(whole))
        await exchange.stream.send_all(whole[: len(whole) // 2])
        await trio.sleep_forever()

    async def then(gateways: Gateways) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(gateways.fetch, dag.root, store)
            await store.has_thirty.wait()
            nursery.cancel_scope.cancel()

    serve([gateway(dag, car=stall)], then)
    assert len(store.blocks) >= 30


def test_what_comes_is_counted() -> None:
    dag = Dag(5, 20)
    down = Throttle()

    async def then(gateways: Gateways) -> None:
        assert await gateways.fetch(dag.root, Store())
        assert down.total == len(dag.car())
        await gateways.block(dag.root)
        assert down.total == len(dag.car()) + len(dag.blocks[dag.root])

    serve([gateway(dag)], then, down=down)
