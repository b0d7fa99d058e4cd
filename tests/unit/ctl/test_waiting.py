"""When a wait is over, and when it is given up."""

from __future__ import annotations

import pytest

from pincrew.ctl.answers import shaped
from pincrew.ctl.waiting import PINNED, UNPINNED, Failing, Wait
from pincrew.limits import CTL_WAIT_UNREACHABLE_MAX
from pincrew.rest.shapes import GlobalPinInfo
from unit.ctl.examples import status


def info(*words: str) -> GlobalPinInfo:
    return shaped(GlobalPinInfo, status(*words))


@pytest.mark.parametrize(
    ("target", "limit", "words", "is_over"),
    [
        (PINNED, 0, "pinned pinned", True),
        (PINNED, -1, "pinned pinning", False),
        (PINNED, 0, "pinned remote", True),
        (PINNED, 1, "pinned pinning pin_queued", True),
        (PINNED, 2, "pinned pinning", False),
        (PINNED, 5, "pinned pinned", True),
        (PINNED, 1, "remote pinning", False),
        (UNPINNED, 0, "unpinned unpinned", True),
        (UNPINNED, 0, "unpinned remote", False),
        (UNPINNED, 0, "unpinned unpin_queued", False),
        (PINNED, 3, "", True),
        (PINNED, 2, "sharded sharded", True),
        (UNPINNED, 0, "sharded sharded", False),
    ],
)
def test_enough(target: str, limit: int, words: str, is_over: bool) -> None:
    assert Wait(target, limit).is_over(info(*words.split())) is is_over


@pytest.mark.parametrize("word", ["pin_error", "unpin_error"])
def test_a_failure_ends_it(word: str) -> None:
    with pytest.raises(Failing, match="error has occurred while attempting to reach status: pinned"):
        Wait(PINNED, 1).is_over(info("pinned", word))


def test_a_peer_that_cannot_be_asked_is_given_time() -> None:
    wait = Wait(PINNED, 0)
    for _ in range(CTL_WAIT_UNREACHABLE_MAX - 1):
        assert not wait.is_over(info("pinned", "cluster_error"))
    assert not wait.is_over(info("pinned", "pinning"))  # it was asked: they are counted anew
    for _ in range(CTL_WAIT_UNREACHABLE_MAX - 1):
        assert not wait.is_over(info("pinned", "cluster_error"))
    with pytest.raises(Failing):
        wait.is_over(info("pinned", "undefined"))
