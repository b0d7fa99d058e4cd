"""The stack of a walk: order, and what it forgets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pincrew.node.frontier import Frontier


def cid(number: int) -> bytes:
    return number.to_bytes(4)


def test_it_gives_the_root_then_the_deepest_first() -> None:
    frontier = Frontier(cid(0))
    assert frontier.take(10) == [cid(0)]
    assert not frontier
    frontier.push(cid(0), [cid(1), cid(2)])
    assert frontier.take(1) == [cid(1)]
    frontier.push(cid(1), [cid(3), cid(4)])
    frontier.push(cid(9), [])
    assert frontier.take(10) == [cid(3), cid(4), cid(2)]
    assert not frontier and frontier.take(10) == []


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 20), st.integers(1, 7))
def test_whatever_is_forgotten_comes_again(widths: list[int], held_max: int, count: int) -> None:
    """A tree whose n-th block has widths[n] children: each is given once, with and without forgetting."""
    children: dict[bytes, list[bytes]] = {}
    number = 1
    for parent, width in enumerate(widths):
        children[cid(parent)] = [cid(number + each) for each in range(width)] if parent < number else []
        number += len(children[cid(parent)])

    def visit(frontier: Frontier) -> list[bytes]:
        seen = []
        while frontier:
            if (forgotten := frontier.forgotten) is not None:
                frontier.remind(children[forgotten])
            taken = frontier.take(count)
            assert taken
            seen += taken
            for each in taken:
                frontier.push(each, children.get(each, []))
        return seen

    assert (
        sorted(visit(Frontier(cid(0), held_max)))
        == sorted(visit(Frontier(cid(0))))
        == sorted({cid(0)}.union(*children.values()))
    )


def test_depth_costs_no_more_than_its_blocks() -> None:
    """A chain a hundred thousand deep whose blocks each leave something behind: nothing is looked through twice."""
    frontier = Frontier(cid(0), links_held_max=1_000)
    depth = 100_000
    for number in range(depth):
        assert frontier.take(1) == [cid(2 * number)]
        frontier.push(cid(2 * number), [cid(2 * number + 2), cid(2 * number + 1)])
    left = 0
    while frontier:
        if (forgotten := frontier.forgotten) is not None:
            number = int.from_bytes(forgotten)
            frontier.remind([cid(number + 2), cid(number + 1)])
        left += len(frontier.take(1_000))
    assert left == depth + 1
