"""What a view of figures stands on, from a real daemon with pincrew's own node: the feed, a pin, a series, a place."""

from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec
import pytest

from pincrew.api.shapes import Status, Summary
from pincrew.errors import DaemonLost, NotFound
from support.machines import Crew, until

pytestmark = [pytest.mark.slow]
MEGABYTE = 1_000_000


def told(feed: Iterator[Status | None], kinds: list[int]) -> Iterator[Summary]:
    """Yield the one cluster each time it is told; count what that took in bytes, and signs of life as 0."""
    for status in feed:
        kinds.append(0 if status is None else len(msgspec.json.encode(status)))
        if status is not None and status.clusters:
            yield status.clusters[0]


def test_figures_as_they_change_and_who_serves(crew: Crew) -> None:
    curator, follower = crew.machine("curator"), crew.machine("follower")
    made = curator.create("archive", node="embedded")
    ready = curator.serve("archive", "--publish", "127.0.0.1:0")
    for number, size in enumerate((30 * MEGABYTE, 1_000)):
        (curator.folder / f"file {number}").write_bytes(os.urandom(size))
    large, small = (line["cid"] for line in curator.json_lines("add", "file 0", "file 1"))
    follower.run("limits", "--download", "3MB")
    follower.follow(f"{ready['publish']}#{made['id']}", "--all", node="embedded")

    kinds: list[int] = []
    shown = told(follower.client.feed(), kinds)
    at_work, flight = next(
        (one, flight)
        for one in shown
        if one.progress is not None
        for flight in one.progress.flights
        if flight.cid == large and flight.serving and flight.rate
    )
    assert at_work.progress is not None and (flight.serving, at_work.progress.serving) == (1, 1)
    assert flight.rate <= 10 * MEGABYTE and at_work.db_bytes, "a second's worth comes at once"
    pin = follower.client.pin("archive", large)
    assert (pin.state, pin.serving, pin.name) == ("pinning", 1, "file 0")
    assert pin.last_block and pin.rate and pin.bytes_done
    assert pin.added_by == made["peer_id"]
    sent = until(lambda: curator.client.summary("archive").progress.upload_rate, "the curator's node sends")
    assert sent and 0 < sent < 10 * MEGABYTE

    done = next(one for one in shown if one.state == "complete")
    assert (done.rev or 0) > (at_work.rev or 0)
    assert max(kinds) < 2 * 1024 and 0 not in kinds[:3]
    series = until(lambda: any(follower.client.series("archive").down), "something is in the series")
    assert series
    by_name = [pin.cid for pin in follower.client.pin_page("archive", [("sort", "name")], limit=9).rows]
    for cid in (large, small):
        assert follower.client.locate("archive", [("sort", "name")], cid=cid) == by_name.index(cid)
    assert follower.client.locate("archive", [("state", "error")], cid=small) is None
    finished = follower.client.pin("archive", large)
    assert (finished.state, finished.serving, finished.rate, finished.copies) == ("pinned", None, None, finished.copies)
    with pytest.raises(NotFound):
        follower.client.pin("archive", "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy")

    follower.run("daemon", "stop")
    with pytest.raises(DaemonLost):
        list(shown)
