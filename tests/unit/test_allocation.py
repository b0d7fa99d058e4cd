"""Who is chosen to keep a pin: a table of examples, and what holds of any crew."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pincrew import limits
from pincrew.allocation import Allocator
from pincrew.crew_metrics import Crewmate
from pincrew.errors import Conflict

BY = ("tag:region", "freespace")
GB = 10**9


def mate(peer: str, free: int | None = GB, queue: int = 0, **tags: str) -> Crewmate:
    return Crewmate(hashlib.sha256(peer.encode()).digest(), peer, tags, free, queue, True)


def far(peer: str, **tags: str) -> Crewmate:
    return mate(peer, **tags)._replace(is_far=True)


def cid(number: int) -> bytes:
    return b"\x01\x55\x12\x20" + hashlib.sha256(b"%d" % number).digest()


def shares(crew: Sequence[Crewmate], by: Sequence[str] = BY, pins: int = 3_000, copies: int = 1) -> dict[str, float]:
    """The share of pins that falls on each peer, of independent choices."""
    found = Counter[str]()
    for number in range(pins):
        found.update(Allocator(crew, by).allocate(cid(number), copies, copies))
    return {one.peer: found[one.peer] / pins for one in crew}


ABC = [mate("a"), mate("b"), mate("c")]
EXAMPLES: dict[str, tuple[list[Crewmate], dict[str, object], object]] = {
    "everywhere needs nobody": ([], {"least": -1, "most": -1}, ()),
    "holders that are enough stay, in their order": (ABC, {"holders": ("c", "a")}, ("c", "a")),
    "also one that is not there, while enough are": (ABC, {"holders": ("x", "c", "a"), "most": 3}, ("x", "c", "a")),
    "of too many the last ones go": (ABC, {"holders": ("c", "b", "a")}, ("c", "b")),
    "of too many those that are not there go": (ABC, {"holders": ("x", "c", "b")}, ("c", "b")),
    "of too many those that are far go first": (
        [mate("a"), far("b"), mate("c")],
        {"holders": ("b", "c", "a")},
        ("c", "a"),
    ),
    "who is far is chosen last": (
        [mate("a", region="eu"), mate("b", region="eu"), far("c", region="us")],
        {"preferred": ("a",)},
        ("a", "b"),
    ),
    "but before nobody": ([mate("a"), far("b")], {}, ("a", "b")),
    "and where the user wishes it": ([mate("a"), mate("b"), far("c")], {"preferred": ("c", "a")}, ("c", "a")),
    "who is not there makes room": (ABC[:2], {"holders": ("x", "a")}, ("a", "b")),
    "a user's wishes come first, in their order": (ABC, {"preferred": ("c", "b")}, ("c", "b")),
    "but no more than are wanted": (ABC, {"preferred": ("c", "b", "a")}, ("c", "b")),
    "a wish for somebody who is not there is none": (ABC[:2], {"preferred": ("x", "b", "b")}, ("b", "a")),
    "a wish for who holds it is none": (ABC[:2], {"preferred": ("a", "b"), "holders": ("a",)}, ("a", "b")),
    "the full are not chosen": ([mate("a", 0), mate("b"), mate("c")], {"preferred": ("b",)}, ("b", "c")),
    "nor those whose node says nothing": ([mate("a", None), mate("b"), mate("c")], {"preferred": ("b",)}, ("b", "c")),
    "nor those with less room than it needs": (
        [mate("a", 5), mate("b"), mate("c")],
        {"size": 6, "preferred": ("b",)},
        ("b", "c"),
    ),
    "but who is full stays a holder": ([mate("a", 0), mate("b")], {"holders": ("a", "b")}, ("a", "b")),
    "regions alternate": (
        [mate("a", region="eu"), mate("b", region="eu"), mate("c", region="us")],
        {"preferred": ("a",)},
        ("a", "c"),
    ),
    "a holder's region counts": (
        [mate("a", region="eu"), mate("b", region="eu"), mate("c", region="us")],
        {"holders": ("b",)},
        ("b", "c"),
    ),
    "who has no region is in a group of its own": (
        [mate("a", region="eu"), mate("b", region="eu"), mate("c")],
        {"holders": ("b",)},
        ("b", "c"),
    ),
    "two are too few for three": (
        ABC[:2],
        {"least": 3, "most": 4},
        "Needed at least: 3. Wanted at most: 4. Available candidates: 2",
    ),
    "what is needed is less what is there": (
        ABC[:1],
        {"least": 3, "most": 4, "holders": ("a",)},
        "Needed at least: 2. Wanted at most: 3. Available candidates: 0",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str) -> None:
    crew, asked, wanted = EXAMPLES[name]
    fields = dict(asked)
    least, most = fields.pop("least", 2), fields.pop("most", 2)

    def allocate() -> tuple[str, ...]:
        return Allocator(crew, BY).allocate(cid(1), least, most, **fields)  # type: ignore[arg-type]

    if isinstance(wanted, str):
        with pytest.raises(Conflict, match=f"^Not enough peers to allocate CID. {wanted}") as caught:
            allocate()
        assert caught.value.means and "pincrew peers" in caught.value.next_step
    else:
        assert allocate() == wanted


def test_tags_within_tags_alternate_each_in_its_group() -> None:
    crew = [mate(f"{region}{zone}{n}", region=region, zone=zone) for region in "eu" for zone in "12" for n in "xy"]
    chosen = Allocator(crew, ("tag:region", "tag:zone", "freespace")).allocate(cid(3), 4, 4)
    assert sorted(one[:2] for one in chosen) == ["e1", "e2", "u1", "u2"]
    assert len({one[0] for one in chosen[:2]}) == 2, "the first two are in two regions"


def test_only_who_may_hold_is_chosen_and_a_follower_that_holds_it_stays_one() -> None:
    curators = {one.key for one in ABC[:2]}
    allocator = Allocator(ABC, BY, may_hold=curators)
    assert len(allocator) == 2 and set(allocator.allocate(cid(1), 2, 2)) == {"a", "b"}
    assert Allocator(ABC, BY, may_hold=curators).allocate(cid(1), 2, 2, holders=("c",))[0] == "c"


def test_the_blacklist_is_neither_chosen_nor_counted() -> None:
    allocator = Allocator(ABC, BY, blacklist={"b"})
    assert set(allocator.allocate(cid(1), 2, 2, holders=("b", "a"), preferred=("b",))) == {"a", "c"}


def test_each_gets_as_it_has_room() -> None:
    found = shares([mate("small", GB), mate("middle", 2 * GB), mate("large", 3 * GB)])
    for peer, share in (("small", 1 / 6), ("middle", 2 / 6), ("large", 3 / 6)):
        assert abs(found[peer] - share) < 0.04, found


def test_a_liar_gets_at_most_four_medians_worth() -> None:
    found = shares([mate("liar", 2**63 - 1), *(mate(f"honest{n}") for n in range(8))])
    assert limits.FREE_SPACE_MEDIANS_MAX == 4
    assert abs(found["liar"] - 4 / 12) < 0.04, found
    both = shares([mate("liar", 2**63 - 1), *(mate(f"honest{n}") for n in range(8))], copies=2)
    assert both["liar"] <= 1.0 and sum(both.values()) == pytest.approx(2.0), "one copy of a pin at most"


def test_where_many_pins_wait_fewer_come() -> None:
    found = shares([mate("idle"), mate("busy", queue=limits.QUEUE_HALVES)], ("freespace", "pinqueue"))
    assert abs(found["busy"] - 1 / 3) < 0.04, found
    assert abs(shares([mate("idle"), mate("busy", queue=10**6)])["busy"] - 0.5) < 0.04, "nobody asked for that"


def test_a_batch_is_no_herd_and_fills_nobody_beyond_its_room() -> None:
    crew = [mate("a", 10 * GB), mate("b", 10 * GB), mate("c", 100 * GB)]
    allocator = Allocator(crew, ("freespace",))
    found = Counter(allocator.allocate(cid(n), 1, 1, size=GB)[0] for n in range(100))
    assert found["a"] <= 10 and found["b"] <= 10 and found["c"] >= 80


NAMES = st.sampled_from(["", "eu", "us", "asia"])
CREWS = st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 10**6), NAMES, NAMES), max_size=12).map(
    lambda rows: [
        mate(f"p{n:02}", free, queue, **{k: v for k, v in (("region", region), ("zone", zone)) if v})
        for n, (free, queue, region, zone) in enumerate(rows)
    ]
)
WAYS = st.lists(st.sampled_from(["tag:region", "tag:zone", "freespace", "pinqueue"]), unique=True, max_size=4)


@settings(max_examples=200, deadline=None)
@given(
    CREWS,
    WAYS,
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.integers(0, 6),
    st.lists(st.integers(0, 15), unique=True, max_size=6),
    st.lists(st.integers(0, 15), max_size=6),
)
def test_what_holds_of_any_crew(
    crew: list[Crewmate], by: list[str], number: int, least: int, more: int, held: list[int], liked: list[int]
) -> None:
    most = least + more
    holders = tuple(f"p{n:02}" for n in held)
    preferred = tuple(f"p{n:02}" for n in liked)

    def allocate(order: Sequence[Crewmate]) -> tuple[str, ...]:
        return Allocator(order, by).allocate(cid(number), least, most, holders=holders, preferred=preferred)

    alive = {one.peer: one for one in crew}
    standing = [one for one in holders if one in alive]
    usable = [one.peer for one in crew if one.free_bytes or "freespace" not in by]
    free = [one for one in usable if one not in standing]
    if len(standing) + len(free) < least:
        with pytest.raises(Conflict):
            allocate(crew)
        return
    chosen = allocate(crew)
    assert chosen == allocate(crew[::-1]), "whatever the order in which they were heard"
    assert len(chosen) == len(set(chosen)) and least <= len(chosen) <= most
    if len(standing) >= least:
        assert set(chosen) <= set(holders)
        return
    assert chosen[: len(standing)] == tuple(standing)
    added = chosen[len(standing) :]
    assert set(added) <= set(free) and len(added) == min(len(free), most - len(standing))
    wishes = [one for one in dict.fromkeys(preferred) if one in free][: len(added)]
    assert list(added[: len(wishes)]) == wishes
    tags = [name.removeprefix("tag:") for name in by if name.startswith("tag:")]
    if tags and not wishes:
        copies = Counter(alive[one].tags.get(tags[0], "") for one in standing)
        left = set(free)
        for one in added:
            group = alive[one].tags.get(tags[0], "")
            assert copies[group] == min(copies[alive[other].tags.get(tags[0], "")] for other in left)
            copies[group] += 1
            left.discard(one)
