from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew.errors import NewerStore, StoreFault
from pincrew.holdings import Holdings, is_ours, pin_name

A, B = b"a" * 32, b"b" * 32
CID, OTHER = b"\x01\x55cid", b"\x01\x55other"


@pytest.fixture
def holdings(tmp_path: Path) -> Iterator[Holdings]:
    store = Holdings(tmp_path / "holdings.db")
    yield store
    store.close()


def claim(
    holdings: Holdings, cluster: bytes = A, *, found: str | None = None, node: str = "n", names: bool = True
) -> bool:
    """Claim CID where the node has a pin named ``found`` (None: no pin)."""
    name = found if names else None
    return holdings.claim(node, CID, cluster, was_pinned_before=found is not None, name=name)


def test_what_we_pinned_may_go_when_the_last_cluster_lets_go(holdings: Holdings) -> None:
    assert claim(holdings, A) is False
    assert claim(holdings, B, found=pin_name(A)) is False
    assert holdings.may_unpin("n", CID, A, pin_name(A)) is False
    holdings.release("n", CID, A)
    assert holdings.may_unpin("n", CID, B, pin_name(A)) is True


@pytest.mark.parametrize("name", ["", "holiday"])
def test_what_was_there_before_stays(holdings: Holdings, name: str) -> None:
    assert claim(holdings, found=name) is True
    # Ours replaced it (a direct pin made recursive): the name is ours, and it is his all the same.
    assert holdings.may_unpin("n", CID, A, pin_name(A)) is False
    holdings.release("n", CID, A)
    assert claim(holdings, B, found=pin_name(A)) is True


def test_what_the_user_gave_up_is_ours(holdings: Holdings) -> None:
    claim(holdings, found="holiday")
    assert claim(holdings) is False
    assert holdings.may_unpin("n", CID, A, pin_name(A)) is True


def test_the_name_at_the_time_of_unpinning_decides(holdings: Holdings) -> None:
    claim(holdings)
    assert holdings.may_unpin("n", CID, A, "mine now") is False
    assert holdings.may_unpin("n", CID, A, "") is False
    assert holdings.may_unpin("n", CID, A, pin_name(B)) is False  # of another daemon's cluster
    assert holdings.may_unpin("n", CID, A, None) is True  # a node without names


def test_without_names_a_pin_that_nobody_claimed_is_the_users(holdings: Holdings) -> None:
    assert claim(holdings, found="", names=False) is True
    claim(holdings, B)
    assert claim(holdings, A, found="", names=False) is False


def test_a_lost_file_is_made_up_for_by_the_name(holdings: Holdings) -> None:
    assert holdings.may_unpin("n", CID, A, pin_name(A)) is True
    assert holdings.may_unpin("n", CID, A, pin_name(B)) is False
    assert holdings.may_unpin("n", CID, A, None) is False


def test_given_to_the_user(holdings: Holdings) -> None:
    claim(holdings)
    holdings.give("n", CID, A)
    assert holdings.held(A, [CID]) == set()
    assert claim(holdings, found=pin_name(A)) is True
    assert holdings.may_unpin("n", CID, A, pin_name(A)) is False


def test_given_to_the_user_on_every_node_that_holds_it(holdings: Holdings) -> None:
    claim(holdings, node="old")
    claim(holdings, B, node="old")
    holdings.give("new", CID, A)
    assert holdings.may_unpin("new", CID, A, pin_name(A)) is False
    assert holdings.may_unpin("old", CID, A, pin_name(A)) is False
    assert (holdings.held(A, [CID]), holdings.held(B, [CID])) == (set(), {CID})


def test_nodes_are_kept_apart(holdings: Holdings) -> None:
    claim(holdings, node="one")
    claim(holdings, node="two", found="")
    assert holdings.held(A, [CID, OTHER]) == {CID}
    assert holdings.held(A, [CID], node="three") == set()
    assert holdings.may_unpin("one", CID, A, pin_name(A)) is True
    assert holdings.may_unpin("two", CID, A, pin_name(A)) is False


def test_what_stays_without_a_cluster_is_the_users_own_or_anothers_too(holdings: Holdings) -> None:
    alone, shared, own, elsewhere = (b"\x01\x55" + n.to_bytes(4) for n in range(4))
    for cid, name in ((alone, None), (shared, None), (own, "holiday"), (elsewhere, None)):
        holdings.claim("n", cid, A, was_pinned_before=name is not None, name=name)
    holdings.claim("n", shared, B, was_pinned_before=True, name=pin_name(A))
    holdings.claim("other", elsewhere, B, was_pinned_before=False, name=None)
    assert (holdings.count(A), holdings.count_shared(A)) == (4, 2)
    assert (holdings.count(B), holdings.count_shared(B)) == (2, 1)


def test_pages_go_on_while_things_are_released(holdings: Holdings) -> None:
    cids = [b"\x01\x55" + n.to_bytes(4) for n in range(2_500)]
    for cid in cids:
        holdings.claim("n", cid, A, was_pinned_before=False, name=None)
    holdings.claim("n", CID, B, was_pinned_before=False, name=None)
    seen = []
    for node, cid in holdings.of_cluster(A):
        assert node == "n"
        seen.append(cid)
        holdings.release(node, cid, A)
    assert seen == cids
    assert (holdings.count(A), holdings.count(B)) == (0, 1)
    assert holdings.held(B, [*cids, CID]) == {CID}


def test_it_is_all_there_after_opening_again(tmp_path: Path) -> None:
    first = Holdings(tmp_path / "holdings.db")
    claim(first, found="holiday")
    first.close()
    second = Holdings(tmp_path / "holdings.db")
    assert second.held(A, [CID]) == {CID}
    assert second.may_unpin("n", CID, A, pin_name(A)) is False
    second.close()


def test_a_newer_file_and_a_broken_one_are_refused_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "holdings.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NewerStore, match="99"):
        Holdings(path)
    assert path.read_bytes() == before
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(StoreFault):
        Holdings(path)
    with pytest.raises(StoreFault):
        Holdings(tmp_path / "no such folder" / "holdings.db")


def test_a_failed_transaction_leaves_it_usable(holdings: Holdings) -> None:
    with pytest.raises(StoreFault):
        holdings.claim("n", {}, A, was_pinned_before=False, name=None)  # type: ignore[arg-type]
    assert claim(holdings) is False
    assert holdings.held(A, [CID]) == {CID}


steps = st.lists(
    st.tuples(st.sampled_from(["claim", "let go", "user pins", "user unpins"]), st.sampled_from([A, B])), max_size=30
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_invariant_15_the_users_pin_outlives_every_order_of_events(
    tmp_path_factory: pytest.TempPathFactory, todo: list[tuple[str, bytes]]
) -> None:
    """A model of the node: its one pin, and whether the user wants it."""
    holdings = Holdings(tmp_path_factory.mktemp("h") / "holdings.db")
    pin: str | None = None
    users = False
    holders: set[bytes] = set()
    for step, cluster in todo:
        if step == "user pins":
            pin, users = "mine", True
        elif step == "user unpins" and pin is not None and not is_ours(pin):
            pin, users = None, False
        elif step == "claim":
            holdings.claim("n", CID, cluster, was_pinned_before=pin is not None, name=pin)
            pin = pin_name(cluster) if pin is None else pin
            holders.add(cluster)
        elif step == "let go" and cluster in holders:
            if pin is not None and holdings.may_unpin("n", CID, cluster, pin):
                assert not users
                assert holders == {cluster}
                pin = None
            holdings.release("n", CID, cluster)
            holders.discard(cluster)
        assert pin is not None or not users
    holdings.close()
