"""Commands as they are typed, in this process, and a peer that answers as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pincrew.ctl.app import main
from support.rest_peer import RestPeer, running_peer
from support.shell import Result

Say = Callable[..., Result]


@pytest.fixture
def peer() -> Iterator[RestPeer]:
    """A peer on a free port."""
    with running_peer() as running:
        yield running


@pytest.fixture
def say(peer: RestPeer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Say:
    """Say a command line to that peer, or to the host that it names; nobody waits for a second."""
    monkeypatch.setattr("pincrew.ctl.pins.CTL_WAIT_INTERVAL_S", 0.001)

    def run(line: str, *more: str, host: str = "", environment: dict[str, str] | None = None) -> Result:
        capsys.readouterr()
        code = main(["--host", host or peer.host, *line.split(), *more], environment or {}, "ipfs-cluster-ctl")
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return run
