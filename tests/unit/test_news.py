"""Once per change of state, once per reason, and the all-clear; nothing twice, nothing that lasts no time."""

from __future__ import annotations

import json

from pincrew.news import Item, Kind, News, Sight

SETTLE_S = 10.0


def sight(state: str = "complete", cluster: str = "books", id: str = "ab", **reasons: str) -> Sight:
    return Sight(cluster, id, state, reasons)


def told(news: News, now_s: float, *sights: Sight) -> list[Item]:
    """Look twice, so far apart that all has settled."""
    first = news.look(sights, now_s=now_s, settle_s=SETTLE_S)
    return first + news.look(sights, now_s=now_s + SETTLE_S, settle_s=SETTLE_S)


def test_a_change_of_state_is_told_once_and_so_is_its_end() -> None:
    news = News()
    (first,) = told(news, 0, sight("complete"))
    assert (first.kind, first.state, first.before, first.text) == (Kind.STATE, "complete", None, "books is complete")
    assert told(news, 100, sight("complete")) == []
    (trouble,) = told(news, 200, sight("waiting"))
    assert (trouble.kind, trouble.before, trouble.text) == (
        Kind.TROUBLE,
        "complete",
        "books is waiting; it was complete",
    )
    assert told(news, 300, sight("waiting")) == []
    (clear,) = told(news, 400, sight("following"))
    assert (clear.kind, clear.before) == (Kind.ALL_CLEAR, "waiting")
    (better,) = told(news, 500, sight("complete"))
    assert better.kind is Kind.STATE


def test_a_reason_is_told_once_and_so_is_its_end() -> None:
    news = News()
    told(news, 0, sight())
    (item,) = told(news, 100, sight(node_down="The IPFS node does not answer"))
    assert (item.kind, item.code, item.text) == (Kind.TROUBLE, "node_down", "books: The IPFS node does not answer")
    assert told(news, 200, sight(node_down="The IPFS node does not answer: other words")) == []
    (clear,) = told(news, 300, sight())
    assert (clear.kind, clear.code) == (Kind.ALL_CLEAR, "node_down")
    assert clear.text == "books: no more: The IPFS node does not answer"


def test_what_lasts_no_time_is_not_told() -> None:
    news = News()
    told(news, 0, sight())
    for second in range(100, 200, 4):
        state = "waiting" if second % 8 else "complete"
        reasons = {"no_peers": "none"} if second % 8 else {}
        assert news.look([sight(state, **reasons)], now_s=second, settle_s=SETTLE_S) == []


def test_nothing_is_told_again_in_a_later_life() -> None:
    news = News()
    told(news, 0, sight("waiting", node_down="it is down"))
    later = News(json.loads(json.dumps(news.memory())))
    assert told(later, 0, sight("waiting", node_down="it is down")) == []
    assert [item.kind for item in told(later, 100, sight())] == [Kind.ALL_CLEAR, Kind.ALL_CLEAR]


def test_a_cluster_that_goes_is_stopped_unless_it_was_left() -> None:
    news = News()
    told(news, 0, sight("complete"), sight("leaving", "films", "cd"))
    (item,) = told(news, 100)
    assert (item.cluster, item.id, item.state, item.kind) == ("books", "ab", "stopped", Kind.TROUBLE)
    assert told(news, 200) == []


def test_another_cluster_of_the_same_name_begins_anew() -> None:
    news = News()
    told(news, 0, sight("waiting", node_down="down"))
    (item,) = told(news, 100, sight("complete", id="cd"))
    assert (item.before, item.kind) == (None, Kind.STATE)


def test_a_failed_cluster_whose_id_cannot_be_read_is_the_same() -> None:
    news = News()
    told(news, 0, sight("complete"))
    (item,) = told(news, 100, sight("failed", id=""))
    assert (item.id, item.before) == ("ab", "complete")


def test_a_damaged_memory_is_no_memory() -> None:
    news = News({"books": {"id": 1}, "films": [], "music": {"id": "ab", "state": "complete", "reasons": {}}})
    assert list(news.memory()) == ["music"]
