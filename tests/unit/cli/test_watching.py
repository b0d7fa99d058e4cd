"""Watching in lines: each change of state, and progress now and then."""

from __future__ import annotations

import io
import os

import pytest

from pincrew.cli import watching
from pincrew.cli.invocation import Invocation
from pincrew.cli.output import Output
from pincrew.paths import Home
from support.fake_daemon import FakeDaemon
from support.shape_examples import summary


def test_a_line_per_change(home: Home, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_S", 0.0001)
    states = iter(["joining", "joining", "following", "following", "full"])
    daemon.on("GET", "/clusters/books/summary", lambda _: summary(state=next(states)))
    words = io.StringIO()
    found = watching.watch(Invocation(Output(out=io.StringIO(), err=words), os.environ), "books")
    assert found is not None
    assert found.state == "full"
    assert [line.split(",")[0] for line in words.getvalue().splitlines()] == [
        "books: joining",
        "books: following",
        "books: full",
    ]


def test_out_of_time(home: Home, daemon: FakeDaemon) -> None:
    output = Output(out=io.StringIO(), err=io.StringIO())
    assert watching.watch(Invocation(output, os.environ), "books", deadline=0.0) is None
